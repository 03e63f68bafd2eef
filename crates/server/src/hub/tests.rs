//! Tests of the hub with real outboxes and a stepped clock.

use std::net::IpAddr;

use futures_util::FutureExt;
use hutong_protocol::{decode_server, limits::OUTBOX_CAPACITY};

use super::{sessions::DISCONNECT_BATCH, *};
use crate::{
    outbox::OutboxAction,
    registry::{AdmittedLogin, Credential},
    revocation_file::UnsavedRevocations,
    turn::CredentialIssuer,
};

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
        let (conn, outbox) = self
            .state
            .connect(ClientAddr::limited(std::net::Ipv4Addr::LOCALHOST), Arc::new(ClientRoute::Proxied { host: None }));
        self.receive(conn, ClientMessage::Hello { name: name.into(), resume: None, secret: None, replace: false });
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

fn hub() -> (Hub, Supervisor) {
    let config = RegistryConfig { max_users: 10, whole_roster: 10, ticket_key: [7; 32], session_seed: [1; 32] };
    let supervisor = Supervisor::default();
    (Hub::new(config, Metrics::new().0, ice_servers(), supervisor.clone()), supervisor)
}

#[test]
fn a_new_deny_list_is_compared_without_the_lock_and_in_batches() {
    let (hub, _) = hub();
    let route = Arc::new(ClientRoute::Proxied { host: None });
    let outboxes: Vec<_> = (0..1_000_u32)
        .map(|number| hub.connect(ClientAddr::limited(std::net::Ipv4Addr::from(number)), route.clone()).1)
        .collect();
    let is_denied = |address: IpAddr| matches!(address, IpAddr::V4(address) if address.octets()[3] == 7);
    let compared = std::cell::Cell::new(0);
    hub.disconnect_where(|_, address| {
        assert!(hub.0.state.is_free(), "the lock is held while addresses are compared");
        compared.set(compared.get() + 1);
        is_denied(address)
    });
    assert_eq!(compared.get(), outboxes.len());
    let closed = outboxes.iter().filter(|outbox| outbox.next().now_or_never().is_some()).count();
    assert_eq!((closed, hub.connections().len()), (4, outboxes.len() - 4));
    // One hold of the lock reads the addresses of a batch only.
    let all = hub.connections();
    assert!(all.chunks(DISCONNECT_BATCH).all(|batch| hub.lock().names_and_addresses(batch).len() <= DISCONNECT_BATCH));
}

#[test]
fn after_a_panic_under_the_lock_the_server_stops_and_the_registry_is_not_called() {
    let (hub, supervisor) = hub();
    let (conn, outbox) =
        hub.connect(ClientAddr::limited(std::net::Ipv4Addr::LOCALHOST), Arc::new(ClientRoute::Proxied { host: None }));
    let broken = hub.clone();
    assert!(std::thread::spawn(move || broken.break_registry()).join().is_err());
    let failure = supervisor.failed().now_or_never().unwrap();
    assert!(failure.to_string().contains("\"hub\" has panicked"), "{failure}");
    hub.handle_message(conn, ClientMessage::Ping);
    assert_eq!(outbox.next().now_or_never(), None);
    assert_eq!((hub.users_online(), hub.connections().len()), (0, 1));
}

#[test]
fn a_user_who_floods_a_reader_that_is_behind_is_refused_and_the_reader_stays() {
    let mut hub = SteppedHub::new();
    let (ana, ana_outbox) = hub.login("Ana");
    let (victim, victim_outbox) = hub.login("Victim");
    let to = hub.state.registry.user_of(victim).map(|user| user.token).unwrap();
    hub.receive(ana, ClientMessage::Offering { to, media: hutong_protocol::MediaKind::Voice });
    let call = hub
        .read(victim, &victim_outbox)
        .into_iter()
        .find_map(|message| match message {
            ServerMessage::Offering { call, .. } => Some(call),
            _ => None,
        })
        .unwrap();
    hub.receive(victim, ClientMessage::Confirm { call, sdp: "v=0".into() });
    hub.receive(ana, ClientMessage::Calling { call, sdp: "v=0".into() });
    let mut refused = 0;
    // The victim's network stalls for two minutes, while Ana sends as fast as the message rate permits, large and small.
    for number in 0..120 * 50 {
        hub.now += Duration::from_millis(20);
        hub.state.registry.tick(hub.now);
        hub.state.carry_out_effects(hub.now);
        let sdp = "x".repeat(if number % 2 == 0 { 60_000 } else { 10 });
        hub.receive(ana, ClientMessage::Description { call, kind: hutong_protocol::SdpKind::Offer, sdp });
        refused += hub
            .read(ana, &ana_outbox)
            .iter()
            .filter(|message| matches!(message, ServerMessage::Error { code: ErrorCode::RateLimited, call: Some(of), .. } if *of == call))
            .count();
    }
    assert!(refused > 5_000, "{refused}");
    let read = hub.read(victim, &victim_outbox);
    let descriptions = read.iter().filter(|message| matches!(message, ServerMessage::Description { .. })).count();
    assert!((2..=256).contains(&descriptions), "{descriptions}");
    assert!(!read.iter().any(|message| matches!(message, ServerMessage::Refused { .. })), "the victim was closed");
    // It has caught up, and takes more.
    hub.now += Duration::from_secs(60);
    hub.receive(ana, ClientMessage::Description { call, kind: hutong_protocol::SdpKind::Offer, sdp: "v=0".into() });
    assert!(matches!(hub.read(victim, &victim_outbox)[..], [.., ServerMessage::Description { .. }]));
}

#[test]
fn a_login_that_would_not_be_admitted_any_more_is_refused() {
    let (hub, _) = hub();
    for (now, online) in [(Err(RefusedCode::SecretChanged), 0), (Err(RefusedCode::NotWelcome), 0), (Ok(()), 1)] {
        let route = Arc::new(ClientRoute::Proxied { host: None });
        let (conn, outbox) = hub.connect(ClientAddr::limited(std::net::Ipv4Addr::LOCALHOST), route);
        let login = AdmittedLogin {
            name: "Ana".into(),
            resume: None,
            credential: Credential::NONE,
            right: crate::registry::NameRight::Owner,
        };
        hub.handle_admitted_hello(conn, login, |name, _| {
            assert_eq!(name.as_str(), "ana");
            now
        });
        assert_eq!(hub.users_online(), online);
        let next = outbox.next().now_or_never();
        assert_eq!(now.err().map(OutboxAction::Close), next.filter(|next| matches!(next, OutboxAction::Close(_))));
    }
}

fn log_in(hub: &Hub, name: &str) -> (ConnId, Arc<Outbox>) {
    let client = ClientAddr::limited(std::net::Ipv4Addr::LOCALHOST);
    let (conn, outbox) = hub.connect(client, Arc::new(ClientRoute::Proxied { host: None }));
    hub.handle_message(conn, ClientMessage::Hello { name: name.into(), resume: None, secret: None, replace: false });
    (conn, outbox)
}

#[test]
fn a_changed_secret_is_compared_without_the_lock() {
    let (hub, _) = hub();
    let [ana, bo] = ["Ana", "Bo"].map(|name| log_in(&hub, name).0);
    hub.end_sessions_without(|name, _| {
        assert!(hub.0.state.is_free(), "the lock is held while secrets are compared");
        name.as_str() != "ana"
    });
    assert_eq!((hub.is_logged_in(ana), hub.is_logged_in(bo)), (false, true));
    let all: Vec<_> = hub.lock().registry.users_with_session().collect();
    assert_eq!(hub.lock().sessions_of(&all).len(), 1);
}

#[test]
fn after_a_panic_only_revocations_that_waited_are_stored() {
    let (hub, _) = hub();
    hub.restore_revocations(Vec::new(), true);
    assert!(matches!(hub.take_unsaved_revocations(|_| true), Some(UnsavedRevocations::All(all)) if all.is_empty()));
    let (conn, _outbox) = log_in(&hub, "Ana");
    hub.handle_message(conn, ClientMessage::LogOut);
    let broken = hub.clone();
    assert!(std::thread::spawn(move || broken.break_registry()).join().is_err());
    assert!(hub.take_unsaved_revocations(|_| true).is_none());
    assert!(matches!(hub.take_unsaved_revocations(|_| false), Some(UnsavedRevocations::New(new)) if new.len() == 1));
    hub.save_all_revocations();
    assert!(hub.take_unsaved_revocations(|_| false).is_none());
}
