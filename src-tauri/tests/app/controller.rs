//! The controller with its driver and link: logging in, another server, a page that is gone or reloaded, a taken port.

use std::{net::TcpListener, path::Path};

use hutong_app::{
    address::Address,
    controller::Control,
    driver::{Driver, Event, Tell},
    link::Target,
    network::Names,
    settings::{Choice, File, Settings},
    tls::Trust,
};
use hutong_core::{
    CallPhase, Command, Input, MediaCommand, MediaEvent, Session, Update, View,
    app::{AppCommand, AppProblem, AppView, FromUi, ServerChoice, ToUi},
};
use hutong_protocol::MediaKind;
use hutong_server::{Options, Server};
use tokio::{sync::mpsc, time::timeout};

use crate::common::{ANY_PORT, PATIENCE, log_in, start, use_server};

/// An interface that keeps what it is told, as the page does.
struct Page {
    heard: mpsc::UnboundedReceiver<ToUi>,
    view: View,
    app: Option<AppView>,
}

impl Page {
    async fn attach(control: &Control) -> Self {
        let (tell, heard) = mpsc::unbounded_channel();
        control.attach(Box::new(move |what| tell.send(what).is_ok())).await;
        let mut page = Self { heard, view: View::default(), app: None };
        assert!(matches!(page.hear().await, ToUi::Snapshot(_)), "the snapshot comes first");
        assert!(matches!(page.hear().await, ToUi::App(_)), "the app's own state comes second");
        page
    }

    async fn hear(&mut self) -> ToUi {
        let what = timeout(PATIENCE, self.heard.recv()).await.expect("silence").expect("the controller is gone");
        match what.clone() {
            ToUi::Snapshot(view) => self.view = view,
            ToUi::Show(update) => self.view.apply(update),
            ToUi::App(app) => self.app = Some(app),
            ToUi::Media(_) => {}
        }
        what
    }

    async fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        while !done(self) {
            assert!(!self.heard.is_closed(), "{what}");
            self.hear().await;
        }
    }

    fn is_logged_in(&self) -> bool {
        matches!(self.view.session, Session::LoggedIn { .. })
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

fn run(directory: &Path, port: u16) -> Control {
    start(directory, port, Names::System)
}

#[tokio::test]
async fn two_apps_meet_on_the_server_of_one_of_them() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (ana, bo) = (run(one.path(), 0), run(other.path(), 0));
    let (mut anas, mut bos) = (Page::attach(&ana).await, Page::attach(&bo).await);

    let port = anas.app().embedded.as_ref().unwrap().port;
    assert_eq!(anas.app().server, ServerChoice::Embedded);
    log_in(&ana, "Ana").await;
    anas.until("Ana is in", Page::is_logged_in).await;

    // Bo is on the own server first, and is taken along to Ana's.
    log_in(&bo, "小明").await;
    bos.until("Bo is in", Page::is_logged_in).await;
    use_server(&bo, &format!("localhost:{port}")).await;
    bos.until("Bo sees Ana", |page| page.sees("Ana")).await;
    anas.until("Ana sees Bo", |page| page.sees("小明")).await;
    let address = format!("http://localhost:{port}");
    assert_eq!(bos.app().server, ServerChoice::Other { address: address.clone() });
    assert_eq!(File::within(other.path()).read().server, Choice::Other { address });

    bo.stop().await;
    anas.until("Bo is gone", |page| !page.sees("小明")).await;
    ana.stop().await;
}

#[tokio::test]
async fn a_reloaded_page_finds_its_session_again() {
    let directory = tempfile::tempdir().unwrap();
    let control = run(directory.path(), 0);
    let mut page = Page::attach(&control).await;
    log_in(&control, "Ana").await;
    page.until("Ana is in", Page::is_logged_in).await;

    let again = Page::attach(&control).await;
    assert!(again.is_logged_in());
    assert_eq!(again.view.session, page.view.session);
    control.stop().await;
}

/// The other side would otherwise see a picture that stands, for as long as a new page takes, or for ever.
#[tokio::test]
async fn whose_page_is_gone_is_out_of_the_call_before_there_is_another() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (ana, bo) = (run(one.path(), 0), run(other.path(), 0));
    let (mut anas, mut bos) = (Page::attach(&ana).await, Page::attach(&bo).await);
    log_in(&ana, "Ana").await;
    let port = anas.app().embedded.as_ref().unwrap().port;
    use_server(&bo, &format!("localhost:{port}")).await;
    log_in(&bo, "Bo").await;
    anas.until("Ana sees Bo", |page| page.sees("Bo")).await;
    let to = *anas.view.users.iter().find(|(_, user)| user.name.as_str() == "Bo").unwrap().0;
    ana.hear(FromUi::Command(Command::Call { to, media: MediaKind::Video })).await;
    let peer = loop {
        if let ToUi::Media(MediaCommand::Acquire { peer, .. }) = anas.hear().await {
            break peer;
        }
    };
    ana.hear(FromUi::Media(MediaEvent::Acquired { peer })).await;
    bos.until("it rings at Bo's", |page| page.view.call.is_some()).await;
    anas.until("Ana hears that it does", |page| page.in_phase(&CallPhase::Ringing)).await;

    ana.detach();
    bos.until("the call is over", |page| page.view.call.is_none()).await;
    // What the page said last may be heard after its end, and nobody can do what is asked of the media then.
    ana.hear(FromUi::Command(Command::Call { to, media: MediaKind::Video })).await;
    let again = Page::attach(&ana).await;
    assert!(again.is_logged_in());
    assert_eq!(again.view.call, None);
    bo.stop().await;
    ana.stop().await;
}

#[tokio::test]
async fn a_taken_port_is_told_and_another_one_is_used() {
    let taken = TcpListener::bind(ANY_PORT).unwrap();
    let wanted = taken.local_addr().unwrap().port();
    let directory = tempfile::tempdir().unwrap();
    let control = run(directory.path(), wanted);
    let mut page = Page::attach(&control).await;
    let embedded = page.app().embedded.clone().unwrap();
    assert_eq!(embedded.wanted_port_taken, Some(wanted));
    assert_ne!(embedded.port, wanted);
    assert!(!embedded.shared && embedded.addresses.is_empty());
    log_in(&control, "Ana").await;
    page.until("Ana is in all the same", Page::is_logged_in).await;
    control.stop().await;
}

#[tokio::test]
async fn a_bad_address_is_told_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let control = run(directory.path(), 0);
    let mut page = Page::attach(&control).await;
    for (address, problem) in
        [("http://calls.example", AppProblem::AddressNotSecure), ("not an address", AppProblem::AddressInvalid)]
    {
        use_server(&control, address).await;
        page.until(address, |page| page.app().problem == Some(problem)).await;
        assert_eq!(page.app().server, ServerChoice::Embedded);
    }
    assert_eq!(File::within(directory.path()).read(), Settings::default());
    control.hear(FromUi::App(AppCommand::UseEmbedded)).await;
    page.until("the next command clears it", |page| page.app().problem.is_none()).await;
    control.stop().await;
}

#[tokio::test]
async fn the_client_comes_back_when_the_server_does() {
    let server = Server::bind(Options::listen_on(ANY_PORT)).await.unwrap();
    let address = server.local_addr();
    let mut driver = Driver::new(7, None);
    driver.aim(Some(Target { address: Address::embedded(address.port()), trust: Trust::Unknown }));
    driver.step(Input::Command(Command::LogIn { name: "Ana".into(), secret: None }));
    until(&mut driver, |session| matches!(session, Session::LoggedIn { .. })).await;
    server.shutdown().await;
    until(&mut driver, |session| matches!(session, Session::Reconnecting { .. })).await;
    let server = Server::bind(Options::listen_on(address)).await.unwrap();
    until(&mut driver, |session| matches!(session, Session::LoggedIn { .. })).await;
    server.shutdown().await;
}

async fn until(driver: &mut Driver, done: impl Fn(&Session) -> bool) {
    timeout(PATIENCE, async {
        while !done(&driver.view().session) {
            let event = driver.next().await;
            let (Event::Input(input) | Event::FirstMet(_, input)) = event else { panic!("{event:?}") };
            for told in driver.step(input) {
                if let Tell::Show(Update::Session(session)) = told {
                    assert_eq!(session, driver.view().session);
                }
            }
        }
    })
    .await
    .unwrap_or_else(|_| panic!("{:?}", driver.view()));
}
