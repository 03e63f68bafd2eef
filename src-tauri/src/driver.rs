//! Steps the client: gives it what comes over the link and from the clock, and does what it wants done.

use std::time::Duration;

use hutong_core::{Client, Config, Input, LinkEvent, MediaCommand, Output, Update, View};
use tokio::time::Instant;

use crate::{
    link::{FromLink, Link, Target},
    network::Names,
    tls::{Fingerprint, Roots},
};

/// The client with its link and its timer.
#[derive(Debug)]
pub struct Driver {
    client: Client,
    started: Instant,
    wake: Option<Instant>,
    link: Option<Link>,
    target: Option<Target>,
    roots: Option<Roots>,
    names: Names,
}

/// What the client wants the interface to be told, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Tell {
    /// Show this.
    Show(Update),
    /// Do this with the media.
    Media(MediaCommand),
}

/// What happened outside of the client.
#[derive(Debug)]
pub enum Event {
    /// To be given to [`Driver::step`].
    Input(Input),
    /// The same, and the server's key is to be remembered.
    FirstMet(Fingerprint, Input),
    /// No link is opened, because the plain address of the server leads out of the own network. Nothing to step: that it is down
    /// comes next.
    NotSecure,
    /// No link is opened, because the server shows another key than it should. That it is down comes next.
    AnotherKey,
}

impl Driver {
    /// A client of no server yet.
    #[must_use]
    pub fn new(seed: u64, roots: Option<Roots>) -> Self {
        let client = Client::new(Config { seed, saved: None }, Duration::ZERO);
        Self { client, started: Instant::now(), wake: None, link: None, target: None, roots, names: Names::System }
    }

    /// The same, with other names than the system's.
    #[must_use]
    pub fn with_names(self, names: Names) -> Self {
        Self { names, ..self }
    }

    /// Which server the next link goes to. A link that is open stays until the client wants it gone.
    pub fn aim(&mut self, target: Option<Target>) {
        self.target = target;
    }

    /// What the interface shows now.
    #[must_use]
    pub fn view(&self) -> &View {
        self.client.view()
    }

    /// Waits for the link or the clock. Nothing is lost where this is given up halfway.
    pub async fn next(&mut self) -> Event {
        let heard = async {
            match &mut self.link {
                Some(link) => link.next().await,
                None => std::future::pending().await,
            }
        };
        let time = async {
            match self.wake {
                Some(wake) => tokio::time::sleep_until(wake).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            heard = heard => match heard {
                Some(FromLink::Up { first_met: None }) => Event::Input(Input::Link(LinkEvent::Up)),
                Some(FromLink::Up { first_met: Some(key) }) => Event::FirstMet(key, Input::Link(LinkEvent::Up)),
                Some(FromLink::Message(message)) => Event::Input(Input::Message(message)),
                Some(FromLink::NotSecure) => Event::NotSecure,
                Some(FromLink::AnotherKey) => Event::AnotherKey,
                None => {
                    self.link = None;
                    Event::Input(Input::Link(LinkEvent::Down))
                }
            },
            () = time => {
                self.wake = None;
                Event::Input(Input::Tick)
            }
        }
    }

    /// Gives the client this, does what it wants done of link and clock, and returns what the interface is to be told.
    pub fn step(&mut self, input: Input) -> Vec<Tell> {
        let mut told = Vec::new();
        let mut next = Some(input);
        while let Some(input) = next.take() {
            self.client.handle(self.started.elapsed(), input);
            while let Some(output) = self.client.poll_output() {
                if let Some(failed) = self.act(output, &mut told) {
                    next = Some(failed);
                }
            }
        }
        told
    }

    fn act(&mut self, output: Output, told: &mut Vec<Tell>) -> Option<Input> {
        match output {
            Output::Connect => match self.target.clone() {
                Some(target) => self.link = Some(Link::open(target, self.roots.clone(), self.names.clone())),
                None => return Some(Input::Link(LinkEvent::Down)),
            },
            Output::Disconnect => self.link = None,
            Output::Send(message) => {
                if self.link.as_ref().is_some_and(|link| link.send(message).is_err()) {
                    self.link = None;
                    return Some(Input::Link(LinkEvent::Down));
                }
            }
            Output::Wake(at) => self.wake = self.started.checked_add(at),
            Output::Media(command) => told.push(Tell::Media(command)),
            Output::Show(update) => told.push(Tell::Show(update)),
            // The client itself outlives a reload of the page here, so there is nothing to find again.
            Output::Save(_) => {}
        }
        None
    }
}
