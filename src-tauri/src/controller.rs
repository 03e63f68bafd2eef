//! Owns the app's state: client, link, embedded server and settings. Everything that happens goes through it, in one order.

mod autostart_switch;
mod control;
mod embedded;
mod page_state;
mod servers;

use std::{path::PathBuf, time::Duration};

use hutong_core::{
    Command, Input, LinkEvent, Session,
    app::{AppCommand, AppProblem, AppView, FromUi, Offer, ToUi},
};
use hutong_protocol::{MediaKind, UserState};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, timeout},
};

use self::{
    autostart_switch::AutostartSwitch,
    control::Order,
    embedded::{OptionalServer, Reachable},
    page_state::PageState,
    servers::Servers,
};
use crate::{
    autostart::Autostart,
    call_link::CallLink,
    call_status::CallStatusPublisher,
    driver::{Driver, Event, Tell},
    invitation::Invitation,
    network::Names,
    offer::{Next, Offers},
    settings::Choice,
    tls::Roots,
};

pub use control::{Control, Interface};

/// How often a shared server's addresses are looked at. The systems tell of changes in three different ways; people wait
/// longer than this for a network.
const ADDRESSES: Duration = Duration::from_secs(10);

/// How long the app's end waits for the server to have heard that the call ends.
const FAREWELL: Duration = Duration::from_secs(1);

/// Problems that are over once the server answers with the right key: the network is back where the server's name means what it
/// did, or where the server is.
const OVER_WHEN_REACHED: [AppProblem; 3] =
    [AppProblem::AddressNotSecure, AppProblem::ServerKeyChanged, AppProblem::ServerKeyWrong];

/// What the app is started with.
#[derive(Clone, Debug)]
pub struct Start {
    /// Where settings, certificate and keys are kept.
    pub directory: PathBuf,
    /// The port that the embedded server is to take, whatever the settings say.
    pub port: Option<u16>,
    /// The port that it takes where neither this nor the settings say one.
    pub default_port: DefaultPort,
    /// Resolves the addresses of servers.
    pub names: Names,
    /// What starts the app with the system, where that can be chosen.
    pub autostart: Option<Autostart>,
}

/// The embedded server's port where nobody has chosen one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DefaultPort {
    /// The usual one, which others find without being told.
    #[default]
    Usual,
    /// Any that is free, and the same ever after: another app has the usual one.
    Free,
}

/// Starts a controller on the runtime that this is awaited on.
pub fn start(with: Start) -> (Control, impl Future<Output = ()> + Send) {
    let status = CallStatusPublisher::default();
    let (control, orders) = Control::channel(status.subscribe());
    (control, async move { Controller::new(with, status).await.run(orders).await })
}

struct Controller {
    driver: Driver,
    embedded: OptionalServer,
    servers: Servers,
    page: PageState,
    offers: Offers,
    autostart: AutostartSwitch,
    status: CallStatusPublisher,
    problem: Option<AppProblem>,
}

impl Controller {
    async fn new(with: Start, status: CallStatusPublisher) -> Self {
        let mut servers = Servers::read(&with.directory);
        let chosen = with.port.or(servers.settings().port);
        let port = chosen.or(match with.default_port {
            DefaultPort::Usual => None,
            DefaultPort::Free => Some(0),
        });
        let roots = Roots::of_this_computer()
            .inspect_err(|error| tracing::warn!(%error, "no certificate authorities; servers outside the own network are unreachable"))
            .ok();
        let (embedded, problem) = OptionalServer::start(&with.directory, port).await;
        let problem = problem.or(servers.settings().server.problem());
        let keeps_port = chosen.is_none() && with.default_port == DefaultPort::Free;
        if let Some(port) = embedded.port() {
            servers.embedded_on(port, keeps_port);
        }
        let mut this = Self {
            driver: Driver::new(seed(), roots).with_names(with.names),
            embedded,
            servers,
            page: PageState::default(),
            offers: Offers::default(),
            autostart: AutostartSwitch::read(with.autostart).await,
            status,
            problem,
        };
        if keeps_port && this.embedded.port().is_some() {
            this.save().await;
        }
        if this.servers.settings().share {
            this.share(true).await;
        }
        this.driver.aim(this.servers.target());
        this
    }

    async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut addresses = tokio::time::interval_at(Instant::now() + ADDRESSES, ADDRESSES);
        addresses.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    None => break,
                    Some(Order::Attach(interface)) => self.attach(interface),
                    Some(Order::Detach) => drop(self.detach()),
                    Some(Order::Hear(what)) => self.hear(what).await,
                    Some(Order::Open(link)) => self.open(&link),
                    Some(Order::Stop(done)) => {
                        self.stop().await;
                        drop(done);
                        return;
                    }
                },
                event = self.driver.next() => self.handle(event).await,
                () = self.embedded.failed() => self.embedded_failed(),
                _ = addresses.tick() => self.refresh_addresses().await,
            }
        }
        self.stop().await;
    }

    async fn handle(&mut self, event: Event) {
        match event {
            Event::Input(input) => {
                if matches!(input, Input::Link(LinkEvent::Up)) {
                    self.reached().await;
                }
                self.step(input);
            }
            Event::NotSecure => self.trouble(AppProblem::AddressNotSecure),
            Event::AnotherKey => self.trouble(self.servers.other_key()),
            Event::FirstMet(key, input) => {
                if self.servers.remember_key(key) {
                    self.save().await;
                    self.driver.aim(self.servers.target());
                }
                self.step(input);
            }
        }
    }

    /// The server answers, and has the key that it should have.
    async fn reached(&mut self) {
        if self.servers.confirm_key() {
            self.save().await;
        }
        if self.problem.is_some_and(|problem| OVER_WHEN_REACHED.contains(&problem)) {
            self.problem = None;
            self.show_app();
        }
    }

    /// The page shows no server of this computer any more, and why.
    fn embedded_failed(&mut self) {
        self.problem = Some(AppProblem::EmbeddedFailed);
        self.show_app();
    }

    async fn refresh_addresses(&mut self) {
        let Some(Reachable(reachable)) = self.embedded.refresh().await else { return };
        if self.problem == Some(AppProblem::NoNetwork) && reachable {
            self.problem = None;
        }
        self.show_app();
    }

    fn attach(&mut self, interface: Interface) {
        tracing::info!("the page is there");
        let told = self.detach();
        self.page.attach(interface);
        self.page.send(ToUi::Snapshot(self.driver.view().clone()));
        self.show_app();
        for told in told {
            // The snapshot holds what is to be shown already.
            if let Tell::Media(command) = told {
                self.page.send(ToUi::Media(command));
            }
        }
    }

    /// What is returned is for the next page, if there is one already.
    fn detach(&mut self) -> Vec<Tell> {
        let told = if self.page.detach() {
            tracing::info!("the last page is gone");
            self.driver.step(Input::InterfaceReloaded)
        } else {
            Vec::new()
        };
        self.look_around();
        told
    }

    async fn hear(&mut self, what: FromUi) {
        match what {
            FromUi::Command(command) => self.step(Input::Command(command)),
            FromUi::Media(event) => self.step(Input::Media(event)),
            FromUi::App(command) => {
                self.problem = None;
                self.app(command).await;
                self.show_app();
            }
        }
    }

    async fn app(&mut self, command: AppCommand) {
        match command {
            AppCommand::UseEmbedded => self.use_server(Choice::Embedded).await,
            AppCommand::UseServer { address } => match Invitation::parse(&address) {
                Ok(invitation) => {
                    self.servers.forget_key(&invitation.address);
                    self.use_server(Choice::Other { address: invitation.to_string() }).await;
                }
                Err(problem) => self.problem = Some(problem),
            },
            AppCommand::Autostart { on } => {
                if let Err(problem) = self.autostart.set(on).await {
                    self.problem = Some(problem);
                }
            }
            AppCommand::TakeOffer { offer } => self.take_offer(&offer).await,
            AppCommand::DropOffer => self.offers.drop_it(),
            AppCommand::Share { on } => {
                self.share(on).await;
                self.servers.set_share(on);
                self.save().await;
            }
        }
    }

    /// Offers the call of a link, and does no more.
    fn open(&mut self, link: &str) {
        match CallLink::parse(link) {
            Ok(link) if self.servers.contradicts(&link) => self.problem = Some(AppProblem::LinkKeyDiffers),
            Ok(link) => {
                self.problem = None;
                self.offers.open(link);
            }
            Err(problem) => self.problem = Some(problem),
        }
        self.show_app();
    }

    async fn take_offer(&mut self, read: &Offer) {
        let here = self.servers.here();
        if self.offers.view(here.as_ref()).as_ref() != Some(read) {
            return;
        }
        if let Some(link) = self.offers.link().cloned() {
            if self.servers.contradicts(&link) {
                self.offers.drop_it();
                self.problem = Some(AppProblem::LinkKeyDiffers);
                return;
            }
            // What the link says of the server in use counts too, before anybody logs in there.
            let is_in = matches!(self.driver.view().session, Session::LoggedIn { .. });
            if link.key.is_some() && !is_in && here.as_ref() == Some(&link.server) {
                let invitation = Invitation { address: link.server, key: link.key };
                self.servers.choose(Choice::Other { address: invitation.to_string() });
                self.driver.aim(self.servers.target());
                self.save().await;
            }
        }
        match self.offers.take(here.as_ref(), self.driver.view()) {
            Next::Nothing => {}
            // Unlike an address that a person types, a link's does not forget which key the server had.
            Next::GoTo(invitation) => self.use_server(Choice::Other { address: invitation.to_string() }).await,
            Next::Call(to) => self.step(Input::Command(Command::Call { to, media: MediaKind::Video })),
        }
    }

    /// Goes to another server, and logs in there as whoever was logged in here.
    async fn use_server(&mut self, choice: Choice) {
        let name = match &self.driver.view().session {
            Session::LoggingIn { name, .. } => Some(name.clone()),
            Session::LoggedIn { me } | Session::Reconnecting { me } => Some(me.name.to_string()),
            Session::LoggedOut | Session::Refused { .. } | Session::Replaced { .. } => None,
        };
        self.servers.choose(choice);
        self.step(Input::Command(Command::LogOut));
        self.driver.aim(self.servers.target());
        self.save().await;
        if let Some(name) = name {
            self.step(Input::Command(Command::LogIn { name, secret: None }));
        }
    }

    async fn share(&mut self, on: bool) {
        if let Err(problem) = self.embedded.share(on).await {
            self.problem = Some(problem);
        }
    }

    async fn save(&mut self) {
        if let Err(problem) = self.servers.save().await {
            // What brought the change up comes first.
            self.problem.get_or_insert(problem);
        }
    }

    /// Shows a problem that nobody's command brought up. It comes again with every attempt, and is shown once.
    fn trouble(&mut self, problem: AppProblem) {
        if self.problem != Some(problem) {
            self.problem = Some(problem);
            self.show_app();
        }
    }

    fn step(&mut self, input: Input) {
        for told in self.driver.step(input) {
            self.page.send(match told {
                Tell::Show(update) => ToUi::Show(update),
                Tell::Media(command) => ToUi::Media(command),
            });
        }
        self.look_around();
    }

    /// What follows for others from where the client is now.
    fn look_around(&mut self) {
        self.status.publish(self.driver.view());
        if self.offers.look(self.servers.here().as_ref(), &self.driver.view().session) {
            self.show_app();
        }
    }

    fn show_app(&mut self) {
        self.page.send(ToUi::App(AppView {
            server: self.servers.choice(),
            embedded: self.embedded.view(),
            autostart: self.autostart.is_on(),
            invitation: self.servers.invitation(),
            offer: self.offers.view(self.servers.here().as_ref()),
            problem: self.problem,
        }));
    }

    /// Whoever ends the app ends its call: without a word the other side would wait for it to come back.
    async fn hang_up(&mut self) {
        if self.driver.view().call.is_none() {
            return;
        }
        self.step(Input::Command(Command::HangUp));
        let heard = async {
            let session = |this: &Self| this.driver.view().session.me().map(|me| me.state);
            while matches!(session(self), Some(UserState::Connecting | UserState::InCall)) {
                if let Event::Input(input) | Event::FirstMet(_, input) = self.driver.next().await {
                    self.step(input);
                }
            }
        };
        if timeout(FAREWELL, heard).await.is_err() {
            tracing::info!("no answer to the hang-up in time; the app ends without it");
        }
    }

    async fn stop(mut self) {
        self.hang_up().await;
        // The own link closes first, or the server would wait for it.
        drop(self.driver);
        self.embedded.stop().await;
    }
}

/// Any number will do where the system has none: it only spreads reconnections.
fn seed() -> u64 {
    getrandom::u64().unwrap_or(0)
}
