//! The program: its command line, its signals, and what it does when the system runs out of something.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may fail the test")]
#![cfg(unix)]

mod common;

use std::{net::SocketAddr, process::Stdio};

use hutong_protocol::RefusedCode;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    net::TcpStream,
    process::{Child, ChildStderr, Command},
};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use common::{Client, http, soon};

const PROGRAM: &str = env!("CARGO_BIN_EXE_hutong-server");

struct Program {
    child: Child,
    lines: Lines<BufReader<ChildStderr>>,
    address: SocketAddr,
}

/// Runs a shell command that becomes the program, and reads where it listens.
async fn start(command: &str) -> Program {
    let mut shell = Command::new("sh");
    shell.args(["-c", command, PROGRAM]).env_clear().env("HUTONG_LISTEN", "127.0.0.1:0");
    shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = shell.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let address = loop {
        let line = soon("the address", lines.next_line()).await.unwrap().expect("the program runs");
        if let Some((_, url)) = line.split_once("listening on http://") {
            break url.trim_end_matches('/').parse().unwrap();
        }
    };
    Program { child, lines, address }
}

async fn signal(program: &Program, name: &str) {
    let id = program.child.id().unwrap().to_string();
    assert!(Command::new("kill").args([name, &id]).status().await.unwrap().success());
}

#[tokio::test]
async fn signals_end_it_and_clients_are_told() {
    for name in ["-INT", "-TERM"] {
        let mut program = start("exec \"$0\"").await;
        let (mut ana, _) = Client::login(program.address, "Ana").await;
        signal(&program, name).await;
        ana.is_refused(RefusedCode::ShuttingDown, CloseCode::Away).await;
        drop(ana);
        assert!(soon("the end", program.child.wait()).await.unwrap().success(), "{name}");
    }
}

#[tokio::test]
async fn names_and_tickets_stay_out_of_the_log() {
    let mut program = start("exec \"$0\" --log trace").await;
    let (mut ana, login) = Client::login(program.address, "Secretive Ana").await;
    let (mut bo, bo_login) = Client::login(program.address, "Bo").await;
    common::call_and_hang_up(&mut ana, &mut bo, bo_login.me.token).await;
    signal(&program, "-TERM").await;
    ana.is_refused(RefusedCode::ShuttingDown, CloseCode::Away).await;
    drop((ana, bo));
    let mut log = String::new();
    while let Some(line) = soon("the log", program.lines.next_line()).await.unwrap() {
        log.push_str(&line);
    }
    assert!(!log.contains("Secretive") && !log.contains("v=0") && !log.contains(login.ticket.as_str()), "{log}");
}

#[tokio::test]
async fn running_out_of_files_stops_nothing() {
    let program = start("ulimit -n 40; exec \"$0\"").await;
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
        (&["--tls-cert", "/nonexistent", "--tls-key", "/nonexistent"], "/nonexistent: No such file"),
        (&["--ticket-key-file", "/"], "the ticket key: "),
    ] {
        let output = soon("the end", Command::new(PROGRAM).args(arguments).env_clear().output()).await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(sentence), "{arguments:?}: {said}");
    }
}
