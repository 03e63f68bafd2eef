//! Who is let in: secrets, tickets in their place, limits for each address, the list of the refused, and proxies.

use std::{fs, path::Path, path::PathBuf};

use hutong_protocol::{ClientMessage, ErrorCode, RefusedCode, SUBPROTOCOL, Secret, ServerMessage, Ticket, UserState};
use hutong_server::{Options, SecretKind, Server, users_file_line};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::common::{Client, Login, log, server, server_with};
#[cfg(target_os = "linux")]
use crate::common::{
    program::{PROGRAM, Program},
    soon,
};

const KEY: &str = "correct horse battery staple";

/// How a hello was answered.
type Answer = Result<(Client, Login), RefusedCode>;

/// A client that a proxy on this machine speaks for.
async fn open_from(server: &Server, address: &str) -> Client {
    let headers = [("sec-websocket-protocol", SUBPROTOCOL), ("x-forwarded-for", address)];
    Client::open_with(server.local_addr(), &headers).await.unwrap()
}

async fn say(mut client: Client, name: &str, resume: Option<&Ticket>, secret: Option<&str>) -> Answer {
    let secret = secret.map(|text| Secret::new(text).unwrap());
    client.send(&ClientMessage::Hello { name: name.into(), resume: resume.cloned(), secret }).await;
    match client.receive().await {
        ServerMessage::Welcome { me, ticket, users, .. } => Ok((client, Login { me, ticket, users })),
        ServerMessage::Refused { code, .. } => Err(code),
        other => panic!("{other:?} where an answer to hello was due"),
    }
}

async fn hello(server: &Server, name: &str, resume: Option<&Ticket>, secret: Option<&str>) -> Answer {
    say(Client::open(server.local_addr()).await, name, resume, secret).await
}

async fn hello_from(server: &Server, address: &str, name: &str, secret: Option<&str>) -> Answer {
    say(open_from(server, address).await, name, None, secret).await
}

fn code(answer: Answer) -> Option<RefusedCode> {
    answer.err()
}

struct File {
    directory: tempfile::TempDir,
}

impl File {
    fn new(text: &str) -> Self {
        log::collect();
        let file = Self { directory: tempfile::tempdir().unwrap() };
        file.write(text);
        file
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("file")
    }

    /// At once, as careful programs do.
    fn write(&self, text: &str) {
        let new = self.directory.path().join("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, self.path()).unwrap();
    }

    /// Waits until the server that was started with it has read it again so many times, and found it good.
    async fn is_read_anew(&self, times: usize) {
        log::until("read anew", &self.path(), times).await;
    }
}

async fn server_with_key(path: &Path) -> Server {
    server_with(|options| options.entry.secret = SecretKind::AccessKey(path.to_owned())).await
}

fn trust_this_machine(options: &mut Options) {
    options.entry.trusted_proxies = vec![hutong_server::parse_network("127.0.0.1").unwrap()];
}

#[tokio::test]
async fn an_access_key_is_asked_for_and_a_ticket_stands_in_for_it() {
    let file = File::new(KEY);
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
    // A ticket is its own name's, and one that was made up is nobody's.
    for (name, ticket) in [("Mallory", login.ticket.clone()), ("Ana", Ticket::new("u1.1.1.x"))] {
        let answer = hello(&server, name, Some(&ticket), Some(KEY)).await;
        assert_eq!(code(answer), Some(RefusedCode::TicketInvalid), "{name}");
    }
    // The name is looked at as before.
    assert_eq!(code(hello(&server, "ANA", None, Some(KEY)).await), Some(RefusedCode::NameTaken));
    assert_eq!(code(hello(&server, "\u{202e}", None, None).await), Some(RefusedCode::NameInvalid));
}

#[tokio::test]
async fn another_access_key_in_the_file_is_asked_for_without_a_restart() {
    let file = File::new(KEY);
    let server = server_with_key(&file.path()).await;
    let (mut ana, login) = hello(&server, "Ana", None, Some(KEY)).await.unwrap();
    file.write("short");
    file.write("another key than before");
    file.is_read_anew(1).await;
    let (_bo, _) = hello(&server, "Bo", None, Some("another key than before")).await.unwrap();
    assert_eq!(code(hello(&server, "Cy", None, Some(KEY)).await), Some(RefusedCode::SecretWrong));
    // Who is in stays, and does not come back by what was asked for before.
    ana.send_text("{}").await;
    assert_eq!(ana.error().await.0, ErrorCode::Malformed);
    drop(ana);
    let back = hello(&server, "Ana", Some(&login.ticket), None).await;
    assert_eq!(code(back), Some(RefusedCode::TicketInvalid));
}

#[tokio::test]
async fn a_server_started_anew_asks_for_its_new_key_and_knows_its_tickets_by_the_old() {
    let (file, keys) = (File::new(KEY), tempfile::tempdir().unwrap());
    let start = async || {
        let ticket_key = hutong_server::TicketKey::from_file(&keys.path().join("ticket-key")).unwrap();
        server_with(|options| {
            options.entry.secret = SecretKind::AccessKey(file.path());
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
async fn names_come_in_with_their_own_password() {
    let line = |name, password| users_file_line(name, password).unwrap();
    let (ana, bo) = (line("Ana", "open sesame"), line("小波", "芝麻开门"));
    let file = File::new(&format!("{ana}\n{bo}\n"));
    let server = server_with(|options| options.entry.secret = SecretKind::Users(file.path())).await;
    assert_eq!(code(hello(&server, "Ana", None, None).await), Some(RefusedCode::SecretRequired));
    for (name, password) in [("Ana", "芝麻开门"), ("Mallory", "open sesame"), ("Ana", "")] {
        let answer = hello(&server, name, None, Some(password)).await;
        assert_eq!(code(answer), Some(RefusedCode::SecretWrong), "{name}");
    }
    let (_bo, bo_login) = hello(&server, "小波", None, Some("芝麻开门")).await.unwrap();
    let (ana, login) = hello(&server, "ANA", None, Some("open sesame")).await.unwrap();
    // Coming back is for the name that the password was for: nobody becomes somebody else by a ticket.
    drop(ana);
    let answer = hello(&server, "Ana", Some(&bo_login.ticket), None).await;
    assert_eq!(code(answer), Some(RefusedCode::TicketInvalid));
    let (_ana, again) = hello(&server, "Ana", Some(&login.ticket), None).await.unwrap();
    assert_eq!(again.me.token, login.me.token);
    // Somebody who is taken out of the file does not come back by a ticket, and the others notice nothing.
    file.write(&bo);
    file.is_read_anew(1).await;
    let answer = hello(&server, "Ana", Some(&again.ticket), None).await;
    assert_eq!(code(answer), Some(RefusedCode::TicketInvalid));
    assert_eq!(code(hello(&server, "Ana", None, Some("open sesame")).await), Some(RefusedCode::SecretWrong));
    hello(&server, "小波", Some(&bo_login.ticket), None).await.unwrap();
}

#[tokio::test]
async fn who_guesses_has_to_wait_and_the_neighbours_do_not() {
    let file = File::new(KEY);
    let server = server_with(|options| {
        trust_this_machine(options);
        options.entry.secret = SecretKind::AccessKey(file.path());
    })
    .await;
    let mut tried = 0;
    let stopped = loop {
        match hello_from(&server, "2001:db8:1:2::bad", "Mallory", Some(&format!("guess {tried}"))).await {
            Err(RefusedCode::SecretWrong) => tried += 1,
            other => break code(other),
        }
        assert!(tried < 100, "nobody stops it");
    };
    assert_eq!(stopped, Some(RefusedCode::TooMany));
    assert!(tried >= 50, "{tried}: an office mistypes more often");
    // From the same network the right key has to wait as well, and from another it has not.
    let same = hello_from(&server, "2001:db8:1:2::900d", "Ana", Some(KEY)).await;
    assert_eq!(code(same), Some(RefusedCode::TooMany));
    let (_bo, _) = hello_from(&server, "2001:db8:1:3::1", "Bo", Some(KEY)).await.unwrap();
}

#[tokio::test]
async fn one_address_has_so_many_connections_whatever_it_says_of_itself() {
    let server = server_with(|options| {
        trust_this_machine(options);
        options.entry.max_per_address = 3;
    })
    .await;
    let mut office = Vec::new();
    for (number, said) in ["203.0.113.7", "192.0.2.99, 203.0.113.7", "127.0.0.1, 203.0.113.7"].iter().enumerate() {
        office.push(hello_from(&server, said, &format!("Person {number}"), None).await.unwrap());
    }
    for said in ["203.0.113.7", "198.51.100.1, 203.0.113.7"] {
        open_from(&server, said).await.is_refused(RefusedCode::TooMany, CloseCode::Again).await;
    }
    let (_neighbour, _) = hello_from(&server, "203.0.113.8", "Neighbour", None).await.unwrap();
    // This machine is no address among others.
    let mut here = Vec::new();
    for number in 0..5 {
        here.push(Client::login(server.local_addr(), &format!("Local {number}")).await);
    }
    // Who goes makes room, by the time that the others are told.
    let (gone, login) = office.pop().unwrap();
    drop(gone);
    here[0].0.sees(login.me.token, UserState::Offline).await;
    let (_next, _) = hello_from(&server, "203.0.113.7", "Next", None).await.unwrap();
}

#[tokio::test]
async fn a_loop_of_log_ins_ends() {
    let server = server().await;
    let mut client = Client::open(server.local_addr()).await;
    for _ in 0..5 {
        client.send(&ClientMessage::Hello { name: "Ana".into(), resume: None, secret: None }).await;
        client.wait_for(|message| matches!(message, ServerMessage::Welcome { .. }).then_some(())).await;
        client.send(&ClientMessage::LogOut).await;
    }
    client.send(&ClientMessage::Hello { name: "Ana".into(), resume: None, secret: None }).await;
    client.is_refused(RefusedCode::TooMany, CloseCode::Again).await;

    // Coming back without end, too.
    let (mut last, mut login) = Client::login(server.local_addr(), "Bo").await;
    let mut times = 0;
    let stopped = loop {
        match hello(&server, "Bo", Some(&login.ticket), None).await {
            Ok((client, back)) => (last, login, times) = (client, back, times + 1),
            Err(code) => break code,
        }
        assert!(times < 100, "nobody stops it");
    };
    assert_eq!(stopped, RefusedCode::TooMany);
    assert!(times >= 30, "{times}: a bad network loses more connections");
    last.send_text("{}").await;
    last.error().await;
}

#[tokio::test]
async fn who_is_on_the_list_is_kept_out_and_put_out() {
    let file = File::new("# nobody yet\n");
    let server = server_with(|options| {
        trust_this_machine(options);
        options.entry.refused_file = Some(file.path());
    })
    .await;
    let (mut ana, _) = hello_from(&server, "192.0.2.1", "Ana", None).await.unwrap();
    let (mut mallory, login) = hello_from(&server, "198.51.100.7", "Mallory", None).await.unwrap();
    let (mut trudy, _) = hello_from(&server, "203.0.113.9", "Trudy", None).await.unwrap();
    let mut silent = open_from(&server, "203.0.113.10").await;
    file.write("MALLORY\n203.0.113.0/24\n");
    for client in [&mut mallory, &mut trudy, &mut silent] {
        client.is_refused(RefusedCode::NotWelcome, CloseCode::Policy).await;
    }
    ana.sees(login.me.token, UserState::Offline).await;
    let back = say(open_from(&server, "192.0.2.1").await, "mallory", Some(&login.ticket), None).await;
    assert_eq!(code(back), Some(RefusedCode::NotWelcome));
    open_from(&server, "203.0.113.77").await.is_refused(RefusedCode::NotWelcome, CloseCode::Policy).await;
    let (_bo, _) = hello_from(&server, "198.51.100.7", "Bo", None).await.unwrap();
    // A slip lets nobody back in; taking them off the list does.
    file.write("MALLORY\n203.0.113.0/24\n\u{202e}\n");
    file.write("203.0.113.0/24\n");
    file.is_read_anew(2).await;
    let (_mallory, _) = say(open_from(&server, "192.0.2.1").await, "Mallory", Some(&login.ticket), None).await.unwrap();
    assert_eq!(code(hello_from(&server, "203.0.113.9", "Cy", None).await), Some(RefusedCode::NotWelcome));
    ana.send_text("{}").await;
    ana.error().await;
}

#[tokio::test]
async fn who_is_no_proxy_of_ours_is_not_believed() {
    let file = File::new("198.51.100.7\n");
    let server = server_with(|options| options.entry.refused_file = Some(file.path())).await;
    // Neither to their harm nor to their good.
    let headers = [("sec-websocket-protocol", SUBPROTOCOL), ("x-forwarded-for", "198.51.100.7")];
    let client = Client::open_with(server.local_addr(), &headers).await.unwrap();
    assert_eq!(code(say(client, "Ana", None, None).await), None);

    file.write("127.0.0.1\n");
    let server = server_with(|options| options.entry.refused_file = Some(file.path())).await;
    for header in ["x-forwarded-for", "forwarded"] {
        let headers = [("sec-websocket-protocol", SUBPROTOCOL), (header, "for=192.0.2.1")];
        let mut client = Client::open_with(server.local_addr(), &headers).await.unwrap();
        client.is_refused(RefusedCode::NotWelcome, CloseCode::Policy).await;
    }
}

#[tokio::test]
async fn the_header_that_the_proxies_write_is_the_only_one() {
    let file = File::new("198.51.100.0/24\n2001:db8:bad::/48\n");
    let server = server_with(|options| {
        trust_this_machine(options);
        options.entry.proxy_header = hutong_server::ProxyHeader::Forwarded;
        options.entry.refused_file = Some(file.path());
    })
    .await;
    let open = async |forwarded: &str| {
        let headers =
            [("sec-websocket-protocol", SUBPROTOCOL), ("forwarded", forwarded), ("x-forwarded-for", "192.0.2.1")];
        Client::open_with(server.local_addr(), &headers).await.unwrap()
    };
    for refused in ["for=198.51.100.7", "for=192.0.2.1, for=\"[2001:db8:bad::1]:443\";proto=https"] {
        open(refused).await.is_refused(RefusedCode::NotWelcome, CloseCode::Policy).await;
    }
    let (_ana, _) = say(open("for=198.51.100.7, for=192.0.2.5").await, "Ana", None, None).await.unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_secret_stays_out_of_the_log_and_a_password_is_hashed_by_the_program() {
    let file = File::new("");
    let mut command = tokio::process::Command::new(PROGRAM);
    command.args(["hash-password", "Ana"]).env_clear();
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut hashing = command.spawn().unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut hashing.stdin.take().unwrap(), b"Secretive open sesame\n").await.unwrap();
    let output = soon("the hash", hashing.wait_with_output()).await.unwrap();
    assert!(output.status.success());
    file.write(&String::from_utf8(output.stdout).unwrap());

    let path = file.path();
    let program = Program::start(&["--log", "trace", "--users-file", path.to_str().unwrap()]).await;
    let address = program.address;
    for (password, expected) in [("Secretive wrong", Some(RefusedCode::SecretWrong)), ("Secretive open sesame", None)] {
        let answer = say(Client::open(address).await, "Ana", None, Some(password)).await;
        assert_eq!(code(answer), expected);
    }
    let said = program.said();
    assert!(said.contains("listening") && !said.contains("Secretive") && !said.contains("argon2"), "{said}");
}
