//! A simulated user: a real client (`hutong_core`) that calls others and meets incidents.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hutong_core::{CallPhase, Client, Command, Config, Input, Output, SavedSession, SessionView, SocketEvent};
use hutong_fuzz_targets::SplitMix64;
use hutong_protocol::{MediaKind, UserState};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout},
};

use super::{
    fake_engine::FakeEngine,
    soak_link::{NetworkFault, SoakLink, SoakLinkEvent},
};

/// Time for a clean end: a logout over a slow link.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Phase of the soak test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SoakPhase {
    /// Users call each other and meet incidents.
    Incidents,
    /// Users call each other without incidents.
    Calm,
    /// Users hang up and log out.
    End,
}

/// Counts of connected calls and incidents, over all users.
#[derive(Debug, Default)]
pub struct Incidents {
    connected: AtomicUsize,
    cuts: AtomicUsize,
    vanished: AtomicUsize,
    stalls: AtomicUsize,
    delays: AtomicUsize,
    reloads: AtomicUsize,
    logouts: AtomicUsize,
}

impl Incidents {
    /// Connected calls, counted once per member.
    pub fn calls(&self) -> usize {
        self.connected.load(Ordering::Relaxed)
    }
}

fn count(counter: &AtomicUsize) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Runs a user until the phase [`SoakPhase::End`].
///
/// # Panics
///
/// If the client cannot log out, or still holds a device or a call at the end.
pub async fn run(
    address: SocketAddr,
    number: usize,
    users: usize,
    mut phases: watch::Receiver<SoakPhase>,
    incidents: Arc<Incidents>,
) {
    let mut user = SimulatedUser::new(address, number, users, incidents);
    loop {
        let phase = *phases.borrow_and_update();
        if phase == SoakPhase::End {
            break;
        }
        let acts_at = user.acts_at;
        tokio::select! {
            _ = phases.changed() => {}
            () = user.step() => {}
            () = sleep_until(acts_at) => user.act(phase == SoakPhase::Incidents).await,
        }
    }
    user.set_fault(NetworkFault::None);
    user.command(Command::HangUp);
    user.command(Command::LogOut);
    let end = async {
        while !user.engine.open_peers.is_empty() || user.client.view().call.is_some() || user.link.is_some() {
            user.step().await;
        }
    };
    let has_ended = timeout(TIMEOUT, end).await.is_ok();
    let view = user.client.view();
    assert!(
        has_ended,
        "user {number} did not end cleanly: {:?} {:?} {:?}",
        view.session, view.call, user.engine.open_peers
    );
}

struct SimulatedUser {
    address: SocketAddr,
    number: usize,
    users: usize,
    chance: SplitMix64,
    client: Client,
    engine: FakeEngine,
    link: Option<SoakLink>,
    saved: Option<SavedSession>,
    started: Instant,
    wake: Option<Instant>,
    acts_at: Instant,
    was_connected: bool,
    incidents: Arc<Incidents>,
}

impl SimulatedUser {
    fn new(address: SocketAddr, number: usize, users: usize, incidents: Arc<Incidents>) -> Self {
        let mut chance = SplitMix64::new(number as u64);
        let started = Instant::now();
        // Spread the first actions.
        let acts_at = started + Duration::from_millis(chance.below(1_000) as u64);
        Self {
            address,
            number,
            users,
            client: Client::new(Config { seed: chance.next(), ..Config::default() }, Duration::ZERO),
            chance,
            engine: FakeEngine::default(),
            link: None,
            saved: None,
            started,
            wake: None,
            acts_at,
            was_connected: false,
            incidents,
        }
    }

    /// Handles the next event of the link or the clock. Cancel-safe.
    async fn step(&mut self) {
        let event = async {
            match &mut self.link {
                Some(link) => link.next().await,
                None => std::future::pending().await,
            }
        };
        let timer = async {
            match self.wake {
                Some(wake) => sleep_until(wake).await,
                None => std::future::pending().await,
            }
        };
        let input = tokio::select! {
            event = event => match event {
                Some(SoakLinkEvent::Up) => Input::Socket(SocketEvent::Opened),
                Some(SoakLinkEvent::Message(message)) => Input::Message(message),
                None => {
                    self.link = None;
                    Input::Socket(SocketEvent::Closed)
                }
            },
            () = timer => {
                self.wake = None;
                Input::Tick
            }
        };
        self.input(input);
    }

    fn command(&mut self, command: Command) {
        self.input(Input::Command(command));
    }

    fn input(&mut self, input: Input) {
        let mut next = Some(input);
        while let Some(input) = next {
            self.client.handle(self.started.elapsed(), input);
            self.outputs();
            next = self.engine.events.pop_front().map(Input::Media);
        }
        let is_connected = self.phase() == Some(CallPhase::Connected);
        if is_connected && !self.was_connected {
            count(&self.incidents.connected);
        }
        self.was_connected = is_connected;
    }

    fn outputs(&mut self) {
        while let Some(output) = self.client.poll_output() {
            match output {
                Output::Connect => self.link = Some(SoakLink::open(self.address)),
                Output::Disconnect => self.link = None,
                Output::Send(message) => {
                    if let Some(link) = &self.link {
                        link.send(message);
                    }
                }
                Output::Media(command) => self.engine.run(command),
                Output::Show(_) | Output::Record(_) => {}
                Output::Wake(at) => self.wake = Some(self.started + at),
                Output::Save(saved) => self.saved = saved,
            }
        }
    }

    fn phase(&self) -> Option<CallPhase> {
        self.client.view().call.as_ref().map(|call| call.phase)
    }

    fn set_fault(&self, fault: NetworkFault) {
        if let Some(link) = &self.link {
            link.set_fault(fault);
        }
    }

    /// Performs the next action of the user, or an incident.
    async fn act(&mut self, incidents: bool) {
        self.acts_at = Instant::now() + Duration::from_millis(300 + self.chance.below(1_500) as u64);
        self.set_fault(NetworkFault::None);
        if incidents && self.chance.once_in(6) {
            return self.incident().await;
        }
        match (&self.client.view().session, self.phase()) {
            (
                SessionView::LoggedOut
                | SessionView::Refused { .. }
                | SessionView::InvitationOutdated { .. }
                | SessionView::Replaced { .. },
                _,
            ) => {
                let name = format!("person {}", self.number);
                self.command(Command::LogIn { name, secret: None });
            }
            (SessionView::LoggedIn { .. }, None) => self.call(),
            (_, Some(CallPhase::Incoming)) if self.chance.once_in(5) => self.command(Command::Decline),
            (_, Some(CallPhase::Incoming)) => self.command(Command::Accept { media: MediaKind::Video }),
            (_, Some(CallPhase::Connected)) if self.chance.once_in(2) => self.command(Command::HangUp),
            (_, Some(_)) if self.chance.once_in(10) => self.command(Command::HangUp),
            (SessionView::LoggingIn { .. } | SessionView::Reconnecting { .. } | SessionView::LoggedIn { .. }, _) => {}
        }
    }

    fn call(&mut self) {
        let users = &self.client.view().users;
        let online: Vec<_> =
            users.values().filter(|user| user.state == UserState::Online).map(|user| user.token).collect();
        // Only one in three idle users calls, or all would be busy.
        if online.len() > 1 && self.chance.once_in(3) {
            let to = *self.chance.one_of(&online);
            self.command(Command::Call { to, media: MediaKind::Voice });
        }
        debug_assert!(self.client.view().users.len() < self.users + 1, "no user is in the roster twice");
    }

    async fn incident(&mut self) {
        match self.chance.below(7) {
            0 | 1 => {
                if let Some(link) = self.link.take() {
                    count(&self.incidents.cuts);
                    link.cut();
                    self.input(Input::Socket(SocketEvent::Closed));
                }
            }
            2 => {
                if let Some(link) = self.link.take() {
                    count(&self.incidents.vanished);
                    link.vanish().await;
                    self.input(Input::Socket(SocketEvent::Closed));
                }
            }
            3 => {
                count(&self.incidents.stalls);
                self.set_fault(NetworkFault::Stalled);
                self.acts_at += Duration::from_secs(3);
            }
            4 => {
                count(&self.incidents.delays);
                let delay = Duration::from_millis(50 + self.chance.below(400) as u64);
                self.set_fault(NetworkFault::Slow(delay));
                self.acts_at += Duration::from_secs(2);
            }
            5 => {
                count(&self.incidents.reloads);
                self.link = None;
                self.wake = None;
                self.engine = FakeEngine::default();
                let config = Config { seed: self.chance.next(), saved: self.saved.clone(), ..Config::default() };
                self.client = Client::new(config, self.started.elapsed());
                self.input(Input::Tick);
            }
            _ => {
                count(&self.incidents.logouts);
                self.command(Command::LogOut);
            }
        }
    }
}
