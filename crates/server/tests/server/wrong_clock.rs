//! A server that starts with a clock of years ago, as a computer without a clock of its own does, and learns the right time.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use hutong_protocol::{ClientMessage, IceServer, ServerMessage, SessionTicket};
use rustls_pki_types::{CertificateDer, pem::PemObject};

use crate::common::{TestClient, program::ServerProgram, set_up_call, tls_connect_trusting};

/// How far the clock is behind at the start, in seconds: more than twelve years.
const BEHIND: u64 = 400_000_000;

/// Within this time of the clock's step, everything is right.
const LIMIT: Duration = Duration::from_secs(60);

/// The library of Debian's `faketime` for programs with threads.
fn faketime_library() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").unwrap().map(|folder| folder.unwrap().path());
    let mut libraries = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1"));
    libraries.find(|library| library.is_file()).expect("Debian's package faketime is installed")
}

/// Sets the clock of a program that runs with this file: its difference to the right time, in seconds.
fn set_clock(file: &Path, difference: &str) {
    let new = file.with_extension("new");
    fs::write(&new, difference).unwrap();
    fs::rename(new, file).unwrap();
}

fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// Connects by TLS, trusting the certificate in this folder, as of now.
async fn is_certificate_valid(program: &ServerProgram, folder: &Path) -> bool {
    let pem = fs::read(folder.join("certificate.pem")).unwrap();
    let certificate = CertificateDer::from_pem_slice(&pem).unwrap();
    tls_connect_trusting(program.address, &certificate, "localhost").await.is_ok()
}

/// When the credential of these servers expires.
fn credential_expiry(servers: &[IceServer]) -> Duration {
    let username = servers.iter().find_map(|server| server.username.clone()).expect("the server is a TURN server");
    Duration::from_secs(username.split(':').next().unwrap().parse().unwrap())
}

async fn resume(client: &mut TestClient, name: &str, ticket: &SessionTicket) {
    client
        .send(&ClientMessage::Hello { name: name.into(), resume: Some(ticket.clone()), secret: None, replace: false })
        .await;
}

#[tokio::test]
async fn after_a_start_in_2014_all_is_right_within_a_minute_and_nobody_is_logged_out() {
    let directory = tempfile::tempdir().unwrap();
    let [clock, key, certificate, secret] =
        ["clock", "ticket-key", "certificate", "turn-secret"].map(|name| directory.path().join(name));
    fs::write(&secret, "a secret that coturn has, too").unwrap();
    let [key_text, certificate_text, secret_text] =
        [&key, &certificate, &secret].map(|path| path.to_string_lossy().into_owned());
    let arguments = [
        ["--ticket-key-file", &key_text],
        ["--self-signed", &certificate_text],
        ["--ice-server", "turn:coturn.test"],
        ["--turn-secret-file", &secret_text],
    ]
    .concat();
    set_clock(&clock, &format!("-{BEHIND}"));
    let shell = format!(
        "FAKETIME_TIMESTAMP_FILE='{}' FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1 LD_PRELOAD='{}' exec \"$0\" \"$@\"",
        clock.display(),
        faketime_library().display()
    );
    let program = ServerProgram::start_with_shell(&shell, &arguments).await;
    let (mut ana, ana_login) = TestClient::login(program.address, "Ana").await;
    let (mut bo, bo_login) = TestClient::login(program.address, "Bo").await;
    assert!(Duration::from_micros(ana_login.me.token.0) < unix_time() - Duration::from_secs(BEHIND / 2));
    assert!(!is_certificate_valid(&program, &certificate).await, "it has expired long ago");
    set_up_call(&mut ana, &mut bo, bo_login.me.token).await;

    set_clock(&clock, "+0");
    let step = Instant::now();
    let (mut ticket, mut expiry) = (None, None);
    ana.wait_for(|message| {
        match message {
            ServerMessage::Ticket { ticket: renewed } => ticket = Some(renewed),
            ServerMessage::IceServers { ice_servers } => expiry = Some(credential_expiry(&ice_servers)),
            ServerMessage::Ended { .. } => panic!("the call has ended"),
            _ => {}
        }
        (ticket.is_some() && expiry.is_some()).then_some(())
    })
    .await;
    let expiry = expiry.unwrap();
    assert!(
        expiry > unix_time() + Duration::from_secs(23 * 3_600)
            && expiry < unix_time() + Duration::from_secs(25 * 3_600)
    );
    while !is_certificate_valid(&program, &certificate).await {
        assert!(step.elapsed() < LIMIT, "the certificate is not renewed: {}", program.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    // Bo's connection breaks; he resumes with the ticket of the wrong time, and another user gets a token of the right one.
    drop(bo);
    let bo_ticket = {
        let mut bo = TestClient::open(program.address).await;
        resume(&mut bo, "Bo", &bo_login.ticket).await;
        let login = bo.expect_welcome().await;
        assert_eq!(login.me.token, bo_login.me.token);
        login.ticket
    };
    let (_cy, cy_login) = TestClient::login(program.address, "Cy").await;
    assert!(Duration::from_micros(cy_login.me.token.0) > unix_time() - LIMIT);
    assert!(step.elapsed() < LIMIT);

    // After a restart, with the right time from the start.
    program.signal("-KILL").await;
    program.wait().await;
    let program = ServerProgram::start(&arguments).await;
    for (name, user, ticket) in [("Ana", ana_login.me.token, ticket.unwrap()), ("Bo", bo_login.me.token, bo_ticket)] {
        let mut client = TestClient::open(program.address).await;
        resume(&mut client, name, &ticket).await;
        assert_eq!(client.expect_welcome().await.me.token, user, "{name}");
    }
}
