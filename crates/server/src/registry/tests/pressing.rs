//! A user who presses others: calls in a loop, floods of descriptions, states that change all the time.

use std::{collections::HashMap, time::Duration};

use hutong_protocol::{
    CallId, CancelReason, ClientMessage, ErrorCode, MediaKind, SdpKind, ServerMessage, SessionTicket, Token, UserState,
    limits::{MESSAGE_BURST, MESSAGES_PER_SECOND, PRESENCE_BURST, PRESENCE_INTERVAL},
};
use proptest::prelude::*;

use crate::registry::{ConnId, Effect, Registry, RegistryConfig};

const START: Duration = Duration::from_secs(1_795_000_000);
const ATTACKER: ConnId = ConnId(1);
const VICTIM: ConnId = ConnId(2);
const OBSERVER: ConnId = ConnId(3);
const ACCOMPLICE: ConnId = ConnId(4);

/// A registry with raw clients, and all that each was sent.
struct Pressed {
    registry: Registry,
    now: Duration,
    sent: HashMap<ConnId, Vec<ServerMessage>>,
    tokens: HashMap<ConnId, Token>,
    ticket: Option<SessionTicket>,
    /// Bytes of the messages of [`ATTACKER`], and of those to others.
    attacker_bytes: usize,
    bytes_to_others: usize,
    /// Whether to count bytes only: a thousand users' messages would need a gigabyte.
    forgets: bool,
}

impl Pressed {
    fn new() -> Self {
        Self::with_users(0)
    }

    /// The four, and this many other users.
    fn with_users(others: u64) -> Self {
        let config =
            RegistryConfig { max_users: 10_000, whole_roster: 10_000, ticket_key: [7; 32], session_seed: [1; 32] };
        let mut this = Self {
            registry: Registry::new(config, START),
            now: START,
            sent: HashMap::new(),
            tokens: HashMap::new(),
            ticket: None,
            attacker_bytes: 0,
            bytes_to_others: 0,
            forgets: others > 0,
        };
        for conn in (0..others).map(|number| ConnId(100 + number)).chain([ATTACKER, VICTIM, OBSERVER, ACCOMPLICE]) {
            this.receive(
                conn,
                ClientMessage::Hello { name: format!("user {}", conn.0), resume: None, secret: None, replace: false },
            );
        }
        this.advance(Duration::from_secs(60));
        this.sent.clear();
        (this.attacker_bytes, this.bytes_to_others) = (0, 0);
        this
    }

    fn receive(&mut self, from: ConnId, message: ClientMessage) {
        if from == ATTACKER {
            self.attacker_bytes += serde_json::to_string(&message).unwrap().len();
        }
        self.registry.handle_message(self.now, from, message);
        self.deliver();
    }

    fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.registry.next_tick().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.registry.tick(self.now);
            self.deliver();
        }
        self.now = end;
    }

    fn deliver(&mut self) {
        while let Some(effect) = self.registry.poll_effect() {
            if let Effect::Welcome { to, me, ticket, .. } = &effect {
                self.tokens.insert(*to, me.token);
                if *to == ATTACKER {
                    self.ticket = Some(ticket.clone());
                }
            }
            for (to, message) in self.registry.messages(&effect) {
                if to != ATTACKER && self.forgets {
                    self.bytes_to_others += serde_json::to_string(&message).unwrap().len();
                } else {
                    self.sent.entry(to).or_default().push(message);
                }
            }
        }
        self.registry.check();
    }

    fn sent_to(&self, conn: ConnId) -> &[ServerMessage] {
        self.sent.get(&conn).map_or(&[], Vec::as_slice)
    }

    fn count(&self, conn: ConnId, matches: impl Fn(&ServerMessage) -> bool) -> usize {
        self.sent_to(conn).iter().filter(|message| matches(message)).count()
    }

    /// The call that this connection was last told of.
    fn call_of(&self, conn: ConnId) -> Option<CallId> {
        self.sent_to(conn).iter().rev().find_map(|message| match message {
            ServerMessage::Offering { call, .. } | ServerMessage::Ringing { call, .. } => Some(*call),
            _ => None,
        })
    }

    fn offer(&mut self, from: ConnId, to: ConnId) -> Option<CallId> {
        let before = self.call_of(from);
        self.receive(from, ClientMessage::Offering { to: self.tokens[&to], media: MediaKind::Voice });
        self.call_of(from).filter(|call| Some(*call) != before)
    }

    fn hang_up(&mut self, members: [ConnId; 2], call: CallId) {
        self.receive(members[0], ClientMessage::Cancel { call, reason: CancelReason::Cancelled });
        for member in members {
            self.receive(member, ClientMessage::Released { call });
        }
    }

    /// Sets up a call, whoever accepts.
    fn in_call(&mut self, from: ConnId, to: ConnId) -> CallId {
        let call = self.offer(from, to).unwrap();
        self.receive(to, ClientMessage::Accept { call, media: MediaKind::Voice });
        self.receive(to, ClientMessage::Confirm { call, sdp: "v=0".into() });
        self.receive(from, ClientMessage::Calling { call, sdp: "v=0".into() });
        call
    }

    /// The presence changes of the attacker that the observer has received.
    fn attackers_presence(&self) -> Vec<UserState> {
        let changes = self.sent_to(OBSERVER).iter().filter_map(|message| match message {
            ServerMessage::Presence { changes, .. } => Some(changes),
            _ => None,
        });
        changes.flatten().filter(|user| user.token == self.tokens[&ATTACKER]).map(|user| user.state).collect()
    }
}

fn is_offering(message: &ServerMessage) -> bool {
    matches!(message, ServerMessage::Offering { .. })
}

#[test]
fn ringing_and_cancelling_in_a_loop_rings_five_times_in_five_seconds() {
    let mut world = Pressed::new();
    // Two messages each, at the message rate with its burst.
    for _ in 0..(MESSAGE_BURST + 5 * MESSAGES_PER_SECOND) / 2 {
        if let Some(call) = world.offer(ATTACKER, VICTIM) {
            world.hang_up([ATTACKER, VICTIM], call);
        }
        world.advance(Duration::from_millis(5_000) / ((MESSAGE_BURST + 5 * MESSAGES_PER_SECOND) / 2 + 1));
    }
    assert_eq!(world.count(VICTIM, is_offering), 5);
    let is_refused = |message: &ServerMessage| matches!(message, ServerMessage::Error { code: ErrorCode::TooManyCalls, about: Some(about), .. } if about == "offering");
    assert!(world.count(ATTACKER, is_refused) > 200);
    // Others still reach the victim, and the victim the attacker.
    let call = world.offer(OBSERVER, VICTIM).unwrap();
    world.hang_up([OBSERVER, VICTIM], call);
    assert!(world.offer(VICTIM, ATTACKER).is_some());
}

#[test]
fn users_who_accept_may_call_each_other_without_end() {
    let mut world = Pressed::new();
    for _ in 0..100 {
        let call = world.in_call(ATTACKER, VICTIM);
        world.hang_up([VICTIM, ATTACKER], call);
    }
    assert_eq!(world.count(VICTIM, is_offering), 100);
}

#[test]
fn a_refused_call_rings_after_the_pause() {
    let mut world = Pressed::new();
    while let Some(call) = world.offer(ATTACKER, VICTIM) {
        world.hang_up([VICTIM, ATTACKER], call);
    }
    world.advance(Duration::from_secs(5));
    assert!(world.offer(ATTACKER, VICTIM).is_some());
}

#[test]
fn a_flood_of_large_descriptions_is_charged_to_its_sender() {
    const SECONDS: u32 = 30;
    let mut world = Pressed::new();
    let call = world.in_call(VICTIM, ATTACKER);
    world.sent.clear();
    for _ in 0..SECONDS * MESSAGES_PER_SECOND {
        let sdp = "x".repeat(60_000);
        world.receive(ATTACKER, ClientMessage::Description { call, kind: SdpKind::Offer, sdp });
        world.advance(Duration::from_secs(1) / MESSAGES_PER_SECOND);
    }
    let relayed: usize = world
        .sent_to(VICTIM)
        .iter()
        .map(|message| match message {
            ServerMessage::Description { sdp, .. } => sdp.len(),
            _ => 0,
        })
        .sum();
    assert!((240_000..=256 * 1024 + 16 * 1024 * SECONDS as usize).contains(&relayed), "{relayed}");
    let is_refused = |message: &ServerMessage| matches!(message, ServerMessage::Error { code: ErrorCode::RateLimited, call: Some(of), .. } if *of == call);
    assert!(world.count(ATTACKER, is_refused) > 1_000);
    // The other direction has its own budget.
    world.receive(VICTIM, ClientMessage::Description { call, kind: SdpKind::Answer, sdp: "v=0".into() });
    assert_eq!(world.count(ATTACKER, |message| matches!(message, ServerMessage::Description { .. })), 1);
}

#[test]
fn a_user_whose_state_changes_all_the_time_is_shown_at_a_bounded_rate() {
    let mut world = Pressed::new();
    // With an accomplice, who accepts every call.
    let mut seconds = 0;
    for _ in 0..600 {
        let call = world.in_call(ATTACKER, ACCOMPLICE);
        world.advance(Duration::from_millis(50));
        world.hang_up([ATTACKER, ACCOMPLICE], call);
        world.advance(Duration::from_millis(50));
        seconds += 1;
    }
    let seconds = f64::from(seconds) / 10.0;
    let shown = world.attackers_presence().len();
    let most = f64::from(PRESENCE_BURST) + seconds / PRESENCE_INTERVAL.as_secs_f64() + 1.0;
    assert!(shown as f64 <= most && shown >= PRESENCE_BURST as usize, "{shown} changes in {seconds} s");
    world.advance(Duration::from_secs(1));
    assert_eq!(world.attackers_presence().last(), Some(&UserState::Online));
}

/// What one user causes for a thousand others, in bytes for each byte that it sends: the scoreboard's figure.
#[test]
fn the_bytes_that_one_user_causes_for_others_are_bounded() {
    const OTHERS: u64 = 1_000;
    const SECONDS: u32 = 60;
    let mut world = Pressed::with_users(OTHERS);
    for number in 0..SECONDS * MESSAGES_PER_SECOND / 2 {
        let target = ConnId(100 + u64::from(number) % OTHERS);
        if let Some(call) = world.offer(ATTACKER, target) {
            world.hang_up([ATTACKER, target], call);
        }
        world.advance(Duration::from_secs(2) / MESSAGES_PER_SECOND);
    }
    let to_others = world.bytes_to_others;
    let each = to_others as f64 / OTHERS as f64 / f64::from(SECONDS);
    let ratio = to_others as f64 / world.attacker_bytes as f64;
    println!(
        "| bytes a second that one user causes for each of {OTHERS} others; in all for each byte sent | 400; 100 | {each:.0}; {ratio:.0} |"
    );
    // Half of it are the states of those who are called: three changes of 90 bytes for each of 20 calls, then one in 10 s.
    assert!(each < 400.0, "{each} bytes a second to each other user");
    assert!(ratio < 100.0, "{ratio} bytes for each byte sent");
}

#[derive(Clone, Debug)]
enum AttackerAction {
    Call,
    CallAccomplice,
    HangUp,
    Lose,
    Resume,
    Wait(u64),
}

fn action() -> impl Strategy<Value = AttackerAction> {
    prop_oneof![
        3 => Just(AttackerAction::Call),
        3 => Just(AttackerAction::CallAccomplice),
        4 => Just(AttackerAction::HangUp),
        2 => Just(AttackerAction::Lose),
        4 => Just(AttackerAction::Resume),
        6 => (0_u64..300).prop_map(AttackerAction::Wait),
    ]
}

proptest! {
    #[test]
    fn presence_of_one_user_is_bounded_and_its_last_state_is_never_lost(
        actions in prop::collection::vec(action(), 1..400),
    ) {
        let mut world = Pressed::new();
        let started = world.now;
        for action in actions {
            match action {
                AttackerAction::Call => {
                    world.offer(ATTACKER, VICTIM);
                }
                AttackerAction::CallAccomplice => {
                    if let Some(call) = world.offer(ATTACKER, ACCOMPLICE) {
                        world.receive(ACCOMPLICE, ClientMessage::Accept { call, media: MediaKind::Voice });
                        world.receive(ACCOMPLICE, ClientMessage::Confirm { call, sdp: String::new() });
                    }
                }
                AttackerAction::HangUp => {
                    if let Some(call) = world.call_of(ATTACKER) {
                        world.hang_up([ATTACKER, VICTIM], call);
                        world.receive(ACCOMPLICE, ClientMessage::Released { call });
                    }
                }
                AttackerAction::Lose => {
                    world.registry.handle_disconnect(world.now, ATTACKER);
                    world.deliver();
                }
                AttackerAction::Resume => {
                    let hello = ClientMessage::Hello { name: "user 1".into(), resume: world.ticket.clone(), secret: None, replace: false };
                    if world.registry.user_of(ATTACKER).is_none() {
                        world.receive(ATTACKER, hello);
                    }
                }
                AttackerAction::Wait(millis) => world.advance(Duration::from_millis(millis)),
            }
        }
        let rings = world.count(VICTIM, is_offering);
        let elapsed = (world.now - started).as_secs_f64();
        prop_assert!(rings <= 5 + (elapsed / 5.0) as usize, "{} rings in {} s", rings, elapsed);
        // All calls and pauses end.
        world.advance(Duration::from_secs(80));
        let elapsed = (world.now - started).as_secs_f64();
        let shown = world.attackers_presence();
        let most = f64::from(PRESENCE_BURST) + elapsed / PRESENCE_INTERVAL.as_secs_f64() + 1.0;
        prop_assert!(shown.len() as f64 <= most, "{} changes in {} s", shown.len(), elapsed);
        let state = world.registry.snapshot().state(world.tokens[&ATTACKER]);
        prop_assert_eq!(shown.last().copied().unwrap_or(UserState::Online), state);
    }
}
