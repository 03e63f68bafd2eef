//! The embedded server's access key: in the address for others, and nowhere else.

use std::path::Path;

use hutong_app::{controller::ControllerHandle, route::Resolver};
use hutong_core::{
    SessionView, ViewUpdate,
    host_messages::{AppCommand, EmbeddedServerView, HostToPage, PageToHost},
};
use hutong_protocol::RefusedCode;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::common::{log_in, logged_in, run, until, use_server};

async fn command(control: &ControllerHandle, command: AppCommand) {
    control.page_message(PageToHost::App(command)).await;
}

/// Waits for the state of the embedded server with or without an access key.
async fn embedded(messages: &mut UnboundedReceiver<HostToPage>, has_key: bool) -> EmbeddedServerView {
    until(messages, "the embedded server", |message| match message {
        HostToPage::App(app) => {
            app.embedded.clone().filter(|server| server.shared && server.requires_access_key == has_key)
        }
        _ => None,
    })
    .await
}

/// Matches this session.
fn session(wanted: impl Fn(&SessionView) -> bool) -> impl Fn(&HostToPage) -> Option<()> {
    move |message| match message {
        HostToPage::Show(ViewUpdate::Session(session)) => wanted(session).then_some(()),
        _ => None,
    }
}

/// Whether a file in this directory contains the text.
fn is_stored(directory: &Path, text: &str) -> bool {
    let files = std::fs::read_dir(directory).unwrap().filter_map(|entry| std::fs::read(entry.unwrap().path()).ok());
    files.map(|content| String::from_utf8_lossy(&content).into_owned()).any(|content| content.contains(text))
}

#[tokio::test]
async fn the_address_of_a_shared_server_lets_people_in_and_nothing_else_does() {
    let (anas_directory, bos_directory) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (ana, mut anas) = run(anas_directory.path(), Resolver::System).await;
    log_in(&ana, "Ana").await;
    until(&mut anas, "Ana is logged in", logged_in).await;
    command(&ana, AppCommand::Share { on: true }).await;
    let open = embedded(&mut anas, false).await;
    let Some(open_address) = open.addresses.first() else {
        eprintln!("skipped: this machine has only loopback addresses");
        return;
    };
    assert!(!open_address.contains("access="));
    // Her own session begins again by itself, with the key and without.
    command(&ana, AppCommand::RequireAccessKey { on: true }).await;
    let address = embedded(&mut anas, true).await.addresses.remove(0);
    until(&mut anas, "Ana is back", logged_in).await;
    let key = address.split_once("&access=").unwrap().1;
    assert_eq!(key.len(), 22);

    // By the address, Bo needs nothing but a name.
    let (bo, mut bos) = run(bos_directory.path(), Resolver::System).await;
    use_server(&bo, &address).await;
    log_in(&bo, "Bo").await;
    until(&mut bos, "Bo is logged in", logged_in).await;
    assert!(!is_stored(bos_directory.path(), key), "the access key is stored");
    let shown = until(&mut bos, "the app's state", |message| match message {
        HostToPage::App(app) => Some(serde_json::to_string(app).unwrap()),
        _ => None,
    });
    command(&bo, AppCommand::DismissCallLink).await;
    assert!(!shown.await.contains(key), "the access key is passed on");
    // The earlier address lacks it.
    use_server(&bo, open_address).await;
    let required =
        |session: &SessionView| matches!(session, SessionView::Refused { code: RefusedCode::SecretRequired, .. });
    until(&mut bos, "Bo is asked for the key", session(required)).await;

    // A new key: Bo learns that the address is out of date.
    use_server(&bo, &address).await;
    log_in(&bo, "Bo").await;
    until(&mut bos, "Bo is logged in", logged_in).await;
    command(&ana, AppCommand::RequireAccessKey { on: true }).await;
    let last = embedded(&mut anas, true).await.addresses.remove(0);
    let outdated = |session: &SessionView| matches!(session, SessionView::InvitationOutdated { .. });
    until(&mut bos, "Bo's address is out of date", session(outdated)).await;
    until(&mut anas, "Ana is back", logged_in).await;

    // After a restart the key is the same.
    assert_ne!(last, address);
    ana.stop().await;
    let (ana, mut anas) = run(anas_directory.path(), Resolver::System).await;
    let key = |address: &str| address.split_once("&access=").unwrap().1.to_owned();
    assert_eq!(key(&embedded(&mut anas, true).await.addresses.remove(0)), key(&last));
    command(&ana, AppCommand::RequireAccessKey { on: false }).await;
    assert!(!embedded(&mut anas, false).await.addresses.remove(0).contains("access="));
    assert!(!is_stored(anas_directory.path(), &key(&last)));
    bo.stop().await;
    ana.stop().await;
}
