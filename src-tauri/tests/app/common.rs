//! Starts the app without its window, and waits for what its page is sent.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use hutong_app::{
    address::Address,
    controller::{self, Control, DefaultPort, Start},
    driver::{Driver, Event},
    link::Target,
    network::Names,
    tls::{Roots, Trust},
};
use hutong_core::{
    Command, Input, Session, Update,
    app::{AppCommand, AppProblem, AppView, FromUi, ToUi},
};
use tokio::{sync::mpsc, time::timeout};

/// Far longer than anything here takes; a test that waits this long has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

pub const ANY_PORT: SocketAddr = SocketAddr::new(LOOPBACK, 0);

/// This name and no other.
pub fn names(name: &str, addresses: &[IpAddr]) -> Names {
    Names::Only(Arc::new([(name.to_owned(), addresses.to_vec())].into()))
}

/// Starts the app, its embedded server on this port.
pub fn start(directory: &Path, port: u16, names: Names) -> Control {
    let default_port = DefaultPort::Usual;
    let directory = directory.to_owned();
    let (control, running) =
        controller::start(Start { directory, port: Some(port), default_port, names, autostart: None });
    tokio::spawn(running);
    control
}

/// The app, and what its page is sent.
pub async fn run(directory: &Path, names: Names) -> (Control, mpsc::UnboundedReceiver<ToUi>) {
    let control = start(directory, 0, names);
    let (tell, heard) = mpsc::unbounded_channel();
    control.attach(Box::new(move |what| tell.send(what).is_ok())).await;
    (control, heard)
}

/// Waits until the page hears this.
pub async fn until<T>(heard: &mut mpsc::UnboundedReceiver<ToUi>, what: &str, found: impl Fn(&ToUi) -> Option<T>) -> T {
    let found = timeout(PATIENCE, async {
        while let Some(told) = heard.recv().await {
            if let Some(found) = found(&told) {
                return Some(found);
            }
        }
        None
    });
    found.await.ok().flatten().unwrap_or_else(|| panic!("waited in vain for {what}"))
}

/// The app's own state, once it tells of this problem, or of none.
pub fn tells_of(problem: Option<AppProblem>) -> impl Fn(&ToUi) -> Option<AppView> {
    move |told| match told {
        ToUi::App(app) if app.problem == problem => Some(app.clone()),
        _ => None,
    }
}

/// That somebody is logged in.
pub fn logged_in(told: &ToUi) -> Option<()> {
    matches!(told, ToUi::Show(Update::Session(Session::LoggedIn { .. }))).then_some(())
}

pub async fn use_server(control: &Control, address: &str) {
    control.hear(FromUi::App(AppCommand::UseServer { address: address.into() })).await;
}

pub async fn log_in(control: &Control, name: &str) {
    control.hear(FromUi::Command(Command::LogIn { name: name.into(), secret: None })).await;
}

/// What the first link to this server ends in.
pub async fn first(address: &str, trust: Trust, names: Names) -> Vec<Event> {
    let mut driver = Driver::new(7, Some(Roots::of_this_computer().unwrap())).with_names(names);
    driver.aim(Some(Target { address: Address::parse(address).unwrap(), trust }));
    driver.step(Input::Command(Command::LogIn { name: "Ana".into(), secret: None }));
    let mut events = Vec::new();
    loop {
        let event = timeout(PATIENCE, driver.next()).await.unwrap();
        let is_last = matches!(event, Event::Input(Input::Link(_)) | Event::FirstMet(..));
        events.push(event);
        if is_last {
            return events;
        }
    }
}
