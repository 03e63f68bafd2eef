//! The program: its command line, its signals, and what it does when the system runs out of something.

use std::time::{Duration, Instant};

use hutong_protocol::RefusedCode;
use tokio::{net::TcpStream, process::Command};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::common::{
    Client, http,
    program::{PROGRAM, Program},
    soon,
};

#[tokio::test]
async fn signals_end_it_and_clients_are_told() {
    for name in ["-INT", "-TERM"] {
        let program = Program::start(&[]).await;
        let (mut ana, _) = Client::login(program.address, "Ana").await;
        program.signal(name).await;
        ana.is_refused(RefusedCode::ShuttingDown, CloseCode::Away).await;
        drop(ana);
        assert!(program.ended().await.0.success(), "{name}");
    }
}

#[tokio::test]
async fn a_second_signal_ends_a_drain_at_once() {
    let program = Program::start(&["--drain-seconds", "10"]).await;
    let mut clients = Vec::new();
    for number in 0..20 {
        clients.push(Client::login(program.address, &format!("person {number}")).await.0);
    }
    let start = Instant::now();
    program.signal("-TERM").await;
    program.until_said("telling clients over 10s", 1).await;
    assert_eq!(http(program.address, "GET /readyz", &[]).await.status, 503);
    program.signal("-TERM").await;
    for client in &mut clients {
        client.is_refused(RefusedCode::ShuttingDown, CloseCode::Away).await;
    }
    drop(clients);
    assert!(program.ended().await.0.success());
    assert!(start.elapsed() < Duration::from_millis(9_500), "the last would have been told then");
}

#[tokio::test]
async fn names_and_tickets_stay_out_of_the_log() {
    let program = Program::start(&["--log", "trace"]).await;
    let (mut ana, login) = Client::login(program.address, "Secretive Ana").await;
    let (mut bo, bo_login) = Client::login(program.address, "Bo").await;
    crate::common::call_and_hang_up(&mut ana, &mut bo, bo_login.me.token).await;
    program.signal("-TERM").await;
    ana.is_refused(RefusedCode::ShuttingDown, CloseCode::Away).await;
    drop((ana, bo));
    let (_, log) = program.ended().await;
    assert!(!log.contains("Secretive") && !log.contains("v=0") && !log.contains(login.ticket.as_str()), "{log}");
}

#[tokio::test]
async fn running_out_of_files_stops_nothing() {
    let program = Program::start_by("ulimit -n 40; exec \"$0\"", &[]).await;
    let (mut ana, _) = Client::login(program.address, "Ana").await;
    let mut greedy = Vec::new();
    for _ in 0..60 {
        greedy.push(TcpStream::connect(program.address).await.unwrap());
    }
    // Whoever is there already goes on.
    ana.send_text("{}").await;
    ana.error().await;
    drop(greedy);
    assert_eq!(http(program.address, "GET /healthz", &[]).await.text(), "ok");
    Client::login(program.address, "Bo").await;
}

#[tokio::test]
async fn what_is_wrong_with_the_command_line_is_said() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (arguments, sentence) in [
        (&["--listen", &*address][..], "is taken by another program"),
        (&["--listen", "nowhere"], "invalid socket address"),
        (&["--ice-server", "turn:example.org"], "URL,USER,CREDENTIAL"),
        (&["--tls-cert", "x"], "--tls-key"),
        (&["--acme", "calls.example"], "--acme-cache"),
        (&["--acme", "calls.example", "--acme-cache", "/nonexistent", "--self-signed", "x"], "cannot be used with"),
        (&["--acme", "192.0.2.1", "--acme-cache", "/nonexistent"], "no public host name"),
        (&["--tls-cert", "/nonexistent", "--tls-key", "/nonexistent"], "/nonexistent: No such file"),
        (&["--ticket-key-file", "/"], "the ticket key: "),
    ] {
        let output = soon("the end", Command::new(PROGRAM).args(arguments).env_clear().output()).await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(sentence), "{arguments:?}: {said}");
    }
}
