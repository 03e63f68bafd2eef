//! The client's driver: feeds link events and timers into `hutong_core::Client` and executes its outputs.

use std::{net::IpAddr, time::Duration};

use hutong_core::{
    CallRecord, Client, Config, Input, MediaCommand, Output, SavedSession, SocketEvent, View, ViewUpdate,
};
use tokio::time::Instant;

use crate::{
    network_watch::NetworkChange,
    route::Resolver,
    server_link::{ServerLink, ServerLinkEvent, ServerTarget},
    tls::{KeyFingerprint, TrustRoots},
};

/// The client with its server link and timer.
#[derive(Debug)]
pub struct ClientDriver {
    client: Client,
    started: Instant,
    wake: Option<Instant>,
    link: Option<ServerLink>,
    /// Local address of the open link.
    link_address: Option<IpAddr>,
    target: Option<ServerTarget>,
    roots: Option<TrustRoots>,
    resolver: Resolver,
}

/// An output of the client for the controller.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientOutput {
    /// For the page: an update of the view.
    Show(ViewUpdate),
    /// For the page: a command for its media engine.
    Media(MediaCommand),
    /// For the page: a call that is over.
    Record(CallRecord),
    /// The session to store; `None` removes the stored one.
    Save(Option<SavedSession>),
}

/// An event for the client or for the controller.
#[derive(Debug)]
pub enum DriverEvent {
    /// An input for [`ClientDriver::step`].
    Input(Input),
    /// The link is up and the server's key was trusted on first use: the key is to be remembered, the input is for
    /// [`ClientDriver::step`].
    FirstUse(KeyFingerprint, Input),
    /// No link was opened: the server's plain address resolves outside the own network. The closed socket is reported next.
    InsecureAddress,
    /// No link was opened: the server presented another key than the known one. The closed socket is reported next.
    KeyMismatch,
}

impl ClientDriver {
    /// Creates a client without a server. With a saved session, it connects at the first step.
    #[must_use]
    pub fn new(seed: u64, roots: Option<TrustRoots>, saved: Option<SavedSession>) -> Self {
        let client = Client::new(Config { seed, saved, ..Config::default() }, Duration::ZERO);
        Self {
            client,
            started: Instant::now(),
            wake: None,
            link: None,
            link_address: None,
            target: None,
            roots,
            resolver: Resolver::System,
        }
    }

    /// Replaces the resolver.
    #[must_use]
    pub fn with_resolver(self, resolver: Resolver) -> Self {
        Self { resolver, ..self }
    }

    /// Sets the server of the next link. An open link stays until the client disconnects it.
    pub fn set_target(&mut self, target: Option<ServerTarget>) {
        self.target = target;
    }

    /// The client's current view.
    #[must_use]
    pub fn view(&self) -> &View {
        self.client.view()
    }

    /// Waits for the next event of link or timer. Cancel safe.
    pub async fn next(&mut self) -> DriverEvent {
        let link_event = async {
            match &mut self.link {
                Some(link) => link.next().await,
                None => std::future::pending().await,
            }
        };
        let timer = async {
            match self.wake {
                Some(wake) => tokio::time::sleep_until(wake).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // After a stall both may be ready, and the message may be the answer for which the timer waited.
            biased;
            event = link_event => match event {
                Some(ServerLinkEvent::Up { first_use, local_address }) => {
                    self.link_address = Some(local_address);
                    let input = Input::Socket(SocketEvent::Opened);
                    match first_use {
                        Some(key) => DriverEvent::FirstUse(key, input),
                        None => DriverEvent::Input(input),
                    }
                }
                Some(ServerLinkEvent::Message(message)) => DriverEvent::Input(Input::Message(message)),
                Some(ServerLinkEvent::InsecureAddress) => DriverEvent::InsecureAddress,
                Some(ServerLinkEvent::KeyMismatch) => DriverEvent::KeyMismatch,
                Some(ServerLinkEvent::Refused) => {
                    self.link = None;
                    DriverEvent::Input(Input::Socket(SocketEvent::Refused))
                }
                None => {
                    self.link = None;
                    DriverEvent::Input(Input::Socket(SocketEvent::Closed))
                }
            },
            () = timer => {
                self.wake = None;
                DriverEvent::Input(Input::Tick)
            }
        }
    }

    /// Steps the client after a change of the network. A link whose local address is lost counts as closed: otherwise it
    /// would only be given up when the server does not answer.
    pub fn network_changed(&mut self, change: &NetworkChange) -> Vec<ClientOutput> {
        let mut outputs = Vec::new();
        if self.link_address.is_some_and(|address| change.lost_addresses.contains(&address)) && self.link.is_some() {
            self.link = None;
            outputs.extend(self.step(Input::Socket(SocketEvent::Closed)));
        }
        let is_address_lost = !change.lost_addresses.is_empty();
        outputs.extend(self.step(if is_address_lost { Input::AddressLost } else { Input::CheckConnection }));
        outputs
    }

    /// Steps the client with an input and executes its outputs. Returns those for the controller, in order.
    pub fn step(&mut self, input: Input) -> Vec<ClientOutput> {
        let mut outputs = Vec::new();
        let mut next = Some(input);
        while let Some(input) = next.take() {
            self.client.handle(self.started.elapsed(), input);
            while let Some(output) = self.client.poll_output() {
                if let Some(failure) = self.execute(output, &mut outputs) {
                    next = Some(failure);
                }
            }
        }
        outputs
    }

    /// Executes an output. Returns the client's next input when it failed.
    fn execute(&mut self, output: Output, outputs: &mut Vec<ClientOutput>) -> Option<Input> {
        match output {
            Output::Connect => match self.target.clone() {
                Some(target) => {
                    self.link = Some(ServerLink::open(target, self.roots.clone(), self.resolver.clone()));
                    self.link_address = None;
                }
                None => return Some(Input::Socket(SocketEvent::Closed)),
            },
            Output::Disconnect => self.link = None,
            Output::Send(message) => {
                if self.link.as_ref().is_some_and(|link| link.send(message).is_err()) {
                    self.link = None;
                    return Some(Input::Socket(SocketEvent::Closed));
                }
            }
            Output::Wake(at) => self.wake = self.started.checked_add(at),
            Output::Media(command) => outputs.push(ClientOutput::Media(command)),
            Output::Record(record) => outputs.push(ClientOutput::Record(record)),
            Output::Show(update) => outputs.push(ClientOutput::Show(update)),
            // The call too: a restarted app has lost its media, and cancels it.
            Output::Save(saved) => outputs.push(ClientOutput::Save(saved)),
        }
        None
    }
}
