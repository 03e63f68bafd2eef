//! The ticket key is changed while the program runs, and nobody is put out.

use std::{fs, net::SocketAddr};

use hutong_protocol::{ClientMessage, RefusedCode, Ticket};
use tokio::process::Command;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::common::{
    Client, Login,
    program::{PROGRAM, Program},
    soon,
};

fn key(digits: &str) -> String {
    digits.repeat(32)
}

async fn comes_back(address: SocketAddr, ticket: &Ticket) -> Login {
    let mut ana = Client::open(address).await;
    ana.send(&ClientMessage::Hello { name: "Ana".into(), resume: Some(ticket.clone()), secret: None }).await;
    ana.welcome().await
}

async fn is_refused(address: SocketAddr, ticket: &Ticket) {
    let mut ana = Client::open(address).await;
    ana.send(&ClientMessage::Hello { name: "Ana".into(), resume: Some(ticket.clone()), secret: None }).await;
    ana.is_refused(RefusedCode::TicketInvalid, CloseCode::Policy).await;
}

#[tokio::test]
async fn a_new_key_on_top_renews_tickets_and_a_key_taken_out_is_good_for_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("key");
    let put =
        |keys: &[&str]| fs::write(&file, keys.iter().map(|digits| key(digits) + "\n").collect::<String>()).unwrap();
    put(&["01"]);
    let program = Program::start(&["--ticket-key-file", file.to_str().unwrap()]).await;
    let address = program.address;
    let (ana, first) = Client::login(address, "Ana").await;
    drop(ana);

    put(&["02", "01"]);
    program.signal("-HUP").await;
    program.until_said("the ticket key is read again", 1).await;
    let renewed = comes_back(address, &first.ticket).await;
    assert_eq!(renewed.me.token, first.me.token);

    put(&["02"]);
    program.signal("-HUP").await;
    program.until_said("the ticket key is read again", 2).await;
    is_refused(address, &first.ticket).await;
    assert_eq!(comes_back(address, &renewed.ticket).await.me.token, first.me.token);

    fs::write(&file, "not a key").unwrap();
    program.signal("-HUP").await;
    program.until_said("the ticket key stays as it was", 1).await;
    assert_eq!(comes_back(address, &renewed.ticket).await.me.token, first.me.token);
    assert!(!program.said().contains(&key("02")) && !program.said().contains("not a key"), "{}", program.said());
}

#[tokio::test]
async fn keys_from_the_variable_are_as_good_as_those_of_a_file() {
    let start = async |keys: &[&str]| {
        let keys: Vec<_> = keys.iter().map(|digits| key(digits)).collect();
        let shell = format!("HUTONG_TICKET_KEY='{}' exec \"$0\" \"$@\"", keys.join(" "));
        Program::start_by(&shell, &["--ticket-key-file", "/nonexistent/and/passed/over"]).await
    };
    let first = start(&["01"]).await;
    let (_ana, login) = Client::login(first.address, "Ana").await;
    drop(first);
    let second = start(&["02", "01"]).await;
    let renewed = comes_back(second.address, &login.ticket).await;
    assert_eq!(renewed.me.token, login.me.token);
    drop(second);
    let third = start(&["02"]).await;
    is_refused(third.address, &login.ticket).await;
    assert_eq!(comes_back(third.address, &renewed.ticket).await.me.token, login.me.token);
}

#[tokio::test]
async fn a_key_is_shown_nowhere() {
    for (arguments, value) in [(&["--help"][..], key("0a")), (&["--listen", "127.0.0.1:0"], "0b".repeat(31))] {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).env_clear().env("HUTONG_TICKET_KEY", &value);
        let output = soon("the end", command.output()).await.unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(!said.contains(&value) && !said.is_empty(), "{said}");
    }
}
