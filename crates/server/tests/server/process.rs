//! The program as a process: command line, signals, and exhausted file descriptors.

use std::time::{Duration, Instant};

use hutong_protocol::RefusedCode;
use tokio::{net::TcpStream, process::Command, time::timeout};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::common::{
    TestClient, http_request,
    program::{SERVER_BINARY, ServerProgram},
    with_timeout,
};

#[tokio::test]
async fn sigint_and_sigterm_disconnect_clients_and_end_the_program() {
    for name in ["-INT", "-TERM"] {
        let program = ServerProgram::start(&[]).await;
        let (mut ana, _) = TestClient::login(program.address, "Ana").await;
        program.signal(name).await;
        ana.expect_refused(RefusedCode::ShuttingDown, CloseCode::Away).await;
        drop(ana);
        assert!(program.wait().await.0.success(), "{name}");
    }
}

#[tokio::test]
async fn a_second_signal_ends_a_drain_at_once() {
    let program = ServerProgram::start(&["--drain-seconds", "10"]).await;
    let mut clients = Vec::new();
    for number in 0..20 {
        clients.push(TestClient::login(program.address, &format!("person {number}")).await.0);
    }
    let start = Instant::now();
    program.signal("-TERM").await;
    program.wait_for_log("period=10s", 1).await;
    assert_eq!(http_request(program.address, "GET /readyz", &[]).await.status, 503);
    program.signal("-TERM").await;
    for client in &mut clients {
        client.expect_refused(RefusedCode::ShuttingDown, CloseCode::Away).await;
    }
    drop(clients);
    assert!(program.wait().await.0.success());
    assert!(start.elapsed() < Duration::from_millis(9_500), "the full drain would have taken 10 s");
}

#[tokio::test]
async fn names_and_tickets_stay_out_of_the_trace_log() {
    let program = ServerProgram::start(&["--log", "trace"]).await;
    let (mut ana, login) = TestClient::login(program.address, "Secretive Ana").await;
    let (mut bo, bo_login) = TestClient::login(program.address, "Bo").await;
    crate::common::call_and_hang_up(&mut ana, &mut bo, bo_login.me.token).await;
    program.signal("-TERM").await;
    ana.expect_refused(RefusedCode::ShuttingDown, CloseCode::Away).await;
    drop((ana, bo));
    let (_, log) = program.wait().await;
    assert!(!log.contains("Secretive") && !log.contains("v=0") && !log.contains(login.ticket.as_str()), "{log}");
}

#[tokio::test]
async fn open_connections_survive_exhausted_file_descriptors() {
    let program = ServerProgram::start_with_shell("ulimit -n 40; exec \"$0\"", &[]).await;
    let (mut ana, _) = TestClient::login(program.address, "Ana").await;
    let mut greedy = Vec::new();
    for _ in 0..60 {
        greedy.push(TcpStream::connect(program.address).await.unwrap());
    }
    program.wait_for_log("without a free file descriptor", 1).await;
    // The open connection still works, and health checks are answered.
    ana.send_text("{}").await;
    ana.next_error().await;
    let health = timeout(Duration::from_secs(1), http_request(program.address, "GET /healthz", &[])).await;
    assert_eq!(health.expect("answered in time").text(), "ok");
    assert_eq!(http_request(program.address, "GET /", &[]).await.status, 503);
    drop(greedy);
    assert_eq!(http_request(program.address, "GET /healthz", &[]).await.text(), "ok");
    TestClient::login(program.address, "Bo").await;
}

#[tokio::test]
async fn the_program_raises_its_limit_of_open_files_and_warns_if_it_is_low() {
    // Ten users need some 5,200.
    for (hard, warns) in [("4096", true), ("6000", false)] {
        let shell = format!("ulimit -Sn 64; ulimit -Hn {hard}; exec \"$0\" --max-users 10");
        let program = ServerProgram::start_with_shell(&shell, &[]).await;
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", program.id())).unwrap();
        let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
        let values: Vec<_> = line.split_whitespace().skip(3).take(2).collect();
        assert_eq!(values, [hard, hard], "soft and hard limit");
        let log = program.log();
        assert_eq!(log.contains("limit of open files is lower"), warns, "{log}");
    }
}

#[tokio::test]
async fn an_invalid_command_line_is_reported() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (arguments, message) in [
        (&["--listen", &*address][..], "is taken by another program"),
        (&["--listen", "nowhere"], "invalid socket address"),
        (&["--ice-server", "turn:example.org"], "URL,USER,CREDENTIAL"),
        (&["--name", "https://nas.lan/"], "expected a host name"),
        (&["--tls-cert", "x"], "--tls-key"),
        (&["--acme", "calls.example"], "--acme-cache"),
        (&["--acme", "calls.example", "--acme-cache", "/nonexistent", "--self-signed", "x"], "cannot be used with"),
        (&["--acme", "192.0.2.1", "--acme-cache", "/nonexistent"], "not a public host name"),
        (&["--tls-cert", "/nonexistent", "--tls-key", "/nonexistent"], "/nonexistent: No such file"),
        (&["--ticket-key-file", "/"], "the ticket key cannot be used: "),
    ] {
        let output =
            with_timeout("exit", Command::new(SERVER_BINARY).args(arguments).env_clear().output()).await.unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && stderr.contains(message), "{arguments:?}: {stderr}");
    }
}
