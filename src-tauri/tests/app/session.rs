//! Tests of the app's session over a restart of the app.

use hutong_app::{controller::ControllerHandle, route::Resolver, session_file::SessionFile};
use hutong_core::{
    Command, SessionView,
    host_messages::{AppCommand, HostToPage, PageToHost},
};
use hutong_server::{Options, Server};
use tokio::sync::mpsc;

use crate::common::{ANY_PORT, log_in, logged_in, run, until, use_server};

/// Matches the session of a page that has just attached, or a later one, if it is logged in.
fn has_session(message: &HostToPage) -> Option<()> {
    match message {
        HostToPage::Snapshot(view) => matches!(view.session, SessionView::LoggedIn { .. }).then_some(()),
        other => logged_in(other),
    }
}

/// Matches the session of a page that has just attached, if nobody is logged in or logging in.
fn has_none(message: &HostToPage) -> Option<()> {
    matches!(message, HostToPage::Snapshot(view) if view.session == SessionView::LoggedOut).then_some(())
}

async fn command(control: &ControllerHandle, command: Command) {
    control.page_message(PageToHost::Command(command)).await;
}

/// Starts the app in this directory, and waits until it is or is not logged in by itself.
async fn restart(
    directory: &std::path::Path,
    session: fn(&HostToPage) -> Option<()>,
) -> (ControllerHandle, mpsc::UnboundedReceiver<HostToPage>) {
    let (control, mut messages) = run(directory, Resolver::System).await;
    until(&mut messages, "the session after a start", session).await;
    (control, messages)
}

#[tokio::test]
async fn a_restarted_app_is_logged_in_on_its_own_server_until_the_person_logs_out() {
    let directory = tempfile::tempdir().unwrap();
    let (control, mut messages) = restart(directory.path(), has_none).await;
    log_in(&control, "Ana").await;
    until(&mut messages, "the login", logged_in).await;
    control.stop().await;

    let (control, _messages) = restart(directory.path(), has_session).await;
    command(&control, Command::LogOut).await;
    control.stop().await;
    assert!(!SessionFile::in_directory(directory.path()).exists());
    let (control, _messages) = restart(directory.path(), has_none).await;
    control.stop().await;
}

#[tokio::test]
async fn a_ticket_goes_to_the_server_that_it_is_from_only() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::bind(Options::listen_on(ANY_PORT)).await.unwrap();
    let (control, mut messages) = restart(directory.path(), has_none).await;
    use_server(&control, &format!("http://{}", server.local_addr())).await;
    log_in(&control, "Ana").await;
    until(&mut messages, "the login", logged_in).await;
    control.stop().await;
    let (control, mut messages) = restart(directory.path(), has_session).await;

    // Changing the server logs in there with a new session.
    control.page_message(PageToHost::App(AppCommand::UseEmbedded)).await;
    until(&mut messages, "the login on the other server", logged_in).await;
    control.stop().await;
    std::fs::remove_file(directory.path().join("settings.json")).unwrap();
    let (control, _messages) = restart(directory.path(), has_session).await;
    control.stop().await;

    let settings = format!(r#"{{"server":{{"is":"other","address":"http://{}"}}}}"#, server.local_addr());
    std::fs::write(directory.path().join("settings.json"), settings).unwrap();
    let (control, _messages) = restart(directory.path(), has_none).await;
    control.stop().await;
}
