//! A person with a client, who calls others, and to whom things happen.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hutong_core::{CallPhase, Client, Command, Config, Input, LinkEvent, Output, Saved, Session};
use hutong_protocol::{MediaKind, UserState};
use hutong_sim::Chance;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout},
};

use super::{
    engine::Engine,
    link::{FromLink, Link, Network},
};

/// How long a person takes to come to an end: a logout that a slow link carries.
const PATIENCE: Duration = Duration::from_secs(30);

/// What people have to put up with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// Everything happens.
    Rough,
    /// No mishaps.
    Fair,
    /// All go home.
    Over,
}

/// How often what happened.
#[derive(Debug, Default)]
pub struct Seen {
    connected: AtomicUsize,
    cuts: AtomicUsize,
    vanished: AtomicUsize,
    stalls: AtomicUsize,
    delays: AtomicUsize,
    reloads: AtomicUsize,
    logouts: AtomicUsize,
}

impl Seen {
    /// Calls whose media flowed, counted on each side.
    pub fn calls(&self) -> usize {
        self.connected.load(Ordering::Relaxed)
    }
}

fn count(what: &AtomicUsize) {
    what.fetch_add(1, Ordering::Relaxed);
}

/// Lives until it is over.
///
/// # Panics
///
/// When the client is left with a device or a call in the end.
pub async fn live(
    address: SocketAddr,
    number: usize,
    people: usize,
    mut weather: watch::Receiver<Weather>,
    seen: Arc<Seen>,
) {
    let mut person = Person::new(address, number, people, seen);
    loop {
        let now = *weather.borrow_and_update();
        if now == Weather::Over {
            break;
        }
        let acts_at = person.acts_at;
        tokio::select! {
            _ = weather.changed() => {}
            () = person.step() => {}
            () = sleep_until(acts_at) => person.act(now == Weather::Rough).await,
        }
    }
    person.network(Network::Well);
    person.command(Command::HangUp);
    person.command(Command::LogOut);
    let left = async {
        while !person.engine.live.is_empty() || person.client.view().call.is_some() || person.link.is_some() {
            person.step().await;
        }
    };
    let is_home = timeout(PATIENCE, left).await.is_ok();
    let view = person.client.view();
    assert!(is_home, "person {number} cannot go home: {:?} {:?} {:?}", view.session, view.call, person.engine.live);
}

struct Person {
    address: SocketAddr,
    number: usize,
    people: usize,
    chance: Chance,
    client: Client,
    engine: Engine,
    link: Option<Link>,
    saved: Option<Saved>,
    started: Instant,
    wake: Option<Instant>,
    acts_at: Instant,
    was_connected: bool,
    seen: Arc<Seen>,
}

impl Person {
    fn new(address: SocketAddr, number: usize, people: usize, seen: Arc<Seen>) -> Self {
        let mut chance = Chance::new(number as u64);
        let started = Instant::now();
        // Not all in the first moment.
        let acts_at = started + Duration::from_millis(chance.below(1_000) as u64);
        Self {
            address,
            number,
            people,
            client: Client::new(Config { seed: chance.next(), saved: None }, Duration::ZERO),
            chance,
            engine: Engine::default(),
            link: None,
            saved: None,
            started,
            wake: None,
            acts_at,
            was_connected: false,
            seen,
        }
    }

    /// Waits for the link, the clock or the engine. Nothing is lost where this is given up halfway.
    async fn step(&mut self) {
        let heard = async {
            match &mut self.link {
                Some(link) => link.next().await,
                None => std::future::pending().await,
            }
        };
        let time = async {
            match self.wake {
                Some(wake) => sleep_until(wake).await,
                None => std::future::pending().await,
            }
        };
        let input = tokio::select! {
            heard = heard => match heard {
                Some(FromLink::Up) => Input::Link(LinkEvent::Up),
                Some(FromLink::Message(message)) => Input::Message(message),
                None => {
                    self.link = None;
                    Input::Link(LinkEvent::Down)
                }
            },
            () = time => {
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
            next = self.engine.reports.pop_front().map(Input::Media);
        }
        let is_connected = self.phase() == Some(CallPhase::Connected);
        if is_connected && !self.was_connected {
            count(&self.seen.connected);
        }
        self.was_connected = is_connected;
    }

    fn outputs(&mut self) {
        while let Some(output) = self.client.poll_output() {
            match output {
                Output::Connect => self.link = Some(Link::open(self.address)),
                Output::Disconnect => self.link = None,
                Output::Send(message) => {
                    if let Some(link) = &self.link {
                        link.send(message);
                    }
                }
                Output::Media(command) => self.engine.obey(command),
                Output::Show(_) => {}
                Output::Wake(at) => self.wake = Some(self.started + at),
                Output::Save(saved) => self.saved = saved,
            }
        }
    }

    fn phase(&self) -> Option<CallPhase> {
        self.client.view().call.as_ref().map(|call| call.phase)
    }

    fn network(&self, network: Network) {
        if let Some(link) = &self.link {
            link.network(network);
        }
    }

    /// What the person does next, or what happens to it.
    async fn act(&mut self, rough: bool) {
        self.acts_at = Instant::now() + Duration::from_millis(300 + self.chance.below(1_500) as u64);
        self.network(Network::Well);
        if rough && self.chance.once_in(6) {
            return self.mishap().await;
        }
        match (&self.client.view().session, self.phase()) {
            (Session::LoggedOut | Session::Refused { .. } | Session::Replaced { .. }, _) => {
                let name = format!("person {}", self.number);
                self.command(Command::LogIn { name, secret: None });
            }
            (Session::LoggedIn { .. }, None) => self.call(),
            (_, Some(CallPhase::Incoming)) if self.chance.once_in(5) => self.command(Command::Decline),
            (_, Some(CallPhase::Incoming)) => self.command(Command::Accept { media: MediaKind::Video }),
            (_, Some(CallPhase::Connected)) if self.chance.once_in(2) => self.command(Command::HangUp),
            (_, Some(_)) if self.chance.once_in(10) => self.command(Command::HangUp),
            (Session::LoggingIn { .. } | Session::Reconnecting { .. } | Session::LoggedIn { .. }, _) => {}
        }
    }

    fn call(&mut self) {
        let users = &self.client.view().users;
        let free: Vec<_> =
            users.values().filter(|user| user.state == UserState::Online).map(|user| user.token).collect();
        // About a third of all call, or everybody would be busy.
        if free.len() > 1 && self.chance.once_in(3) {
            let to = *self.chance.one_of(&free);
            self.command(Command::Call { to, media: MediaKind::Voice });
        }
        debug_assert!(self.client.view().users.len() < self.people + 1, "nobody is there twice");
    }

    async fn mishap(&mut self) {
        match self.chance.below(7) {
            0 | 1 => {
                if let Some(link) = self.link.take() {
                    count(&self.seen.cuts);
                    link.cut();
                    self.input(Input::Link(LinkEvent::Down));
                }
            }
            2 => {
                if let Some(link) = self.link.take() {
                    count(&self.seen.vanished);
                    link.vanish().await;
                    self.input(Input::Link(LinkEvent::Down));
                }
            }
            3 => {
                count(&self.seen.stalls);
                self.network(Network::Stalled);
                self.acts_at += Duration::from_secs(3);
            }
            4 => {
                count(&self.seen.delays);
                let delay = Duration::from_millis(50 + self.chance.below(400) as u64);
                self.network(Network::Slow(delay));
                self.acts_at += Duration::from_secs(2);
            }
            5 => {
                count(&self.seen.reloads);
                self.link = None;
                self.wake = None;
                self.engine = Engine::default();
                let config = Config { seed: self.chance.next(), saved: self.saved.clone() };
                self.client = Client::new(config, self.started.elapsed());
                self.input(Input::Tick);
            }
            _ => {
                count(&self.seen.logouts);
                self.command(Command::LogOut);
            }
        }
    }
}
