//! Keys that sign session tickets: replaced while the server runs (SIGHUP) or by a restart, and never printed.

use std::{fs, net::SocketAddr};

use hutong_protocol::{ClientMessage, RefusedCode, SessionTicket};
use tokio::process::Command;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::common::{
    LoginReply, TestClient,
    program::{SERVER_BINARY, ServerProgram},
    with_timeout,
};

/// A key of 64 hexadecimal digits.
fn key(digits: &str) -> String {
    digits.repeat(32)
}

async fn resume(address: SocketAddr, ticket: &SessionTicket) -> LoginReply {
    let mut ana = TestClient::open(address).await;
    ana.send(&ClientMessage::Hello { name: "Ana".into(), resume: Some(ticket.clone()), secret: None, replace: false })
        .await;
    ana.expect_welcome().await
}

async fn assert_ticket_refused(address: SocketAddr, ticket: &SessionTicket) {
    let mut ana = TestClient::open(address).await;
    ana.send(&ClientMessage::Hello { name: "Ana".into(), resume: Some(ticket.clone()), secret: None, replace: false })
        .await;
    ana.expect_refused(RefusedCode::TicketInvalid, CloseCode::Policy).await;
}

#[tokio::test]
async fn a_new_first_key_renews_tickets_and_a_removed_key_invalidates_them() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("key");
    let write_keys =
        |keys: &[&str]| fs::write(&file, keys.iter().map(|digits| key(digits) + "\n").collect::<String>()).unwrap();
    write_keys(&["01"]);
    let program = ServerProgram::start(&["--ticket-key-file", file.to_str().unwrap()]).await;
    let address = program.address;
    let (ana, first) = TestClient::login(address, "Ana").await;
    drop(ana);

    write_keys(&["02", "01"]);
    program.signal("-HUP").await;
    program.wait_for_log("ticket key reloaded", 1).await;
    let renewed = resume(address, &first.ticket).await;
    assert_eq!(renewed.me.token, first.me.token);

    write_keys(&["02"]);
    program.signal("-HUP").await;
    program.wait_for_log("ticket key reloaded", 2).await;
    assert_ticket_refused(address, &first.ticket).await;
    assert_eq!(resume(address, &renewed.ticket).await.me.token, first.me.token);

    fs::write(&file, "not a key").unwrap();
    program.signal("-HUP").await;
    program.wait_for_log("ticket key reload failed; the previous key stays in use", 1).await;
    assert_eq!(resume(address, &renewed.ticket).await.me.token, first.me.token);
    assert!(!program.log().contains(&key("02")) && !program.log().contains("not a key"), "{}", program.log());
}

#[tokio::test]
async fn keys_in_the_variable_work_like_keys_in_a_file() {
    let start = async |keys: &[&str]| {
        let keys: Vec<_> = keys.iter().map(|digits| key(digits)).collect();
        let shell = format!("HUTONG_TICKET_KEY='{}' exec \"$0\" \"$@\"", keys.join(" "));
        ServerProgram::start_with_shell(&shell, &["--ticket-key-file", "/nonexistent/ignored"]).await
    };
    let first = start(&["01"]).await;
    let (_ana, login) = TestClient::login(first.address, "Ana").await;
    drop(first);
    let second = start(&["02", "01"]).await;
    let renewed = resume(second.address, &login.ticket).await;
    assert_eq!(renewed.me.token, login.me.token);
    drop(second);
    let third = start(&["02"]).await;
    assert_ticket_refused(third.address, &login.ticket).await;
    assert_eq!(resume(third.address, &renewed.ticket).await.me.token, login.me.token);
}

#[tokio::test]
async fn help_and_errors_do_not_show_the_key() {
    for (arguments, value) in [(&["--help"][..], key("0a")), (&["--listen", "127.0.0.1:0"], "0b".repeat(31))] {
        let mut command = Command::new(SERVER_BINARY);
        command.args(arguments).env_clear().env("HUTONG_TICKET_KEY", &value);
        let output = with_timeout("exit", command.output()).await.unwrap();
        let output = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(!output.contains(&value) && !output.is_empty(), "{output}");
    }
}
