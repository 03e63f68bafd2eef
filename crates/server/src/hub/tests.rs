//! Tests of the hub with real outboxes and a stepped clock.

use futures_util::FutureExt;
use hutong_protocol::{decode_server, limits::OUTBOX_CAPACITY};

use super::*;
use crate::{outbox::OutboxAction, turn::CredentialIssuer};

fn ice_servers() -> Arc<IceServerSource> {
    let issuer = CredentialIssuer::new(None, &TicketKey::random().unwrap());
    Arc::new(IceServerSource::new(vec![], Arc::new(issuer), None))
}

/// The state of a hub, with a clock that the test steps.
struct SteppedHub {
    state: HubState,
    now: Duration,
}

impl SteppedHub {
    fn new() -> Self {
        let now = Duration::from_secs(1_795_000_000);
        let config = RegistryConfig { max_users: 10, whole_roster: 10, ticket_key: [7; 32], session_seed: [1; 32] };
        Self { state: HubState::new(Registry::new(config, now), Metrics::new().0, ice_servers()), now }
    }

    fn login(&mut self, name: &str) -> (ConnId, Arc<Outbox>) {
        let (conn, outbox) =
            self.state.connect(std::net::Ipv4Addr::LOCALHOST.into(), Arc::new(ClientRoute::Proxied { host: None }));
        self.receive(conn, ClientMessage::Hello { name: name.into(), resume: None, secret: None });
        (conn, outbox)
    }

    fn receive(&mut self, conn: ConnId, message: ClientMessage) {
        self.state.registry.handle_message(self.now, conn, message);
        self.state.carry_out_effects(self.now);
    }

    /// A user logs in and disconnects, each followed by a presence message.
    fn log_in_and_out(&mut self, number: usize) {
        let (conn, _outbox) = self.login(&format!("visitor {number}"));
        self.now += Duration::from_secs(1);
        self.state.registry.tick(self.now);
        self.state.carry_out_effects(self.now);
        self.state.refuse(self.now, conn, RefusedCode::Replaced);
        self.now += Duration::from_secs(1);
        self.state.registry.tick(self.now);
        self.state.carry_out_effects(self.now);
    }

    /// All messages that are waiting for this connection, snapshots included.
    fn read(&mut self, conn: ConnId, outbox: &Outbox) -> Vec<ServerMessage> {
        let mut read = Vec::new();
        while let Some(next) = outbox.next().now_or_never() {
            match next {
                OutboxAction::Write(frames) => {
                    read.extend(frames.into_iter().map(|frame| message(&frame.into_bytes())))
                }
                OutboxAction::Snapshot => self.state.send_snapshot(self.now, conn),
                OutboxAction::Close(code) => {
                    read.push(ServerMessage::Refused { code, message: String::new() });
                    break;
                }
            }
        }
        read
    }
}

fn message(frame: &[u8]) -> ServerMessage {
    let start = frame.iter().position(|byte| *byte == b'{').unwrap();
    decode_server(std::str::from_utf8(&frame[start..]).unwrap()).unwrap()
}

#[test]
fn a_slow_reader_receives_one_snapshot_in_place_of_dropped_presence() {
    let mut hub = SteppedHub::new();
    let (slow, slow_outbox) = hub.login("Slow");
    let (fast, fast_outbox) = hub.login("Fast");
    hub.read(slow, &slow_outbox);
    for number in 0..OUTBOX_CAPACITY * 2 / 3 {
        hub.log_in_and_out(number);
        assert!(!hub.read(fast, &fast_outbox).is_empty());
    }
    let (_last, _outbox) = hub.login("Last");
    let read = hub.read(slow, &slow_outbox);
    let [ServerMessage::Roster { users, total: None }, ServerMessage::Presence { .. }] = &read[..] else {
        panic!("{} messages: {:?}", read.len(), read.first())
    };
    assert_eq!(users.iter().map(|user| user.name.as_str()).collect::<Vec<_>>(), ["Fast", "Last"]);
    hub.log_in_and_out(1_000);
    assert!(matches!(hub.read(slow, &slow_outbox)[..], [ServerMessage::Presence { .. }, ..]));
}

#[test]
fn a_snapshot_is_followed_by_the_readers_own_state() {
    let mut hub = SteppedHub::new();
    let (slow, slow_outbox) = hub.login("Slow");
    let (fast, fast_outbox) = hub.login("Fast");
    hub.read(slow, &slow_outbox);
    let to = hub.state.registry.user_of(slow).map(|user| user.token);
    let offering = ClientMessage::Offering { to: to.unwrap(), media: hutong_protocol::MediaKind::Voice };
    hub.receive(fast, offering);
    for number in 0..OUTBOX_CAPACITY * 2 / 3 {
        hub.log_in_and_out(number);
        hub.read(fast, &fast_outbox);
    }
    let read = hub.read(slow, &slow_outbox);
    let own = read.iter().rev().find_map(|message| match message {
        ServerMessage::Presence { changes, .. } => changes.iter().find(|user| Some(user.token) == to),
        _ => None,
    });
    assert_eq!(own.map(|me| me.state), Some(hutong_protocol::UserState::Online), "the call has ended meanwhile");
}

#[test]
fn a_reader_that_stays_behind_is_refused_as_too_slow() {
    let mut hub = SteppedHub::new();
    let (slow, slow_outbox) = hub.login("Slow");
    hub.read(slow, &slow_outbox);
    for number in 0..OUTBOX_CAPACITY + 10 {
        hub.log_in_and_out(number);
    }
    let read = hub.read(slow, &slow_outbox);
    assert!(matches!(read[..], [ServerMessage::Refused { code: RefusedCode::TooSlow, .. }]), "{read:?}");
    assert_eq!(hub.state.registry.users_online(), 0);
}

#[test]
fn a_refused_connection_is_removed() {
    let mut hub = SteppedHub::new();
    let (ana, _ana_outbox) = hub.login("Ana");
    let (again, outbox) = hub.login("ana");
    let read = hub.read(again, &outbox);
    assert!(matches!(read[..], [ServerMessage::Refused { code: RefusedCode::NameTaken, .. }]), "{read:?}");
    assert_eq!(hub.state.connections.keys().collect::<Vec<_>>(), [&ana]);
}

#[test]
fn a_login_whose_secret_changed_while_it_was_checked_is_refused() {
    let config = RegistryConfig { max_users: 10, whole_roster: 10, ticket_key: [7; 32], session_seed: [1; 32] };
    let hub = Hub::new(config, Metrics::new().0, ice_servers());
    for (is_current, online) in [(false, 0), (true, 1)] {
        let route = Arc::new(ClientRoute::Proxied { host: None });
        let (conn, outbox) = hub.connect(std::net::Ipv4Addr::LOCALHOST.into(), route);
        let login = AdmittedLogin {
            name: "Ana".into(),
            resume: None,
            credential: Credential::NONE,
            right: crate::registry::NameRight::Owner,
        };
        hub.handle_admitted_hello(conn, login, |name, _| {
            assert_eq!(name.as_str(), "ana");
            is_current
        });
        assert_eq!(hub.users_online(), online);
        let next = outbox.next().now_or_never();
        assert_eq!(next == Some(OutboxAction::Close(RefusedCode::SecretChanged)), !is_current);
    }
}
