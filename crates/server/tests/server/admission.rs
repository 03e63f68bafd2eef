//! Admission control: secrets, session tickets, limits per address, the deny list, and trusted proxies.

use std::{fs, path::Path, path::PathBuf};

use hutong_protocol::{ClientMessage, RefusedCode, SUBPROTOCOL, Secret, ServerMessage, SessionTicket, UserState};
use hutong_server::{Options, SecretRequirement, Server, users_file_line};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::common::{LoginReply, TestClient, log, start_server, start_server_with};
#[cfg(target_os = "linux")]
use crate::common::{
    program::{SERVER_BINARY, ServerProgram},
    with_timeout,
};

const KEY: &str = "correct horse battery staple";

/// Reply to a hello: the logged-in client, or the code of the refusal.
type HelloResult = Result<(TestClient, LoginReply), RefusedCode>;

/// Opens a WebSocket as a proxy on this machine does for a client of this address.
async fn open_from(server: &Server, address: &str) -> TestClient {
    let headers = [("sec-websocket-protocol", SUBPROTOCOL), ("x-forwarded-for", address)];
    TestClient::open_with_headers(server.local_addr(), &headers).await.unwrap()
}

async fn send_hello(
    mut client: TestClient,
    name: &str,
    resume: Option<&SessionTicket>,
    secret: Option<&str>,
) -> HelloResult {
    let secret = secret.map(|text| Secret::new(text).unwrap());
    client.send(&ClientMessage::Hello { name: name.into(), resume: resume.cloned(), secret, replace: false }).await;
    match client.receive().await {
        ServerMessage::Welcome { me, ticket, users, .. } => Ok((client, LoginReply { me, ticket, users })),
        ServerMessage::Refused { code, .. } => Err(code),
        other => panic!("expected a reply to hello, received {other:?}"),
    }
}

async fn hello(server: &Server, name: &str, resume: Option<&SessionTicket>, secret: Option<&str>) -> HelloResult {
    send_hello(TestClient::open(server.local_addr()).await, name, resume, secret).await
}

async fn hello_from(server: &Server, address: &str, name: &str, secret: Option<&str>) -> HelloResult {
    send_hello(open_from(server, address).await, name, None, secret).await
}

/// The code of the refusal. `None` after a login.
fn code(result: HelloResult) -> Option<RefusedCode> {
    result.err()
}

/// A file of secrets, or a deny list, in its own directory.
struct AdmissionFile {
    directory: tempfile::TempDir,
}

impl AdmissionFile {
    fn new(text: &str) -> Self {
        log::install();
        let file = Self { directory: tempfile::tempdir().unwrap() };
        file.write(text);
        file
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("file")
    }

    /// Replaces the file atomically.
    fn write(&self, text: &str) {
        let new = self.directory.path().join("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, self.path()).unwrap();
    }

    /// Waits until the server has reloaded the file this many times.
    async fn wait_until_reloaded(&self, times: usize) {
        log::wait_for_line("admission file changed; reloaded", &self.path(), times).await;
    }
}

async fn server_with_key(path: &Path) -> Server {
    start_server_with(|options| options.admission.secret = SecretRequirement::AccessKeyFile(path.to_owned())).await
}

fn trust_loopback(options: &mut Options) {
    options.admission.trusted_proxies = vec![hutong_server::parse_network("127.0.0.1").unwrap()];
}

#[tokio::test]
async fn a_login_needs_the_access_key_or_a_session_ticket() {
    let file = AdmissionFile::new(KEY);
    let server = server_with_key(&file.path()).await;
    assert_eq!(code(hello(&server, "Ana", None, None).await), Some(RefusedCode::SecretRequired));
    for wrong in ["", "correct horse battery stapl", "Correct horse battery staple"] {
        assert_eq!(code(hello(&server, "Ana", None, Some(wrong)).await), Some(RefusedCode::SecretWrong), "{wrong}");
    }
    assert_eq!(server.users_online(), 0);
    let (ana, login) = hello(&server, "Ana", None, Some(KEY)).await.unwrap();
    drop(ana);
    let (_ana, again) = hello(&server, "Ana", Some(&login.ticket), None).await.unwrap();
    assert_eq!(again.me.token, login.me.token);
    // A ticket is bound to its name, and a forged one is refused.
    for (name, ticket) in [("Mallory", login.ticket.clone()), ("Ana", SessionTicket::new("u1.1.1.x"))] {
        let result = hello(&server, name, Some(&ticket), Some(KEY)).await;
        assert_eq!(code(result), Some(RefusedCode::TicketInvalid), "{name}");
    }
    // The name is still validated.
    assert_eq!(code(hello(&server, "ANA", None, Some(KEY)).await), Some(RefusedCode::NameTaken));
    assert_eq!(code(hello(&server, "\u{202e}", None, None).await), Some(RefusedCode::NameInvalid));
}

#[tokio::test]
async fn a_changed_access_key_takes_effect_without_a_restart() {
    let file = AdmissionFile::new(KEY);
    let server = server_with_key(&file.path()).await;
    let (mut ana, login) = hello(&server, "Ana", None, Some(KEY)).await.unwrap();
    file.write("short");
    file.write("another key than before");
    file.wait_until_reloaded(1).await;
    let (_bo, _) = hello(&server, "Bo", None, Some("another key than before")).await.unwrap();
    assert_eq!(code(hello(&server, "Cy", None, Some(KEY)).await), Some(RefusedCode::SecretWrong));
    ana.expect_refused(RefusedCode::SecretChanged, CloseCode::Policy).await;
    let back = hello(&server, "Ana", Some(&login.ticket), None).await;
    assert_eq!(code(back), Some(RefusedCode::TicketInvalid));
}

#[tokio::test]
async fn tickets_survive_a_restart_only_while_the_access_key_is_the_same() {
    let (file, keys) = (AdmissionFile::new(KEY), tempfile::tempdir().unwrap());
    let start = async || {
        let ticket_key = hutong_server::TicketKey::from_file(&keys.path().join("ticket-key")).unwrap();
        start_server_with(|options| {
            options.admission.secret = SecretRequirement::AccessKeyFile(file.path());
            options.ticket_key = Some(ticket_key);
        })
        .await
    };
    let server = start().await;
    let (_ana, login) = hello(&server, "Ana", None, Some(KEY)).await.unwrap();
    server.shutdown().await;
    let server = start().await;
    let (_ana, again) = hello(&server, "Ana", Some(&login.ticket), None).await.unwrap();
    assert_eq!(again.me.token, login.me.token);
    server.shutdown().await;
    file.write("another key than before");
    let server = start().await;
    assert_eq!(code(hello(&server, "Ana", Some(&again.ticket), None).await), Some(RefusedCode::TicketInvalid));
    assert_eq!(code(hello(&server, "Ana", None, Some(KEY)).await), Some(RefusedCode::SecretWrong));
}

#[tokio::test]
async fn each_name_needs_its_own_password() {
    let line = |name, password| users_file_line(name, password).unwrap();
    let (ana, bo) = (line("Ana", "open sesame"), line("小波", "芝麻开门"));
    let file = AdmissionFile::new(&format!("{ana}\n{bo}\n"));
    let server =
        start_server_with(|options| options.admission.secret = SecretRequirement::UsersFile(file.path())).await;
    assert_eq!(code(hello(&server, "Ana", None, None).await), Some(RefusedCode::SecretRequired));
    for (name, password) in [("Ana", "芝麻开门"), ("Mallory", "open sesame"), ("Ana", "")] {
        let result = hello(&server, name, None, Some(password)).await;
        assert_eq!(code(result), Some(RefusedCode::SecretWrong), "{name}");
    }
    let (_bo, bo_login) = hello(&server, "小波", None, Some("芝麻开门")).await.unwrap();
    let (ana, login) = hello(&server, "ANA", None, Some("open sesame")).await.unwrap();
    // A ticket resumes only the session of its own name.
    drop(ana);
    let result = hello(&server, "Ana", Some(&bo_login.ticket), None).await;
    assert_eq!(code(result), Some(RefusedCode::TicketInvalid));
    let (_ana, again) = hello(&server, "Ana", Some(&login.ticket), None).await.unwrap();
    assert_eq!(again.me.token, login.me.token);
    // A user who is removed from the file cannot resume. Others are not affected.
    file.write(&bo);
    file.wait_until_reloaded(1).await;
    let result = hello(&server, "Ana", Some(&again.ticket), None).await;
    assert_eq!(code(result), Some(RefusedCode::TicketInvalid));
    assert_eq!(code(hello(&server, "Ana", None, Some("open sesame")).await), Some(RefusedCode::SecretWrong));
    hello(&server, "小波", Some(&bo_login.ticket), None).await.unwrap();
}

#[tokio::test]
async fn a_guessing_client_is_locked_out_and_other_networks_are_not() {
    let file = AdmissionFile::new(KEY);
    let server = start_server_with(|options| {
        trust_loopback(options);
        options.admission.secret = SecretRequirement::AccessKeyFile(file.path());
    })
    .await;
    let mut tried = 0;
    let stopped = loop {
        match hello_from(&server, "2001:db8:1:2::bad", "Mallory", Some(&format!("guess {tried}"))).await {
            Err(RefusedCode::SecretWrong) => tried += 1,
            other => break code(other),
        }
        assert!(tried < 100, "the guesses are not limited");
    };
    assert_eq!(stopped, Some(RefusedCode::TooMany));
    assert!(tried >= 50, "{tried} guesses: an office mistypes more often");
    // The correct key is refused from the same /64 prefix, and accepted from another one.
    let same = hello_from(&server, "2001:db8:1:2::900d", "Ana", Some(KEY)).await;
    assert_eq!(code(same), Some(RefusedCode::TooMany));
    let (_bo, _) = hello_from(&server, "2001:db8:1:3::1", "Bo", Some(KEY)).await.unwrap();
}

#[tokio::test]
async fn a_guessing_client_with_all_prefixes_of_an_ipv6_site_is_locked_out_and_other_sites_are_not() {
    let file = AdmissionFile::new(KEY);
    let server = start_server_with(|options| {
        trust_loopback(options);
        options.admission.secret = SecretRequirement::AccessKeyFile(file.path());
    })
    .await;
    let mut tried = 0;
    let stopped = loop {
        let address = format!("2001:db8:1:{tried:x}::bad");
        match hello_from(&server, &address, "Mallory", Some("wrong horse")).await {
            Err(RefusedCode::SecretWrong) => tried += 1,
            other => break code(other),
        }
        assert!(tried < 1_000, "the guesses are not limited");
    };
    assert_eq!(stopped, Some(RefusedCode::TooMany));
    assert!(tried >= 200, "{tried} guesses: offices of one site mistype more often");
    let (_bo, _) = hello_from(&server, "2001:db8:2::1", "Bo", Some(KEY)).await.unwrap();
}

#[tokio::test]
async fn websockets_of_all_prefixes_of_an_ipv6_site_are_limited() {
    let server = start_server_with(|options| {
        trust_loopback(options);
        options.admission.max_per_address = 3;
    })
    .await;
    let mut site = Vec::new();
    for subnet in 0..6 {
        let address = format!("2001:db8:1:{subnet:x}::1");
        site.push(hello_from(&server, &address, &format!("Person {subnet}"), None).await.unwrap());
    }
    open_from(&server, "2001:db8:1:77::1").await.expect_refused(RefusedCode::TooMany, CloseCode::Again).await;
    let (_other, _) = hello_from(&server, "2001:db8:2::1", "Other", None).await.unwrap();
}

#[tokio::test]
async fn websockets_are_limited_per_address_despite_forged_headers() {
    let server = start_server_with(|options| {
        trust_loopback(options);
        options.admission.max_per_address = 3;
    })
    .await;
    let mut office = Vec::new();
    for (number, header) in ["203.0.113.7", "192.0.2.99, 203.0.113.7", "127.0.0.1, 203.0.113.7"].iter().enumerate() {
        office.push(hello_from(&server, header, &format!("Person {number}"), None).await.unwrap());
    }
    for header in ["203.0.113.7", "198.51.100.1, 203.0.113.7"] {
        open_from(&server, header).await.expect_refused(RefusedCode::TooMany, CloseCode::Again).await;
    }
    let (_neighbour, _) = hello_from(&server, "203.0.113.8", "Neighbour", None).await.unwrap();
    // Loopback is exempt.
    let mut here = Vec::new();
    for number in 0..5 {
        here.push(TestClient::login(server.local_addr(), &format!("Local {number}")).await);
    }
    // A disconnect frees its slot before it is announced.
    let (gone, login) = office.pop().unwrap();
    drop(gone);
    here[0].0.wait_for_state(login.me.token, UserState::Offline).await;
    let (_next, _) = hello_from(&server, "203.0.113.7", "Next", None).await.unwrap();
}

#[tokio::test]
async fn repeated_logins_and_resumes_are_limited() {
    let server = start_server().await;
    let mut client = TestClient::open(server.local_addr()).await;
    for _ in 0..5 {
        client.send(&ClientMessage::Hello { name: "Ana".into(), resume: None, secret: None, replace: false }).await;
        client.wait_for(|message| matches!(message, ServerMessage::Welcome { .. }).then_some(())).await;
        client.send(&ClientMessage::LogOut).await;
    }
    client.send(&ClientMessage::Hello { name: "Ana".into(), resume: None, secret: None, replace: false }).await;
    client.expect_refused(RefusedCode::TooMany, CloseCode::Again).await;

    // Resuming again and again is limited too.
    let (mut last, mut login) = TestClient::login(server.local_addr(), "Bo").await;
    let mut times = 0;
    let stopped = loop {
        match hello(&server, "Bo", Some(&login.ticket), None).await {
            Ok((client, back)) => (last, login, times) = (client, back, times + 1),
            Err(code) => break code,
        }
        assert!(times < 100, "the resumes are not limited");
    };
    assert_eq!(stopped, RefusedCode::TooMany);
    assert!(times >= 30, "{times} resumes: a bad network loses more connections");
    last.send_text("{}").await;
    last.next_error().await;
}

#[tokio::test]
async fn denylisted_users_are_disconnected_and_refused() {
    let file = AdmissionFile::new("# empty\n");
    let server = start_server_with(|options| {
        trust_loopback(options);
        options.admission.deny_file = Some(file.path());
    })
    .await;
    let (mut ana, _) = hello_from(&server, "192.0.2.1", "Ana", None).await.unwrap();
    let (mut mallory, login) = hello_from(&server, "198.51.100.7", "Mallory", None).await.unwrap();
    let (mut trudy, _) = hello_from(&server, "203.0.113.9", "Trudy", None).await.unwrap();
    let mut silent = open_from(&server, "203.0.113.10").await;
    file.write("MALLORY\n203.0.113.0/24\n");
    for client in [&mut mallory, &mut trudy, &mut silent] {
        client.expect_refused(RefusedCode::NotWelcome, CloseCode::Policy).await;
    }
    ana.wait_for_state(login.me.token, UserState::Offline).await;
    let back = send_hello(open_from(&server, "192.0.2.1").await, "mallory", Some(&login.ticket), None).await;
    assert_eq!(code(back), Some(RefusedCode::NotWelcome));
    open_from(&server, "203.0.113.77").await.expect_refused(RefusedCode::NotWelcome, CloseCode::Policy).await;
    let (_bo, _) = hello_from(&server, "198.51.100.7", "Bo", None).await.unwrap();
    // An invalid file keeps the old list in force; removing the name admits the user again.
    file.write("MALLORY\n203.0.113.0/24\n\u{202e}\n");
    file.write("203.0.113.0/24\n");
    file.wait_until_reloaded(2).await;
    let (_mallory, _) =
        send_hello(open_from(&server, "192.0.2.1").await, "Mallory", Some(&login.ticket), None).await.unwrap();
    assert_eq!(code(hello_from(&server, "203.0.113.9", "Cy", None).await), Some(RefusedCode::NotWelcome));
    ana.send_text("{}").await;
    ana.next_error().await;
}

#[tokio::test]
async fn the_header_of_an_untrusted_proxy_is_ignored() {
    let file = AdmissionFile::new("198.51.100.7\n");
    let server = start_server_with(|options| options.admission.deny_file = Some(file.path())).await;
    // The header neither denies the client nor admits it.
    let headers = [("sec-websocket-protocol", SUBPROTOCOL), ("x-forwarded-for", "198.51.100.7")];
    let client = TestClient::open_with_headers(server.local_addr(), &headers).await.unwrap();
    assert_eq!(code(send_hello(client, "Ana", None, None).await), None);

    file.write("127.0.0.1\n");
    let server = start_server_with(|options| options.admission.deny_file = Some(file.path())).await;
    for header in ["x-forwarded-for", "forwarded"] {
        let headers = [("sec-websocket-protocol", SUBPROTOCOL), (header, "for=192.0.2.1")];
        let mut client = TestClient::open_with_headers(server.local_addr(), &headers).await.unwrap();
        client.expect_refused(RefusedCode::NotWelcome, CloseCode::Policy).await;
    }
}

#[tokio::test]
async fn only_the_configured_proxy_header_is_read() {
    let file = AdmissionFile::new("198.51.100.0/24\n2001:db8:bad::/48\n");
    let server = start_server_with(|options| {
        trust_loopback(options);
        options.admission.proxy_header = hutong_server::ProxyHeader::Forwarded;
        options.admission.deny_file = Some(file.path());
    })
    .await;
    let open = async |forwarded: &str| {
        let headers =
            [("sec-websocket-protocol", SUBPROTOCOL), ("forwarded", forwarded), ("x-forwarded-for", "192.0.2.1")];
        TestClient::open_with_headers(server.local_addr(), &headers).await.unwrap()
    };
    for denied in ["for=198.51.100.7", "for=192.0.2.1, for=\"[2001:db8:bad::1]:443\";proto=https"] {
        open(denied).await.expect_refused(RefusedCode::NotWelcome, CloseCode::Policy).await;
    }
    let (_ana, _) = send_hello(open("for=198.51.100.7, for=192.0.2.5").await, "Ana", None, None).await.unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_password_hashed_by_the_program_works_and_stays_out_of_the_log() {
    let file = AdmissionFile::new("");
    let mut command = tokio::process::Command::new(SERVER_BINARY);
    command.args(["hash-password", "Ana"]).env_clear();
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut hashing = command.spawn().unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut hashing.stdin.take().unwrap(), b"Secretive open sesame\n").await.unwrap();
    let output = with_timeout("hash-password", hashing.wait_with_output()).await.unwrap();
    assert!(output.status.success());
    file.write(&String::from_utf8(output.stdout).unwrap());

    let path = file.path();
    let program = ServerProgram::start(&["--log", "trace", "--users-file", path.to_str().unwrap()]).await;
    let address = program.address;
    for (password, expected) in [("Secretive wrong", Some(RefusedCode::SecretWrong)), ("Secretive open sesame", None)] {
        let result = send_hello(TestClient::open(address).await, "Ana", None, Some(password)).await;
        assert_eq!(code(result), expected);
    }
    let log = program.log();
    assert!(log.contains("listening") && !log.contains("Secretive") && !log.contains("argon2"), "{log}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_deny_file_option_works_under_its_former_names_too() {
    let file = AdmissionFile::new("127.0.0.1\n");
    let path = file.path();
    let path = path.to_str().unwrap();
    let starts = [
        (String::new(), vec!["--deny-file", path]),
        (String::new(), vec!["--refused-file", path]),
        (format!("HUTONG_DENY_FILE='{path}'"), vec![]),
        (format!("HUTONG_REFUSED_FILE='{path}'"), vec![]),
    ];
    for (variable, arguments) in starts {
        let program = ServerProgram::start_with_shell(&format!("{variable} exec \"$0\" \"$@\""), &arguments).await;
        let mut client = TestClient::open(program.address).await;
        client.expect_refused(RefusedCode::NotWelcome, CloseCode::Policy).await;
    }
}
