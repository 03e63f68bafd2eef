//! Session tickets over real sockets: after a logout, after a changed secret, and while another session holds the name.

use std::{fs, path::Path};

use hutong_protocol::{
    ClientMessage, EndReason, RefusedCode, SUBPROTOCOL, Secret, ServerMessage, SessionTicket, UserState,
};
use hutong_server::{
    AccessKey, Options, SecretRequirement, Server, TicketKey, revocation_file_beside, users_file_line,
};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::common::{LoginReply, TestClient, log, log_out, set_up_call, start_server, start_server_with};

/// Reply to a hello: the logged-in client, or the code of the refusal.
type HelloResult = Result<(TestClient, LoginReply), RefusedCode>;

async fn send_hello(
    client: TestClient,
    name: &str,
    resume: Option<&SessionTicket>,
    secret: Option<&str>,
) -> HelloResult {
    let secret = secret.map(|text| Secret::new(text).unwrap());
    let hello = ClientMessage::Hello { name: name.into(), resume: resume.cloned(), secret, replace: false };
    await_reply(client, hello).await
}

async fn await_reply(mut client: TestClient, hello: ClientMessage) -> HelloResult {
    client.send(&hello).await;
    match client.receive().await {
        ServerMessage::Welcome { me, ticket, users, .. } => Ok((client, LoginReply { me, ticket, users })),
        ServerMessage::Refused { code, .. } => Err(code),
        other => panic!("expected a reply to hello, received {other:?}"),
    }
}

async fn hello(server: &Server, name: &str, resume: Option<&SessionTicket>, secret: Option<&str>) -> HelloResult {
    send_hello(TestClient::open(server.local_addr()).await, name, resume, secret).await
}

/// As a proxy on this machine does for a client of this address.
async fn hello_from(
    server: &Server,
    address: &str,
    name: &str,
    resume: Option<&SessionTicket>,
    secret: &str,
) -> HelloResult {
    let headers = [("sec-websocket-protocol", SUBPROTOCOL), ("x-forwarded-for", address)];
    let client = TestClient::open_with_headers(server.local_addr(), &headers).await.unwrap();
    send_hello(client, name, resume, Some(secret)).await
}

/// The code of the refusal. `None` after a login.
fn code(result: HelloResult) -> Option<RefusedCode> {
    result.err()
}

/// A directory with a ticket key, and a file of secrets.
struct Files(tempfile::TempDir);

impl Files {
    fn new(secrets: &str) -> Self {
        log::install();
        let files = Self(tempfile::tempdir().unwrap());
        files.write(secrets);
        files
    }

    fn secrets(&self) -> std::path::PathBuf {
        self.0.path().join("secrets")
    }

    fn key(&self) -> std::path::PathBuf {
        self.0.path().join("ticket-key")
    }

    /// Replaces the secrets atomically.
    fn write(&self, secrets: &str) {
        let new = self.0.path().join("new");
        fs::write(&new, secrets).unwrap();
        fs::rename(new, self.secrets()).unwrap();
    }

    fn with_ticket_key(&self, options: &mut Options) {
        options.ticket_key = Some(TicketKey::from_file(&self.key()).unwrap());
        options.revocation_file = Some(revocation_file_beside(&self.key()));
    }

    async fn start(&self, secrets: fn(&Path) -> SecretRequirement) -> Server {
        start_server_with(|options| {
            self.with_ticket_key(options);
            options.admission.secret = secrets(&self.secrets());
            options.admission.trusted_proxies = vec![hutong_server::parse_network("127.0.0.1").unwrap()];
        })
        .await
    }
}

fn access_key(path: &Path) -> SecretRequirement {
    SecretRequirement::AccessKeyFile(path.to_owned())
}

fn passwords(path: &Path) -> SecretRequirement {
    SecretRequirement::UsersFile(path.to_owned())
}

/// Content of a users file.
fn users(lines: &[(&str, &str)]) -> String {
    lines.iter().map(|(name, password)| users_file_line(name, password).unwrap() + "\n").collect()
}

#[tokio::test]
async fn a_stolen_ticket_is_worthless_after_logout() {
    let server = start_server().await;
    let (ana, first) = TestClient::login(server.local_addr(), "Ana").await;
    drop(ana);
    let (ana, renewed) = hello(&server, "Ana", Some(&first.ticket), None).await.unwrap();
    log_out(ana).await;
    for stolen in [&first.ticket, &renewed.ticket] {
        assert_eq!(code(hello(&server, "Ana", Some(stolen), None).await), Some(RefusedCode::TicketInvalid));
    }
    hello(&server, "Ana", None, None).await.unwrap();
}

#[tokio::test]
async fn a_logout_outlasts_a_restart() {
    let files = Files::new("");
    let start = async || start_server_with(|options| files.with_ticket_key(options)).await;
    let server = start().await;
    let (ana, stolen) = TestClient::login(server.local_addr(), "Ana").await;
    let (_bo, kept) = TestClient::login(server.local_addr(), "Bo").await;
    log_out(ana).await;
    server.shutdown().await;
    for _ in 0..2 {
        let server = start().await;
        let result = hello(&server, "Ana", Some(&stolen.ticket), None).await;
        assert_eq!(code(result), Some(RefusedCode::TicketInvalid));
        let (_bo, again) = hello(&server, "Bo", Some(&kept.ticket), None).await.unwrap();
        assert_eq!(again.me.token, kept.me.token);
        server.shutdown().await;
    }
    // Without a usable file, the server cannot know which tickets were revoked, and accepts none.
    fs::write(revocation_file_beside(&files.key()), "garbage\n").unwrap();
    let server = start().await;
    assert_eq!(code(hello(&server, "Bo", Some(&kept.ticket), None).await), Some(RefusedCode::TicketInvalid));
    let (_bo, new) = hello(&server, "Bo", None, None).await.unwrap();
    hello(&server, "Bo", Some(&new.ticket), None).await.unwrap();
}

#[tokio::test]
async fn a_logout_counts_also_while_the_file_cannot_be_written() {
    let files = Files::new("");
    // A directory has the name of the draft.
    let mut draft = revocation_file_beside(&files.key()).into_os_string();
    draft.push(".draft");
    fs::create_dir(&draft).unwrap();
    let server = start_server_with(|options| files.with_ticket_key(options)).await;
    let (ana, stolen) = TestClient::login(server.local_addr(), "Ana").await;
    log_out(ana).await;
    let result = hello(&server, "Ana", Some(&stolen.ticket), None).await;
    assert_eq!(code(result), Some(RefusedCode::TicketInvalid));
    server.shutdown().await;
}

#[tokio::test]
async fn the_owner_takes_the_name_back_by_its_password() {
    let files = Files::new(&users(&[("Ana", "open sesame"), ("Bo", "geheim")]));
    let server = files.start(passwords).await;
    let (mut thief, stolen) = hello(&server, "Ana", None, Some("open sesame")).await.unwrap();
    let (mut bo, bo_login) = hello(&server, "Bo", None, Some("geheim")).await.unwrap();
    set_up_call(&mut thief, &mut bo, bo_login.me.token).await;

    // The owner's call on another device ends only if the owner agrees.
    let refused = code(hello(&server, "ANA", None, Some("open sesame")).await);
    assert_eq!(refused, Some(RefusedCode::InCallElsewhere));
    thief.send_text("{}").await;
    thief.next_error().await;

    let secret = Some(Secret::new("open sesame").unwrap());
    let agreed = ClientMessage::Hello { name: "ANA".into(), resume: None, secret, replace: true };
    let (owner, login) = await_reply(TestClient::open(server.local_addr()).await, agreed).await.unwrap();
    assert_ne!(login.me.token, stolen.me.token);
    thief.expect_refused(RefusedCode::Replaced, CloseCode::Policy).await;
    let reason = bo
        .wait_for(|message| match message {
            ServerMessage::Ended { reason, .. } => Some(reason),
            _ => None,
        })
        .await;
    assert_eq!(reason, EndReason::Gone);
    bo.wait_for_state(login.me.token, UserState::Online).await;
    // The ended session does not come back.
    assert_eq!(code(hello(&server, "Ana", Some(&stolen.ticket), None).await), Some(RefusedCode::NameTaken));
    log_out(owner).await;
    assert_eq!(code(hello(&server, "Ana", Some(&stolen.ticket), None).await), Some(RefusedCode::TicketInvalid));
}

#[tokio::test]
async fn an_access_key_takes_no_name() {
    let files = Files::new("correct horse");
    let server = files.start(access_key).await;
    let (mut ana, _) = hello(&server, "Ana", None, Some("correct horse")).await.unwrap();
    assert_eq!(code(hello(&server, "Ana", None, Some("correct horse")).await), Some(RefusedCode::NameTaken));
    ana.send_text("{}").await;
    ana.next_error().await;
}

#[tokio::test]
async fn a_changed_password_ends_the_sessions_of_its_name() {
    let ana_line = users(&[("Ana", "old password")]);
    let bo_line = users(&[("Bo", "geheim")]);
    let files = Files::new(&(ana_line.clone() + &bo_line));
    let server = files.start(passwords).await;
    let (mut ana, login) = hello(&server, "Ana", None, Some("old password")).await.unwrap();
    let (mut bo, bo_login) = hello(&server, "Bo", None, Some("geheim")).await.unwrap();
    set_up_call(&mut ana, &mut bo, bo_login.me.token).await;
    files.write(&(users(&[("Ana", "new password")]) + &bo_line));
    ana.expect_refused(RefusedCode::SecretChanged, CloseCode::Policy).await;
    bo.wait_for(|message| matches!(message, ServerMessage::Ended { .. }).then_some(())).await;
    assert_eq!(code(hello(&server, "Ana", Some(&login.ticket), None).await), Some(RefusedCode::TicketInvalid));
    // The owner's device logs in with the new password, with the old ticket and without.
    hello(&server, "Ana", Some(&login.ticket), Some("new password")).await.unwrap();
    let (mut ana, _) = hello(&server, "Ana", None, Some("new password")).await.unwrap();
    // The old ticket is invalid also if the old password returns, here and after a restart.
    files.write(&(ana_line + &bo_line));
    ana.expect_refused(RefusedCode::SecretChanged, CloseCode::Policy).await;
    assert_eq!(code(hello(&server, "Ana", Some(&login.ticket), None).await), Some(RefusedCode::TicketInvalid));
    bo.send_text("{}").await;
    bo.wait_for(|message| matches!(message, ServerMessage::Error { .. }).then_some(())).await;
    server.shutdown().await;
    let server = files.start(passwords).await;
    assert_eq!(code(hello(&server, "Ana", Some(&login.ticket), None).await), Some(RefusedCode::TicketInvalid));
    hello(&server, "Bo", Some(&bo_login.ticket), None).await.unwrap();
}

#[tokio::test]
async fn a_changed_access_key_ends_all_sessions() {
    let files = Files::new("correct horse");
    let server = files.start(access_key).await;
    let (mut ana, _) = hello(&server, "Ana", None, Some("correct horse")).await.unwrap();
    let (mut bo, _) = hello(&server, "Bo", None, Some("correct horse")).await.unwrap();
    files.write("battery staple");
    for client in [&mut ana, &mut bo] {
        client.expect_refused(RefusedCode::SecretChanged, CloseCode::Policy).await;
    }
    // The names are free at once.
    hello(&server, "Bo", None, Some("battery staple")).await.unwrap();
}

#[tokio::test]
async fn an_access_key_is_set_changed_and_removed_while_the_server_runs() {
    let key = |text| AccessKey::new(text).unwrap();
    let ticket_key = TicketKey::random().unwrap();
    let options = |secret| {
        let mut options =
            Options { ticket_key: Some(ticket_key.clone()), ..Options::listen_on(([127, 0, 0, 1], 0).into()) };
        options.admission.secret = secret;
        options
    };
    let server = Server::bind(options(SecretRequirement::None)).await.unwrap();
    let (mut ana, before) = hello(&server, "Ana", None, None).await.unwrap();
    server.set_access_key(Some(key("correct horse"))).await.unwrap();
    ana.expect_refused(RefusedCode::SecretChanged, CloseCode::Policy).await;
    assert_eq!(code(hello(&server, "Ana", None, None).await), Some(RefusedCode::SecretRequired));
    assert_eq!(code(hello(&server, "Ana", Some(&before.ticket), None).await), Some(RefusedCode::TicketInvalid));
    let (mut ana, with_key) = hello(&server, "Ana", None, Some("correct horse")).await.unwrap();
    // The same key changes nothing.
    server.set_access_key(Some(key("correct horse"))).await.unwrap();
    ana.send(&ClientMessage::Ping).await;
    assert!(matches!(ana.receive().await, ServerMessage::Pong));
    server.set_access_key(Some(key("battery staple"))).await.unwrap();
    ana.expect_refused(RefusedCode::SecretChanged, CloseCode::Policy).await;
    assert_eq!(code(hello(&server, "Ana", None, Some("correct horse")).await), Some(RefusedCode::SecretWrong));
    assert_eq!(code(hello(&server, "Ana", Some(&with_key.ticket), None).await), Some(RefusedCode::TicketInvalid));
    let (mut ana, last) = hello(&server, "Ana", None, Some("battery staple")).await.unwrap();
    server.shutdown().await;
    ana.expect_refused(RefusedCode::ShuttingDown, CloseCode::Away).await;

    // A server that has the key from its start accepts the tickets of an earlier one.
    let server = Server::bind(options(SecretRequirement::AccessKey(key("battery staple")))).await.unwrap();
    let (mut ana, _) = hello(&server, "Ana", Some(&last.ticket), None).await.unwrap();
    server.set_access_key(None).await.unwrap();
    ana.expect_refused(RefusedCode::SecretChanged, CloseCode::Policy).await;
    // A key from an old link is no obstacle.
    hello(&server, "Ana", None, Some("battery staple")).await.unwrap();
    hello(&server, "Bo", None, None).await.unwrap();
}

#[tokio::test]
async fn secrets_in_a_file_cannot_be_set() {
    let files = Files::new("correct horse");
    let server = files.start(access_key).await;
    assert!(server.set_access_key(None).await.is_err());
    assert_eq!(code(hello(&server, "Ana", None, None).await), Some(RefusedCode::SecretRequired));
}

/// Guesses from ever new addresses until none of them is checked any more.
async fn guess_until_locked(server: &Server, name: &str) -> usize {
    let (mut checked, mut refused) = (0, 0);
    for host in 0.. {
        let address = format!("198.51.{}.{}", host / 250, host % 250 + 1);
        match code(hello_from(server, &address, name, None, "guess").await) {
            Some(RefusedCode::SecretWrong) => (checked, refused) = (checked + 1, 0),
            Some(RefusedCode::TooMany) => refused += 1,
            other => panic!("{other:?}"),
        }
        // An address has its own attempts while the name is locked, so one address follows the other twice.
        if refused > 3 || checked >= 40 {
            break;
        }
    }
    checked
}

#[tokio::test]
async fn the_owner_logs_in_while_others_guess() {
    let files = Files::new(&users(&[("Ana", "open sesame")]));
    let server = files.start(passwords).await;
    let (_device, known) = hello_from(&server, "203.0.113.1", "Ana", None, "open sesame").await.unwrap();
    // The lockout of the name is passed long since.
    assert_eq!(guess_until_locked(&server, "Ana").await, 40);
    // From an address that has not guessed, without a ticket.
    hello_from(&server, "203.0.113.2", "Ana", None, "open sesame").await.unwrap();

    // Somebody behind the same address guesses too, until the address is locked out.
    let locked = "203.0.113.1";
    let mut stopped = None;
    for number in 0..200 {
        // Names that nobody has locked.
        stopped = code(hello_from(&server, locked, &format!("Nobody {number}"), None, "guess").await);
        if stopped == Some(RefusedCode::TooMany) {
            break;
        }
    }
    assert_eq!(stopped, Some(RefusedCode::TooMany), "unknown devices there are locked out");
    // A device with a ticket of the name is not, though the ticket is revoked.
    let result = hello_from(&server, locked, "Ana", Some(&known.ticket), "opne sesame").await;
    assert_eq!(code(result), Some(RefusedCode::SecretWrong), "a typing error is answered as one");
    hello_from(&server, locked, "Ana", Some(&known.ticket), "open sesame").await.unwrap();
    // A forged ticket, or one of another name, is no help.
    let forged = SessionTicket::new(&format!("{}x", known.ticket.as_str()));
    for (name, ticket) in [("Ana", &forged), ("Nobody", &known.ticket)] {
        let result = hello_from(&server, locked, name, Some(ticket), "open sesame").await;
        assert_eq!(code(result), Some(RefusedCode::TicketInvalid));
    }
}

#[tokio::test]
async fn a_known_device_has_an_allowance_too() {
    let files = Files::new(&users(&[("Ana", "open sesame")]));
    let server = files.start(passwords).await;
    let (ana, known) = hello(&server, "Ana", None, Some("open sesame")).await.unwrap();
    log_out(ana).await;
    let mut checked = 0;
    // Neither new connections nor new addresses help a thief with a ticket. Then it counts as an unknown device.
    let stopped = loop {
        let address = format!("203.0.113.{}", checked % 2);
        match code(hello_from(&server, &address, "Ana", Some(&known.ticket), "guess").await) {
            Some(RefusedCode::SecretWrong) => checked += 1,
            other => break other,
        }
        assert!(checked < 100, "the guesses are not limited");
    };
    assert_eq!(stopped, Some(RefusedCode::TooMany));
    assert!(checked >= 11, "{checked}");
}
