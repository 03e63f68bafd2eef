//! Owns the app's state: client, link, embedded server and settings. Everything that happens goes through it, in one order.

use std::{path::PathBuf, time::Duration};

use hutong_core::{
    Command, Input, LinkEvent, Session,
    app::{AppCommand, AppProblem, AppView, FromUi, ServerChoice, ToUi},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, MissedTickBehavior},
};

use crate::{
    address::Address,
    driver::{Driver, Event, Tell},
    hosting::{Hosting, Shared},
    link::Target,
    network::Names,
    settings::{Choice, File, Settings},
    tls::Roots,
};

/// Orders that wait; then whoever gives more of them waits.
const ORDERS: usize = 64;

/// How often a shared server's addresses are looked at. The systems tell of changes in three different ways; people wait
/// longer than this for a network.
const ADDRESSES: Duration = Duration::from_secs(10);

/// What the app is started with.
#[derive(Clone, Debug)]
pub struct Start {
    /// Where settings, certificate and keys are kept.
    pub directory: PathBuf,
    /// The port that the embedded server is to take, whatever the settings say.
    pub port: Option<u16>,
    /// What tells the addresses of servers.
    pub names: Names,
}

/// Where an interface hears. It gives `false` when there is nobody any more.
pub type Interface = Box<dyn Fn(ToUi) -> bool + Send>;

/// Gives a controller orders. Cheap to clone; the controller ends when the last one is dropped.
#[derive(Clone, Debug)]
pub struct Control(mpsc::Sender<Order>);

impl Control {
    /// A new interface takes the place of an earlier one. It hears a snapshot first.
    pub async fn attach(&self, interface: Interface) {
        self.order(Order::Attach(interface)).await;
    }

    /// What the interface says.
    pub async fn hear(&self, what: FromUi) {
        self.order(Order::Hear(what)).await;
    }

    /// Ends link and embedded server politely. Returns when that is done.
    pub async fn stop(&self) {
        let (done, wait) = oneshot::channel();
        self.order(Order::Stop(done)).await;
        // An error says that it has stopped already.
        drop(wait.await);
    }

    async fn order(&self, order: Order) {
        if self.0.send(order).await.is_err() {
            tracing::debug!("an order came after the end");
        }
    }
}

enum Order {
    Attach(Interface),
    Hear(FromUi),
    Stop(oneshot::Sender<()>),
}

/// Starts a controller on the runtime that this is awaited on.
pub fn start(with: Start) -> (Control, impl Future<Output = ()> + Send) {
    let (orders, inbox) = mpsc::channel(ORDERS);
    (Control(orders), async move { Controller::new(with).await.run(inbox).await })
}

struct Controller {
    driver: Driver,
    hosting: Option<Hosting>,
    file: File,
    settings: Settings,
    interface: Option<Interface>,
    /// Whether an earlier interface has gone, whose peer connections went with it.
    had_interface: bool,
    problem: Option<AppProblem>,
}

impl Controller {
    async fn new(with: Start) -> Self {
        let file = File::within(&with.directory);
        let settings = file.read();
        let roots = Roots::of_this_computer()
            .inspect_err(|error| tracing::warn!(%error, "there are no certificate authorities"))
            .ok();
        let (hosting, problem) = match Hosting::start(&with.directory, with.port.or(settings.port)).await {
            Ok(hosting) => (hosting, None),
            Err(problem) => (None, Some(problem)),
        };
        let problem = problem.or(settings.server.problem());
        let driver = Driver::new(seed(), roots).with_names(with.names);
        let mut this = Self { driver, hosting, file, settings, interface: None, had_interface: false, problem };
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
                    Some(Order::Hear(what)) => self.hear(what).await,
                    Some(Order::Stop(done)) => {
                        self.stop().await;
                        drop(done);
                        return;
                    }
                },
                event = self.driver.next() => match event {
                    Event::Input(input) => {
                        let reached = matches!(input, Input::Link(LinkEvent::Up));
                        // Back in the network where the name means what it did.
                        if reached && self.problem == Some(AppProblem::AddressNotSecure) {
                            self.problem = None;
                            self.show_app();
                        }
                        self.step(input);
                    }
                    Event::NotSecure => self.trouble(AppProblem::AddressNotSecure),
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
        self.interface = None;
        let told = if std::mem::replace(&mut self.had_interface, true) {
            self.driver.step(Input::InterfaceReloaded)
        } else {
            Vec::new()
        };
        self.interface = Some(interface);
        self.tell(ToUi::Snapshot(self.driver.view().clone()));
        self.show_app();
        for told in told {
            // The snapshot holds what is to be shown already.
            if let Tell::Media(command) = told {
                self.tell(ToUi::Media(command));
            }
        }
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
            AppCommand::UseServer { address } => match Address::parse(&address) {
                Ok(address) => {
                    // Who enters an address anew means the server that is there now, whatever key it had before.
                    self.settings.known_servers.remove(&address.authority());
                    self.use_server(Choice::Other { address: address.to_string() }).await;
                }
                Err(problem) => self.problem = Some(problem),
            },
            AppCommand::Share { on } => {
                self.share(on).await;
                self.settings.share = on;
                self.save().await;
            }
        }
    }

    /// Goes to another server, and logs in there as whoever was logged in here.
    async fn use_server(&mut self, choice: Choice) {
        let name = match &self.driver.view().session {
            Session::LoggingIn { name, .. } => Some(name.clone()),
            Session::LoggedIn { me } | Session::Reconnecting { me } => Some(me.name.to_string()),
            Session::LoggedOut | Session::Refused { .. } | Session::Replaced { .. } => None,
        };
        self.step(Input::Command(Command::LogOut));
        self.settings.server = choice;
        self.driver.aim(self.target());
        self.save().await;
        if let Some(name) = name {
            self.step(Input::Command(Command::LogIn { name }));
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
    }

    fn tell(&mut self, what: ToUi) {
        if self.interface.as_ref().is_some_and(|interface| !interface(what)) {
            tracing::debug!("the interface is gone");
            self.interface = None;
        }
    }

    fn show_app(&mut self) {
        let server = match (&self.settings.server, &self.hosting) {
            (Choice::Other { address }, _) => ServerChoice::Other { address: address.clone() },
            (Choice::Embedded, Some(_)) => ServerChoice::Embedded,
            (Choice::Embedded, None) => ServerChoice::None,
        };
        let embedded = self.hosting.as_ref().map(Hosting::view);
        self.tell(ToUi::App(AppView { server, embedded, problem: self.problem }));
    }

    /// Where the settings say that the client goes.
    fn target(&self) -> Option<Target> {
        let address = match &self.settings.server {
            Choice::Embedded => Address::embedded(self.hosting.as_ref()?.port()),
            // A file edited by hand may hold anything; then there is no server until one is entered.
            Choice::Other { address } => Address::parse(address).ok()?,
        };
        let known = self.settings.known_servers.get(&address.authority()).cloned();
        Some(Target { address, known })
    }

    async fn save(&mut self) {
        let (file, settings) = (self.file.clone(), self.settings.clone());
        let written = tokio::task::spawn_blocking(move || file.write(&settings)).await;
        if let Err(error) = written.map_err(std::io::Error::other).and_then(|written| written) {
            tracing::warn!(%error, "the settings are not saved");
            self.problem = self.problem.or(Some(AppProblem::NotSaved));
        }
    }

    async fn stop(self) {
        // The own link closes first, or the server would wait for it.
        drop(self.driver);
        if let Some(hosting) = self.hosting {
            hosting.stop().await;
        }
    }
}

/// Any number will do where the system has none: it only spreads reconnections.
fn seed() -> u64 {
    getrandom::u64().unwrap_or(0)
}
