//! Test helpers: start the app without its window, and wait for messages to its page.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use hutong_app::{
    address::ServerAddress,
    controller::{self, ControllerConfig, ControllerHandle, DefaultPort},
    driver::{ClientDriver, DriverEvent},
    route::Resolver,
    server_link::ServerTarget,
    tls::{KeyTrust, TrustRoots},
};
use hutong_core::{
    Command, Input, SessionView, ViewUpdate,
    host_messages::{AppCommand, AppProblem, AppView, HostToPage, PageToHost},
};
use tokio::{sync::mpsc, time::timeout};

/// Timeout of every wait; far longer than any step takes.
pub const TEST_TIMEOUT: Duration = Duration::from_secs(20);

pub const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

pub const ANY_PORT: SocketAddr = SocketAddr::new(LOOPBACK, 0);

/// A resolver that knows this name only.
pub fn resolver(name: &str, addresses: &[IpAddr]) -> Resolver {
    Resolver::Fixed(Arc::new([(name.to_owned(), addresses.to_vec())].into()))
}

/// Starts the app with its embedded server on this port.
pub fn start(directory: &Path, port: u16, resolver: Resolver) -> ControllerHandle {
    let default_port = DefaultPort::Standard;
    let directory = directory.to_owned();
    let (autostart, link_handler) = (None, None);
    let config = ControllerConfig { directory, port: Some(port), default_port, resolver, autostart, link_handler };
    let (control, running) = controller::start(config);
    tokio::spawn(running);
    control
}

/// Starts the app with an attached page. Returns the messages to the page.
pub async fn run(directory: &Path, resolver: Resolver) -> (ControllerHandle, mpsc::UnboundedReceiver<HostToPage>) {
    let control = start(directory, 0, resolver);
    let (sender, messages) = mpsc::unbounded_channel();
    control.attach(Box::new(move |message| sender.send(message).is_ok())).await;
    (control, messages)
}

/// Waits for a message for which `select` returns a value.
pub async fn until<T>(
    messages: &mut mpsc::UnboundedReceiver<HostToPage>,
    what: &str,
    select: impl Fn(&HostToPage) -> Option<T>,
) -> T {
    let selected = timeout(TEST_TIMEOUT, async {
        while let Some(message) = messages.recv().await {
            if let Some(selected) = select(&message) {
                return Some(selected);
            }
        }
        None
    });
    selected.await.ok().flatten().unwrap_or_else(|| panic!("timeout waiting for: {what}"))
}

/// Matches the app's state with this problem, or without one.
pub fn app_with_problem(problem: Option<AppProblem>) -> impl Fn(&HostToPage) -> Option<AppView> {
    move |message| match message {
        HostToPage::App(app) if app.problem == problem => Some(app.clone()),
        _ => None,
    }
}

/// Matches a session that is logged in.
pub fn logged_in(message: &HostToPage) -> Option<()> {
    matches!(message, HostToPage::Show(ViewUpdate::Session(SessionView::LoggedIn { .. }))).then_some(())
}

pub async fn use_server(control: &ControllerHandle, address: &str) {
    control.page_message(PageToHost::App(AppCommand::UseServer { address: address.into() })).await;
}

pub async fn log_in(control: &ControllerHandle, name: &str) {
    control.page_message(PageToHost::Command(Command::LogIn { name: name.into(), secret: None })).await;
}

/// The driver's events until the first link to this server is open or has failed.
pub async fn first_link_events(address: &str, trust: KeyTrust, resolver: Resolver) -> Vec<DriverEvent> {
    let mut driver = ClientDriver::new(7, Some(TrustRoots::from_platform().unwrap()), None).with_resolver(resolver);
    driver.set_target(Some(ServerTarget { address: ServerAddress::parse(address).unwrap(), trust }));
    driver.step(Input::Command(Command::LogIn { name: "Ana".into(), secret: None }));
    let mut events = Vec::new();
    loop {
        let event = timeout(TEST_TIMEOUT, driver.next()).await.unwrap();
        let is_last = matches!(event, DriverEvent::Input(Input::Socket(_)) | DriverEvent::FirstUse(..));
        events.push(event);
        if is_last {
            return events;
        }
    }
}
