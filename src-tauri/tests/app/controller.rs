//! Tests of the controller with driver and link: login, change of server, detached and reloaded pages, a port in use.

use std::{net::TcpListener, path::Path};

use hutong_app::{
    address::ServerAddress,
    controller::ControllerHandle,
    driver::{ClientDriver, ClientOutput, DriverEvent},
    route::Resolver,
    server_link::ServerTarget,
    settings::{SavedServer, Settings, SettingsFile},
    tls::KeyTrust,
};
use hutong_core::{
    CallPhase, Command, Input, MediaCommand, MediaEvent, SessionView, View, ViewUpdate,
    host_messages::{AppCommand, AppProblem, AppView, HostToPage, PageToHost, ServerChoice},
};
use hutong_protocol::MediaKind;
use hutong_server::{Options, Server};
use tokio::{sync::mpsc, time::timeout};

use crate::common::{ANY_PORT, TEST_TIMEOUT, log_in, start, use_server};

/// A page that applies the messages it receives.
struct AttachedPage {
    messages: mpsc::UnboundedReceiver<HostToPage>,
    view: View,
    app: Option<AppView>,
}

impl AttachedPage {
    async fn attach(control: &ControllerHandle) -> Self {
        let (sender, messages) = mpsc::unbounded_channel();
        control.attach(Box::new(move |message| sender.send(message).is_ok())).await;
        let mut page = Self { messages, view: View::default(), app: None };
        assert!(matches!(page.receive().await, HostToPage::Snapshot(_)), "the snapshot comes first");
        assert!(matches!(page.receive().await, HostToPage::App(_)), "the app's own state comes second");
        page
    }

    async fn receive(&mut self) -> HostToPage {
        let message =
            timeout(TEST_TIMEOUT, self.messages.recv()).await.expect("timeout").expect("the controller has stopped");
        match message.clone() {
            HostToPage::Snapshot(view) => self.view = view,
            HostToPage::Show(update) => self.view.apply(update),
            HostToPage::App(app) => self.app = Some(app),
            HostToPage::Media(_) | HostToPage::Record(_) => {}
        }
        message
    }

    async fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        while !done(self) {
            assert!(!self.messages.is_closed(), "{what}");
            self.receive().await;
        }
    }

    fn is_logged_in(&self) -> bool {
        matches!(self.view.session, SessionView::LoggedIn { .. })
    }

    fn sees(&self, name: &str) -> bool {
        self.view.users.values().any(|user| user.name.as_str() == name)
    }

    fn in_phase(&self, phase: &CallPhase) -> bool {
        self.view.call.as_ref().is_some_and(|call| call.phase == *phase)
    }

    fn app(&self) -> &AppView {
        self.app.as_ref().unwrap()
    }
}

fn run(directory: &Path, port: u16) -> ControllerHandle {
    start(directory, port, Resolver::System)
}

#[tokio::test]
async fn two_apps_connect_to_the_embedded_server_of_one() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (ana, bo) = (run(one.path(), 0), run(other.path(), 0));
    let (mut anas, mut bos) = (AttachedPage::attach(&ana).await, AttachedPage::attach(&bo).await);

    let port = anas.app().embedded.as_ref().unwrap().port;
    assert_eq!(anas.app().server, ServerChoice::Embedded);
    log_in(&ana, "Ana").await;
    anas.until("Ana is logged in", AttachedPage::is_logged_in).await;

    // Bo is logged in on his own server first; changing the server logs him in on Ana's.
    log_in(&bo, "小明").await;
    bos.until("Bo is logged in", AttachedPage::is_logged_in).await;
    use_server(&bo, &format!("localhost:{port}")).await;
    bos.until("Bo sees Ana", |page| page.sees("Ana")).await;
    anas.until("Ana sees Bo", |page| page.sees("小明")).await;
    let address = format!("http://localhost:{port}");
    assert_eq!(bos.app().server, ServerChoice::Other { address: address.clone() });
    assert_eq!(SettingsFile::in_directory(other.path()).read().into_settings().server, SavedServer::Other { address });

    bo.stop().await;
    anas.until("Bo is gone", |page| !page.sees("小明")).await;
    ana.stop().await;
}

#[tokio::test]
async fn a_reloaded_page_continues_its_session() {
    let directory = tempfile::tempdir().unwrap();
    let control = run(directory.path(), 0);
    let mut page = AttachedPage::attach(&control).await;
    log_in(&control, "Ana").await;
    page.until("Ana is logged in", AttachedPage::is_logged_in).await;

    let again = AttachedPage::attach(&control).await;
    assert!(again.is_logged_in());
    assert_eq!(again.view.session, page.view.session);
    control.stop().await;
}

/// Otherwise the peer would see frozen video until another page attaches.
#[tokio::test]
async fn detaching_the_page_ends_its_call_before_another_attaches() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (ana, bo) = (run(one.path(), 0), run(other.path(), 0));
    let (mut anas, mut bos) = (AttachedPage::attach(&ana).await, AttachedPage::attach(&bo).await);
    log_in(&ana, "Ana").await;
    let port = anas.app().embedded.as_ref().unwrap().port;
    use_server(&bo, &format!("localhost:{port}")).await;
    log_in(&bo, "Bo").await;
    anas.until("Ana sees Bo", |page| page.sees("Bo")).await;
    let to = *anas.view.users.iter().find(|(_, user)| user.name.as_str() == "Bo").unwrap().0;
    ana.page_message(PageToHost::Command(Command::Call { to, media: MediaKind::Video })).await;
    let peer = loop {
        if let HostToPage::Media(MediaCommand::Acquire { peer, .. }) = anas.receive().await {
            break peer;
        }
    };
    ana.page_message(PageToHost::Media(MediaEvent::Acquired { peer })).await;
    bos.until("Bo's app rings", |page| page.view.call.is_some()).await;
    anas.until("Ana's call is ringing", |page| page.in_phase(&CallPhase::Ringing)).await;

    ana.detach();
    bos.until("the call is over", |page| page.view.call.is_none()).await;
    // A command of the detached page may arrive late; its call would have no media engine.
    ana.page_message(PageToHost::Command(Command::Call { to, media: MediaKind::Video })).await;
    let again = AttachedPage::attach(&ana).await;
    assert!(again.is_logged_in());
    assert_eq!(again.view.call, None);
    bo.stop().await;
    ana.stop().await;
}

#[tokio::test]
async fn a_port_in_use_is_reported_and_another_is_used() {
    let taken = TcpListener::bind(ANY_PORT).unwrap();
    let wanted = taken.local_addr().unwrap().port();
    let directory = tempfile::tempdir().unwrap();
    let control = run(directory.path(), wanted);
    let mut page = AttachedPage::attach(&control).await;
    let embedded = page.app().embedded.clone().unwrap();
    assert_eq!(embedded.wanted_port_taken, Some(wanted));
    assert_ne!(embedded.port, wanted);
    assert!(!embedded.shared && embedded.addresses.is_empty());
    log_in(&control, "Ana").await;
    page.until("Ana is logged in", AttachedPage::is_logged_in).await;
    control.stop().await;
}

#[tokio::test]
async fn an_invalid_address_is_reported_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let control = run(directory.path(), 0);
    let mut page = AttachedPage::attach(&control).await;
    for (address, problem) in
        [("http://calls.example", AppProblem::AddressNotSecure), ("not an address", AppProblem::AddressInvalid)]
    {
        use_server(&control, address).await;
        page.until(address, |page| page.app().problem == Some(problem)).await;
        assert_eq!(page.app().server, ServerChoice::Embedded);
    }
    assert_eq!(SettingsFile::in_directory(directory.path()).read().into_settings(), Settings::default());
    control.page_message(PageToHost::App(AppCommand::UseEmbedded)).await;
    page.until("the next command clears it", |page| page.app().problem.is_none()).await;
    control.stop().await;
}

#[tokio::test]
async fn the_client_reconnects_when_the_server_restarts() {
    let server = Server::bind(Options::listen_on(ANY_PORT)).await.unwrap();
    let address = server.local_addr();
    let mut driver = ClientDriver::new(7, None, None);
    driver
        .set_target(Some(ServerTarget { address: ServerAddress::embedded(address.port()), trust: KeyTrust::Unknown }));
    driver.step(Input::Command(Command::LogIn { name: "Ana".into(), secret: None }));
    until(&mut driver, |session| matches!(session, SessionView::LoggedIn { .. })).await;
    server.shutdown().await;
    until(&mut driver, |session| matches!(session, SessionView::Reconnecting { .. })).await;
    let server = Server::bind(Options::listen_on(address)).await.unwrap();
    until(&mut driver, |session| matches!(session, SessionView::LoggedIn { .. })).await;
    server.shutdown().await;
}

async fn until(driver: &mut ClientDriver, done: impl Fn(&SessionView) -> bool) {
    timeout(TEST_TIMEOUT, async {
        while !done(&driver.view().session) {
            let event = driver.next().await;
            let (DriverEvent::Input(input) | DriverEvent::FirstUse(_, input)) = event else { panic!("{event:?}") };
            for output in driver.step(input) {
                if let ClientOutput::Show(ViewUpdate::Session(session)) = output {
                    assert_eq!(session, driver.view().session);
                }
            }
        }
    })
    .await
    .unwrap_or_else(|_| panic!("{:?}", driver.view()));
}
