//! The controller: one task that owns client, server link, embedded server and settings, and handles all events in order.

mod autostart_switch;
mod handle;
mod link_switch;
mod optional_server;
mod page_state;
mod server_settings;

use std::{path::PathBuf, time::Duration};

use hutong_core::{
    Command, Input, SessionView, SocketEvent,
    host_messages::{AppCommand, AppProblem, AppView, HostToPage, PageToHost, PendingCallLink, ServerChoice},
};
use hutong_protocol::{MediaKind, Secret, UserState};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior, timeout},
};

use self::{
    autostart_switch::AutostartSwitch,
    handle::ControllerCommand,
    link_switch::LinkSwitch,
    optional_server::{OptionalServer, Reachable},
    page_state::PageState,
    server_settings::ServerSettings,
};
use crate::{
    autostart::Autostart,
    call_link::CallLink,
    call_link_flow::{CallLinkFlow, ConfirmOutcome},
    call_status::CallStatusPublisher,
    close_policy::ClosePolicy,
    driver::{ClientDriver, ClientOutput, DriverEvent},
    invitation::Invitation,
    link_handler::LinkHandler,
    network_watch,
    route::Resolver,
    session_file::{SessionFile, SessionWriter, StoredSession},
    settings::SavedServer,
    tls::TrustRoots,
};

pub use handle::{ControllerHandle, PageSender};

/// Interval of the checks for changed network addresses while the server is shared. Polled, because each operating system
/// reports changes differently; joining a network takes longer than this.
const ADDRESS_CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// How long the exit waits for the server to confirm the hang-up.
const HANG_UP_TIMEOUT: Duration = Duration::from_secs(1);

/// Problems that are cleared when a link to the server opens: address and key have been checked then.
const CLEARED_BY_CONNECTION: [AppProblem; 3] =
    [AppProblem::AddressNotSecure, AppProblem::ServerKeyChanged, AppProblem::ServerKeyWrong];

/// Configuration of a controller.
#[derive(Clone, Debug)]
pub struct ControllerConfig {
    /// The data directory, for settings, certificate and keys.
    pub directory: PathBuf,
    /// The embedded server's port; overrides the settings.
    pub port: Option<u16>,
    /// The embedded server's port if neither `port` nor the settings contain one.
    pub default_port: DefaultPort,
    /// The resolver of servers' host names.
    pub resolver: Resolver,
    /// The autostart entry, if it can be changed.
    pub autostart: Option<Autostart>,
    /// The handler of `hutong:` links, if this program can be one.
    pub link_handler: Option<LinkHandler>,
}

/// The embedded server's port when none was configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DefaultPort {
    /// [`crate::address::DEFAULT_PORT`], which clients assume.
    #[default]
    Standard,
    /// Any free port, kept in the settings from then on. For profiles: the default profile uses the standard port.
    AnyFree,
}

/// Creates a controller: its handle, and the future that runs it on a tokio runtime.
pub fn start(config: ControllerConfig) -> (ControllerHandle, impl Future<Output = ()> + Send) {
    let status = CallStatusPublisher::default();
    let (close_policy, followed) = watch::channel(ClosePolicy::default());
    let (control, commands) = ControllerHandle::channel(status.subscribe(), followed);
    (control, async move { Controller::new(config, status, close_policy).await.run(commands).await })
}

/// Whether the page asks what closing the window shall do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    Open,
    Closed,
}

struct Controller {
    driver: ClientDriver,
    sessions: SessionWriter,
    embedded: OptionalServer,
    servers: ServerSettings,
    page: PageState,
    call_link: CallLinkFlow,
    autostart: AutostartSwitch,
    links: LinkSwitch,
    status: CallStatusPublisher,
    close_policy: watch::Sender<ClosePolicy>,
    problem: Option<AppProblem>,
}

impl Controller {
    async fn new(
        config: ControllerConfig,
        status: CallStatusPublisher,
        close_policy: watch::Sender<ClosePolicy>,
    ) -> Self {
        let (mut servers, settings_problem) = ServerSettings::read(&config.directory);
        let configured_port = config.port.or(servers.stored().port);
        let port = configured_port.or(match config.default_port {
            DefaultPort::Standard => None,
            DefaultPort::AnyFree => Some(0),
        });
        let roots = TrustRoots::from_platform()
            .inspect_err(|error| tracing::warn!(%error, "cannot load the system's certificate authorities; https servers are unreachable"))
            .ok();
        let (embedded, problem) = OptionalServer::start(&config.directory, port).await;
        // The lost settings explain the others, such as another port.
        let problem = settings_problem.or(problem).or(servers.stored().server.problem());
        let keep_port = configured_port.is_none() && config.default_port == DefaultPort::AnyFree;
        if let Some(port) = embedded.port() {
            servers.set_embedded_port(port, keep_port);
        }
        let session_file = SessionFile::in_directory(&config.directory);
        let session = session_file.read(&servers.stored().server);
        let mut this = Self {
            driver: ClientDriver::new(seed(), roots, session).with_resolver(config.resolver),
            sessions: SessionWriter::start(session_file),
            embedded,
            servers,
            page: PageState::default(),
            call_link: CallLinkFlow::default(),
            autostart: AutostartSwitch::read(config.autostart).await,
            links: LinkSwitch::read(config.link_handler).await,
            status,
            close_policy,
            problem,
        };
        this.publish_close_policy(Question::Closed);
        if keep_port && this.embedded.port().is_some() {
            this.save().await;
        }
        if this.servers.stored().share {
            this.share(true).await;
        }
        // Before the first step, which connects with a saved session.
        this.driver.set_target(this.servers.target());
        let is_embedded = this.servers.choice() == ServerChoice::Embedded;
        this.step(Input::InvitationKey(if is_embedded { this.embedded.access_key() } else { None }));
        this
    }

    async fn run(mut self, mut commands: mpsc::Receiver<ControllerCommand>) {
        let mut address_checks =
            tokio::time::interval_at(Instant::now() + ADDRESS_CHECK_INTERVAL, ADDRESS_CHECK_INTERVAL);
        address_checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut network_changes = network_watch::start();
        loop {
            tokio::select! {
                command = commands.recv() => match command {
                    None => break,
                    Some(ControllerCommand::Attach(page)) => self.attach(page),
                    Some(ControllerCommand::Detach) => {
                        let outputs = self.detach();
                        self.perform(outputs);
                    }
                    Some(ControllerCommand::PageMessage(message)) => self.handle_page_message(message).await,
                    Some(ControllerCommand::OpenLink(link)) => self.open_link(&link),
                    Some(ControllerCommand::AskWhenClosed) => {
                        self.publish_close_policy(Question::Open);
                        self.show_app();
                    }
                    Some(ControllerCommand::Stop(done)) => {
                        self.stop().await;
                        drop(done);
                        return;
                    }
                },
                event = self.driver.next() => self.handle_driver_event(event).await,
                () = self.embedded.failed() => self.restart_embedded().await,
                _ = address_checks.tick() => self.refresh_addresses().await,
                Some(change) = network_changes.recv() => {
                    let outputs = self.driver.network_changed(&change);
                    self.perform(outputs);
                }
            }
        }
        self.stop().await;
    }

    async fn handle_driver_event(&mut self, event: DriverEvent) {
        match event {
            DriverEvent::Input(input) => {
                if matches!(input, Input::Socket(SocketEvent::Opened)) {
                    self.link_opened().await;
                }
                self.step(input);
            }
            DriverEvent::InsecureAddress => self.show_link_problem(AppProblem::AddressNotSecure),
            DriverEvent::KeyMismatch => self.show_link_problem(self.servers.key_mismatch_problem()),
            DriverEvent::FirstUse(key, input) => {
                if self.servers.store_first_use_key(key) {
                    self.save().await;
                    self.driver.set_target(self.servers.target());
                }
                self.step(input);
            }
        }
    }

    /// Handles an open link: the server has proved that it holds the expected key.
    async fn link_opened(&mut self) {
        if self.servers.store_pinned_key() {
            self.save().await;
        }
        if self.problem.is_some_and(|problem| CLEARED_BY_CONNECTION.contains(&problem)) {
            self.problem = None;
            self.show_app();
        }
    }

    /// Restarts the failed embedded server; the app and its calls go on. Reports the problem if that fails.
    async fn restart_embedded(&mut self) {
        match self.embedded.restart().await {
            Ok(()) => {
                if let Some(port) = self.embedded.port() {
                    self.servers.set_embedded_port(port, false);
                    self.driver.set_target(self.servers.target());
                }
                if self.servers.stored().share {
                    self.share(true).await;
                }
            }
            Err(problem) => self.problem = Some(problem),
        }
        self.show_app();
    }

    async fn refresh_addresses(&mut self) {
        let Some(Reachable(reachable)) = self.embedded.refresh().await else { return };
        if self.problem == Some(AppProblem::NoNetwork) && reachable {
            self.problem = None;
        }
        self.show_app();
    }

    fn attach(&mut self, page: PageSender) {
        tracing::info!("page attached; sending the current state to it");
        let outputs = self.detach();
        self.page.attach(page);
        self.page.send(HostToPage::Snapshot(self.driver.view().clone()));
        self.show_app();
        // The snapshot already contains all view updates.
        self.perform(outputs.into_iter().filter(|output| !matches!(output, ClientOutput::Show(_))));
    }

    /// Detaches the page. Returns the client's outputs, for the next page if one is attaching.
    fn detach(&mut self) -> Vec<ClientOutput> {
        let outputs = if self.page.detach() {
            tracing::info!("page closed or reloaded; its call, if any, ends");
            self.driver.step(Input::PageReloaded)
        } else {
            Vec::new()
        };
        self.after_step();
        outputs
    }

    async fn handle_page_message(&mut self, message: PageToHost) {
        match message {
            PageToHost::Command(command) => self.step(Input::Command(command)),
            PageToHost::Media(event) => self.step(Input::Media(event)),
            PageToHost::CheckConnection => self.step(Input::CheckConnection),
            PageToHost::App(command) => {
                self.problem = None;
                self.handle_app_command(command).await;
                self.show_app();
            }
        }
    }

    async fn handle_app_command(&mut self, command: AppCommand) {
        match command {
            AppCommand::UseEmbedded => self.use_server(SavedServer::Embedded, self.embedded.access_key()).await,
            AppCommand::UseServer { address } => match Invitation::parse(&address) {
                Ok(invitation) => {
                    self.servers.forget_key(&invitation.address);
                    let choice = SavedServer::Other { address: invitation.to_string() };
                    self.use_server(choice, invitation.access_key).await;
                }
                Err(problem) => self.problem = Some(problem),
            },
            AppCommand::Autostart { on } => {
                if let Err(problem) = self.autostart.set(on).await {
                    self.problem = Some(problem);
                }
            }
            AppCommand::OpenLinks { on } => {
                self.servers.answer_link_offer();
                self.save().await;
                if let Err(problem) = self.links.set(on).await {
                    self.problem = Some(problem);
                }
            }
            AppCommand::SetWhenClosed { to } => {
                self.servers.set_when_closed(to);
                self.save().await;
                self.publish_close_policy(Question::Closed);
            }
            AppCommand::CancelClose => self.publish_close_policy(Question::Closed),
            AppCommand::ConfirmCallLink { link, media } => self.confirm_call_link(&link, media).await,
            AppCommand::DismissCallLink => self.call_link.dismiss(),
            AppCommand::RequireAccessKey { on } => self.require_access_key(on).await,
            AppCommand::Share { on } => {
                self.share(on).await;
                self.servers.set_share(on);
                self.save().await;
            }
        }
    }

    /// Validates a call link and shows it for confirmation.
    fn open_link(&mut self, link: &str) {
        match CallLink::parse(link) {
            Ok(link) if self.servers.has_key_conflict(&link) => self.problem = Some(AppProblem::LinkKeyDiffers),
            Ok(link) => {
                self.problem = None;
                self.call_link.open(link);
            }
            Err(problem) => self.problem = Some(problem),
        }
        self.show_app();
    }

    /// Acts on a call link that the person confirmed. `confirmed` is the link as shown: nothing happens if another has
    /// replaced it.
    async fn confirm_call_link(&mut self, confirmed: &PendingCallLink, media: MediaKind) {
        let current = self.servers.current_address();
        if self.call_link.view(current.as_ref()).as_ref() != Some(confirmed) {
            return;
        }
        if let Some(link) = self.call_link.link().cloned() {
            if self.servers.has_key_conflict(&link) {
                self.call_link.dismiss();
                self.problem = Some(AppProblem::LinkKeyDiffers);
                return;
            }
            // Pin the link's key for the current server too, before the next login there.
            let is_logged_in = matches!(self.driver.view().session, SessionView::LoggedIn { .. });
            if link.key.is_some() && !is_logged_in && current.as_ref() == Some(&link.server) {
                let invitation = Invitation { address: link.server, key: link.key, access_key: None };
                self.servers.choose(SavedServer::Other { address: invitation.to_string() });
                self.driver.set_target(self.servers.target());
                self.save().await;
            }
        }
        match self.call_link.confirm(current.as_ref(), self.driver.view()) {
            ConfirmOutcome::None => {}
            // Unlike a typed address, a link's address does not make the app forget the server's key.
            ConfirmOutcome::SwitchServer(invitation) => {
                self.use_server(SavedServer::Other { address: invitation.to_string() }, None).await;
            }
            ConfirmOutcome::Call(to) => self.step(Input::Command(Command::Call { to, media })),
        }
    }

    /// Switches to a server, and logs in there with the current name.
    async fn use_server(&mut self, choice: SavedServer, access_key: Option<Secret>) {
        let name = match &self.driver.view().session {
            SessionView::LoggingIn { name, .. } => Some(name.clone()),
            SessionView::LoggedIn { me } | SessionView::Reconnecting { me } => Some(me.name.to_string()),
            SessionView::LoggedOut
            | SessionView::Refused { .. }
            | SessionView::InvitationOutdated { .. }
            | SessionView::Replaced { .. } => None,
        };
        self.servers.choose(choice);
        self.step(Input::Command(Command::LogOut));
        self.step(Input::InvitationKey(access_key));
        self.driver.set_target(self.servers.target());
        self.save().await;
        if let Some(name) = name {
            self.step(Input::Command(Command::LogIn { name, secret: None }));
        }
    }

    /// Makes the embedded server require a new access key, or none. The app's own session there begins again with the key.
    async fn require_access_key(&mut self, on: bool) {
        if let Err(problem) = self.embedded.store_access_key(on).await {
            self.problem = Some(problem);
            return;
        }
        // Before the server ends the session: it begins again with this key. A removed one serves for that, too.
        if on && self.servers.choice() == ServerChoice::Embedded {
            self.step(Input::InvitationKey(self.embedded.access_key()));
        }
        self.embedded.apply_access_key().await;
    }

    async fn share(&mut self, on: bool) {
        if let Err(problem) = self.embedded.share(on).await {
            self.problem = Some(problem);
        }
    }

    async fn save(&mut self) {
        if let Err(problem) = self.servers.save().await {
            // An earlier problem has priority.
            self.problem.get_or_insert(problem);
        }
    }

    /// Shows a problem of opening a link. Every attempt reports it; it is shown once.
    fn show_link_problem(&mut self, problem: AppProblem) {
        if self.problem != Some(problem) {
            self.problem = Some(problem);
            self.show_app();
        }
    }

    fn step(&mut self, input: Input) {
        let outputs = self.driver.step(input);
        self.perform(outputs);
    }

    /// Passes the client's outputs to the page, and stores its session.
    fn perform(&mut self, outputs: impl IntoIterator<Item = ClientOutput>) {
        for output in outputs {
            match output {
                ClientOutput::Show(update) => self.page.send(HostToPage::Show(update)),
                ClientOutput::Media(command) => self.page.send(HostToPage::Media(command)),
                ClientOutput::Record(record) => self.page.send(HostToPage::Record(record)),
                ClientOutput::Save(session) => {
                    let server = || self.servers.stored().server.clone();
                    self.sessions.set(session.map(|session| StoredSession { server: server(), session }));
                }
            }
        }
        self.after_step();
    }

    /// Publishes the call status and updates the call link after a change of the client's state.
    fn after_step(&mut self) {
        self.status.publish(self.driver.view());
        // A call is not to ring behind the question.
        if self.driver.view().call.is_some() && self.close_policy.borrow().is_asking {
            self.publish_close_policy(Question::Closed);
            self.show_app();
        }
        if self.call_link.update(self.servers.current_address().as_ref(), &self.driver.view().session) {
            self.show_app();
        }
    }

    fn publish_close_policy(&self, question: Question) {
        let when_closed = self.servers.stored().when_closed;
        self.close_policy.send_replace(ClosePolicy { when_closed, is_asking: question == Question::Open });
    }

    fn show_app(&mut self) {
        let close_policy = *self.close_policy.borrow();
        self.page.send(HostToPage::App(AppView {
            server: self.servers.choice(),
            embedded: self.embedded.view(),
            autostart: self.autostart.is_on(),
            opens_links: self.links.view(self.servers.stored().link_offer),
            when_closed: cfg!(desktop).then_some(close_policy.when_closed),
            asks_when_closed: close_policy.is_asking,
            invitation: self.servers.invitation(),
            call_link: self.call_link.view(self.servers.current_address().as_ref()),
            problem: self.problem,
        }));
    }

    /// Ends the call before the app exits: otherwise the peer would wait for a reconnection.
    async fn hang_up(&mut self) {
        if self.driver.view().call.is_none() {
            return;
        }
        self.step(Input::Command(Command::HangUp));
        let confirmed = async {
            let state = |this: &Self| this.driver.view().session.me().map(|me| me.state);
            while matches!(state(self), Some(UserState::Connecting | UserState::InCall)) {
                if let DriverEvent::Input(input) | DriverEvent::FirstUse(_, input) = self.driver.next().await {
                    self.step(input);
                }
            }
        };
        if timeout(HANG_UP_TIMEOUT, confirmed).await.is_err() {
            tracing::info!("server did not confirm the hang-up in time; the app exits");
        }
    }

    async fn stop(mut self) {
        self.hang_up().await;
        // Closes the own link first: the embedded server waits for its clients.
        drop(self.driver);
        self.embedded.stop().await;
        self.sessions.stop().await;
    }
}

/// Seed of the client's random reconnection delays. A constant does when the system has no random numbers.
fn seed() -> u64 {
    getrandom::u64().unwrap_or(0)
}
