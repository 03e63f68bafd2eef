//! Owns the app's state: client, link, embedded server and settings. Everything that happens goes through it, in one order.

mod trust;

use std::{path::PathBuf, time::Duration};

use hutong_core::{
    Command, Input, LinkEvent, Session,
    app::{AppCommand, AppProblem, AppView, FromUi, Offer, ServerChoice, ToUi},
};
use hutong_protocol::{MediaKind, UserState};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, MissedTickBehavior, timeout},
};

use crate::{
    autostart::Autostart,
    call_link::CallLink,
    driver::{Driver, Event, Tell},
    hosting::{Hosting, Shared},
    invitation::Invitation,
    network::Names,
    offer::{Next, Offers},
    settings::{Choice, File, Settings},
    standing::{Rings, Standing},
    tls::{Roots, Trust},
};

/// Orders that wait; then whoever gives more of them waits.
const ORDERS: usize = 64;

/// How often a shared server's addresses are looked at. The systems tell of changes in three different ways; people wait
/// longer than this for a network.
const ADDRESSES: Duration = Duration::from_secs(10);

/// How long the app's end waits for the server to have heard that the call ends.
const FAREWELL: Duration = Duration::from_secs(1);

/// What the app is started with.
#[derive(Clone, Debug)]
pub struct Start {
    /// Where settings, certificate and keys are kept.
    pub directory: PathBuf,
    /// The port that the embedded server is to take, whatever the settings say.
    pub port: Option<u16>,
    /// The port that it takes where neither this nor the settings say one.
    pub otherwise: Otherwise,
    /// What tells the addresses of servers.
    pub names: Names,
    /// What starts the app with the system, where that can be chosen.
    pub autostart: Option<Autostart>,
}

/// The embedded server's port where nobody has chosen one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Otherwise {
    /// The usual one, which others find without being told.
    #[default]
    Usual,
    /// Any that is free, and the same ever after: the usual one is another app's.
    Own,
}

/// Where an interface hears. It gives `false` when there is nobody any more.
pub type Interface = Box<dyn Fn(ToUi) -> bool + Send>;

/// Gives a controller orders. Cheap to clone; the controller ends when the last one is dropped.
#[derive(Clone, Debug)]
pub struct Control {
    orders: mpsc::Sender<Order>,
    standing: watch::Receiver<Standing>,
}

impl Control {
    /// A new interface takes the place of an earlier one. It hears a snapshot first.
    pub async fn attach(&self, interface: Interface) {
        self.order(Order::Attach(interface)).await;
    }

    /// The interface is gone, and its peer connections with it: who is in a call is out of it, whether or not another interface
    /// comes. Does not wait, so that it is never heard after what the next one says.
    pub fn detach(&self) {
        if self.orders.try_send(Order::Detach).is_err() {
            tracing::info!("too much is going on: the next interface tells that the last one is gone");
        }
    }

    /// What the interface says.
    pub async fn hear(&self, what: FromUi) {
        self.order(Order::Hear(what)).await;
    }

    /// A link was opened, which is not checked yet. The person is asked.
    pub async fn open_link(&self, link: String) {
        self.order(Order::Open(link)).await;
    }

    /// How the person stands to others, now and from now on.
    #[must_use]
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.clone()
    }

    /// Ends link and embedded server politely. Returns when that is done.
    pub async fn stop(&self) {
        let (done, wait) = oneshot::channel();
        self.order(Order::Stop(done)).await;
        // An error says that it has stopped already.
        drop(wait.await);
    }

    async fn order(&self, order: Order) {
        if self.orders.send(order).await.is_err() {
            tracing::debug!("an order came after the end");
        }
    }
}

enum Order {
    Attach(Interface),
    Detach,
    Hear(FromUi),
    Open(String),
    Stop(oneshot::Sender<()>),
}

/// Starts a controller on the runtime that this is awaited on.
pub fn start(with: Start) -> (Control, impl Future<Output = ()> + Send) {
    let (orders, inbox) = mpsc::channel(ORDERS);
    let (stands, standing) = watch::channel(Standing::default());
    (Control { orders, standing }, async move { Controller::new(with, stands).await.run(inbox).await })
}

struct Controller {
    driver: Driver,
    hosting: Option<Hosting>,
    file: File,
    settings: Settings,
    interface: Option<Interface>,
    /// Whether there has been an interface, whose peer connections went with it.
    had_interface: bool,
    problem: Option<AppProblem>,
    offers: Offers,
    autostart: Option<Autostart>,
    /// What the system said last.
    starts_with_system: Option<bool>,
    stands: watch::Sender<Standing>,
    rings: Rings,
}

impl Controller {
    async fn new(with: Start, stands: watch::Sender<Standing>) -> Self {
        let file = File::within(&with.directory);
        let settings = file.read();
        let wanted = with.port.or(settings.port).or(match with.otherwise {
            Otherwise::Usual => None,
            Otherwise::Own => Some(0),
        });
        let roots = Roots::of_this_computer()
            .inspect_err(|error| tracing::warn!(%error, "there are no certificate authorities"))
            .ok();
        let (hosting, problem) = match Hosting::start(&with.directory, wanted).await {
            Ok(hosting) => (hosting, None),
            Err(problem) => (None, Some(problem)),
        };
        let problem = problem.or(settings.server.problem());
        let driver = Driver::new(seed(), roots).with_names(with.names);
        let mut this = Self {
            driver,
            hosting,
            file,
            settings,
            interface: None,
            had_interface: false,
            problem,
            offers: Offers::default(),
            autostart: with.autostart,
            starts_with_system: None,
            stands,
            rings: Rings::default(),
        };
        if let (Otherwise::Own, None, None) = (with.otherwise, with.port, this.settings.port)
            && let Some(hosting) = &this.hosting
        {
            this.settings.port = Some(hosting.port());
            this.save().await;
        }
        this.starts_with_system = starts_with_system(this.autostart.clone()).await;
        if this.settings.share {
            this.share(true).await;
        }
        this.driver.aim(this.target());
        this
    }

    async fn run(mut self, mut inbox: mpsc::Receiver<Order>) {
        let mut addresses = tokio::time::interval_at(Instant::now() + ADDRESSES, ADDRESSES);
        addresses.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                order = inbox.recv() => match order {
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
                event = self.driver.next() => match event {
                    Event::Input(input) => {
                        let reached = matches!(input, Input::Link(LinkEvent::Up));
                        if reached {
                            self.reached().await;
                        }
                        self.step(input);
                    }
                    Event::NotSecure => self.trouble(AppProblem::AddressNotSecure),
                    Event::AnotherKey => match self.target().map(|target| target.trust) {
                        Some(Trust::Pinned(_)) => self.trouble(AppProblem::ServerKeyWrong),
                        _ => self.trouble(AppProblem::ServerKeyChanged),
                    },
                    Event::FirstMet(key, input) => {
                        if let Some(target) = self.target() {
                            self.settings.known_servers.insert(target.address.authority(), key);
                            self.save().await;
                            self.driver.aim(self.target());
                        }
                        self.step(input);
                    }
                },
                _ = addresses.tick() => {
                    if let Some(hosting) = &mut self.hosting
                        && hosting.refresh().await
                    {
                        if self.problem == Some(AppProblem::NoNetwork) && !hosting.view().addresses.is_empty() {
                            self.problem = None;
                        }
                        self.show_app();
                    }
                }
            }
        }
        self.stop().await;
    }

    fn attach(&mut self, interface: Interface) {
        tracing::info!("the page is there");
        let told = self.detach();
        self.interface = Some(interface);
        self.had_interface = true;
        self.tell(ToUi::Snapshot(self.driver.view().clone()));
        self.show_app();
        for told in told {
            // The snapshot holds what is to be shown already.
            if let Tell::Media(command) = told {
                self.tell(ToUi::Media(command));
            }
        }
    }

    /// What is returned is for the next interface, if there is one already.
    fn detach(&mut self) -> Vec<Tell> {
        self.interface = None;
        let told = if self.had_interface {
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
                    // Who enters an address anew means the server that is there now, whatever key it had before. One that an
                    // invitation told stays, until another invitation tells another.
                    self.settings.known_servers.remove(&invitation.address.authority());
                    self.use_server(Choice::Other { address: invitation.to_string() }).await;
                }
                Err(problem) => self.problem = Some(problem),
            },
            AppCommand::Autostart { on } => self.start_with_system(on).await,
            AppCommand::TakeOffer { offer } => self.take_offer(&offer).await,
            AppCommand::DropOffer => self.offers.drop_it(),
            AppCommand::Share { on } => {
                self.share(on).await;
                self.settings.share = on;
                self.save().await;
            }
        }
    }

    /// Offers the call of a link, and does no more.
    fn open(&mut self, link: &str) {
        match CallLink::parse(link) {
            Ok(link) if self.contradicts(&link) => self.problem = Some(AppProblem::LinkKeyDiffers),
            Ok(link) => {
                self.problem = None;
                self.offers.open(link);
            }
            Err(problem) => self.problem = Some(problem),
        }
        self.show_app();
    }

    async fn take_offer(&mut self, read: &Offer) {
        let here = self.target().map(|target| target.address);
        if self.offers.view(here.as_ref()).as_ref() != Some(read) {
            return;
        }
        if let Some(link) = self.offers.link().cloned() {
            if self.contradicts(&link) {
                self.offers.drop_it();
                self.problem = Some(AppProblem::LinkKeyDiffers);
                return;
            }
            // What the link says of the server in use counts too, before anybody logs in there.
            let is_in = matches!(self.driver.view().session, Session::LoggedIn { .. });
            if link.key.is_some() && !is_in && here.as_ref() == Some(&link.server) {
                let invitation = Invitation { address: link.server, key: link.key };
                self.settings.server = Choice::Other { address: invitation.to_string() };
                self.driver.aim(self.target());
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
        self.settings.server = choice;
        self.step(Input::Command(Command::LogOut));
        self.driver.aim(self.target());
        self.save().await;
        if let Some(name) = name {
            self.step(Input::Command(Command::LogIn { name, secret: None }));
        }
    }

    async fn share(&mut self, on: bool) {
        let Some(hosting) = &mut self.hosting else {
            self.problem = Some(AppProblem::EmbeddedFailed);
            return;
        };
        if let Shared::But(problem) = hosting.share(on).await {
            self.problem = Some(problem);
        }
    }

    /// Tells of a problem that nobody's command brought up. It comes again with every attempt, and is told once.
    fn trouble(&mut self, problem: AppProblem) {
        if self.problem != Some(problem) {
            self.problem = Some(problem);
            self.show_app();
        }
    }

    fn step(&mut self, input: Input) {
        for told in self.driver.step(input) {
            match told {
                Tell::Show(update) => self.tell(ToUi::Show(update)),
                Tell::Media(command) => self.tell(ToUi::Media(command)),
            }
        }
        self.look_around();
    }

    /// What follows for others from where the client is now.
    fn look_around(&mut self) {
        let now = Standing::of(self.driver.view(), &mut self.rings);
        self.stands.send_if_modified(|standing| {
            let changed = *standing != now;
            *standing = now;
            changed
        });
        let here = self.target().map(|target| target.address);
        if self.offers.look(here.as_ref(), &self.driver.view().session) {
            self.show_app();
        }
    }

    async fn start_with_system(&mut self, on: bool) {
        let Some(autostart) = self.autostart.clone() else { return };
        let set = tokio::task::spawn_blocking(move || autostart.set(on)).await;
        if let Err(error) = set.map_err(|error| error.to_string()).and_then(|set| set) {
            tracing::warn!(%error, "the system does not start the app as wished");
            self.problem = Some(AppProblem::AutostartFailed);
        }
        self.starts_with_system = starts_with_system(self.autostart.clone()).await;
    }

    fn tell(&mut self, what: ToUi) {
        if self.interface.as_ref().is_some_and(|interface| !interface(what)) {
            tracing::debug!("the interface is gone");
            self.interface = None;
        }
    }

    fn show_app(&mut self) {
        let target = self.target();
        let server = match (&self.settings.server, &self.hosting) {
            (Choice::Other { address }, _) => {
                ServerChoice::Other { address: target.as_ref().map_or(address.clone(), trust::as_entered) }
            }
            (Choice::Embedded, Some(_)) => ServerChoice::Embedded,
            (Choice::Embedded, None) => ServerChoice::None,
        };
        let embedded = self.hosting.as_ref().map(Hosting::view);
        let invitation = match (&self.settings.server, &target) {
            (Choice::Other { .. }, Some(target)) => Some(trust::to_hand_on(target)),
            _ => None,
        };
        let here = target.map(|target| target.address);
        self.tell(ToUi::App(AppView {
            server,
            embedded,
            autostart: self.starts_with_system,
            invitation,
            offer: self.offers.view(here.as_ref()),
            problem: self.problem,
        }));
    }

    async fn save(&mut self) {
        let (file, settings) = (self.file.clone(), self.settings.clone());
        let written = tokio::task::spawn_blocking(move || file.write(&settings)).await;
        if let Err(error) = written.map_err(std::io::Error::other).and_then(|written| written) {
            tracing::warn!(%error, "the settings are not saved");
            self.problem = self.problem.or(Some(AppProblem::NotSaved));
        }
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
            tracing::info!("the server does not say that it heard the end of the call");
        }
    }

    async fn stop(mut self) {
        self.hang_up().await;
        // The own link closes first, or the server would wait for it.
        drop(self.driver);
        if let Some(hosting) = self.hosting {
            hosting.stop().await;
        }
    }
}

/// Whether the system starts the app, where that can be chosen.
async fn starts_with_system(autostart: Option<Autostart>) -> Option<bool> {
    let autostart = autostart?;
    tokio::task::spawn_blocking(move || autostart.is_on()).await.ok()
}

/// Any number will do where the system has none: it only spreads reconnections.
fn seed() -> u64 {
    getrandom::u64().unwrap_or(0)
}
