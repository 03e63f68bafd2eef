//! The TURN server, tried with coturn's tools, and what clients are told of it.

use std::{net::SocketAddr, process::Stdio, time::Duration};

use futures_util::future::join_all;
use hutong_protocol::{ClientMessage, IceServer, RefusedCode, Secret, ServerMessage, Token};
use hutong_server::{
    Options, SecretRequirement, Server, TicketKey, TurnOptions, TurnSecret, revocation_file_beside, users_file_line,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    process::Command,
};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::common::{
    TestClient, http_request, program::ServerProgram, start_server_with, test_ca::TestCa, tls_connect_trusting,
    with_timeout,
};

use crate::network_sharing::{certificate, external_address, start_server_below_ephemeral_ports};

const SECRET: &str = "north-by-northwest-1959-secret";
const NAME: &str = "hutong.test";

/// Clients of one run of coturn's client, two for each conversation, and messages of each.
const CLIENTS: usize = 4;
const MESSAGES: usize = 10;

/// Starts a server whose TURN server has a port of its own on loopback, and knows [`SECRET`].
async fn start_with_own_port(change: impl FnOnce(&mut Options)) -> (Server, SocketAddr) {
    let server = start_server_with(|options| {
        options.turn = Some(TurnOptions { listen: vec![([127, 0, 0, 1], 0).into()], ..TurnOptions::default() });
        options.turn_secret = Some(TurnSecret::parse(SECRET).unwrap());
        options.names = vec![NAME.parse().unwrap()];
        change(options);
    })
    .await;
    let address = server.turn_addresses()[0];
    (server, address)
}

/// Runs one of coturn's tools to its end, and returns what it has printed.
async fn run_tool(tool: &str, at: SocketAddr, arguments: &[&str]) -> String {
    let mut command = Command::new(tool);
    command.args(arguments).args(["-p", &at.port().to_string(), &at.ip().to_string()]);
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output =
        with_timeout(tool, output).await.unwrap_or_else(|error| panic!("{tool}, from Debian's coturn: {error}"));
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Lets pairs of coturn's clients exchange messages through the relay. Returns the tool's output.
async fn exchange(at: SocketAddr, arguments: &[&str]) -> String {
    let (clients, messages) = (CLIENTS.to_string(), MESSAGES.to_string());
    let common = ["-y", "-c", "-m", &clients, "-n", &messages];
    run_tool("turnutils_uclient", at, &[&common, arguments].concat()).await
}

fn assert_all_arrived(output: &str, what: &str) {
    assert_arrived(output, CLIENTS * MESSAGES, what);
}

/// Asserts that at least this many messages arrived.
fn assert_arrived(output: &str, least: usize, what: &str) {
    let total =
        output.lines().filter(|line| !line.contains("msz=")).find_map(|line| line.rsplit_once("tot_recv_msgs="));
    let arrived = total.and_then(|(_, number)| number.trim().parse().ok()).unwrap_or(0);
    assert!((least..=CLIENTS * MESSAGES).contains(&arrived), "{what}: {arrived} of {least}: {output}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn coturns_client_loses_no_message_over_udp_tcp_and_tls() {
    let directory = tempfile::tempdir().unwrap();
    let ca = TestCa::new();
    let root = directory.path().join("root.pem");
    std::fs::write(&root, ca.pem()).unwrap();
    let tls = ca.issue(NAME).tls(directory.path());
    let (_server, address) = start_with_own_port(|options| options.tls = Some(tls)).await;
    let root = root.to_str().unwrap();
    let transports: [&[&str]; 3] = [&[], &["-t"], &["-t", "-S", "-E", root]];
    // Odd sizes need padding on a stream.
    let kinds: [&[&str]; 4] = [&["-l", "171"], &["-l", "172", "-s"], &["-l", "1201"], &["-l", "97", "-s"]];
    let runs = transports.iter().flat_map(|transport| kinds.iter().map(move |kind| [*transport, *kind].concat()));
    // A user for each, because all together exceed the quota of one.
    join_all(runs.enumerate().map(async |(user, run)| {
        let user = user.to_string();
        let arguments = [&["-u", &user, "-W", SECRET], &run[..]].concat();
        let output = exchange(address, &arguments).await;
        // Over TLS the tool may never read the last messages of a client, also with coturn's own server: it waits for the
        // socket while they are in OpenSSL's buffer.
        let unread = if run.contains(&"-S") { CLIENTS * 3 } else { 0 };
        assert_arrived(&output, CLIENTS * MESSAGES - unread, &run.join(" "));
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn extra_requests_and_an_ipv6_relay_address_work_and_unsupported_ones_are_refused() {
    let (_server, address) = start_with_own_port(|_| {}).await;
    let with_secret = ["-u", "7", "-W", SECRET];
    let [extra, ipv6, unfragmented] = [["-G"], ["-x"], ["-g"]].map(|flags| [&with_secret[..], &flags].concat());
    let (extra, ipv6, unfragmented) =
        tokio::join!(exchange(address, &extra), exchange(address, &ipv6), exchange(address, &unfragmented));
    assert_all_arrived(&extra, "-G");
    assert_all_arrived(&ipv6, "-x");
    assert!(unfragmented.contains("error 420"), "{unfragmented}");
}

#[tokio::test]
async fn wrong_and_expired_credentials_are_refused() {
    let (_server, address) = start_with_own_port(|_| {}).await;
    let expired = TurnSecret::parse(SECRET).unwrap().issue(Token(7), Duration::from_secs(1_700_000_000));
    let expired = ["-u", &expired.username, "-w", &expired.password];
    for credentials in [&["-u", "7", "-W", "another-secret-of-some-length"], &expired] {
        let output = exchange(address, credentials).await;
        assert!(output.contains("Cannot complete Allocation"), "{credentials:?}: {output}");
    }
}

#[tokio::test]
async fn stun_tools_learn_the_clients_address() {
    let (_server, address) = start_with_own_port(|_| {}).await;
    let output = run_tool("turnutils_stunclient", address, &[]).await;
    assert!(output.contains("UDP reflexive addr: 127.0.0.1:"), "{output}");
    let output = run_tool("turnutils_natdiscovery", address, &["-m", "-f"]).await;
    assert_eq!(output.matches("UDP reflexive addr: 127.0.0.1:").count(), 3, "{output}");
}

/// Logs in with this `Host` header, and returns the client and the ICE servers of its welcome.
async fn ice_servers(server: &Server, host: &str) -> (TestClient, Vec<IceServer>) {
    ice_servers_with(server, host, None).await
}

/// As [`ice_servers`], with a secret.
async fn ice_servers_with(server: &Server, host: &str, secret: Option<&str>) -> (TestClient, Vec<IceServer>) {
    let stream = TcpStream::connect(server.local_addr()).await.unwrap();
    let url = format!("ws://{host}/ws");
    let headers = [("sec-websocket-protocol", hutong_protocol::SUBPROTOCOL)];
    let mut client = TestClient::open_over(Box::new(stream), &url, &headers).await.unwrap();
    let secret = secret.map(|text| Secret::new(text).unwrap());
    client.send(&ClientMessage::Hello { name: "Ana".into(), resume: None, secret, replace: false }).await;
    match client.receive().await {
        ServerMessage::Welcome { ice_servers, .. } => (client, ice_servers),
        other => panic!("{other:?}"),
    }
}

fn urls(servers: &[IceServer]) -> Vec<&str> {
    servers.iter().flat_map(|server| &server.urls).map(String::as_str).collect()
}

#[tokio::test]
async fn the_credentials_of_welcome_and_of_their_renewal_are_accepted() {
    let [old, new] = ["01", "02"].map(|digits| digits.repeat(32));
    let (server, address) = start_with_own_port(|options| {
        options.turn_secret = None;
        options.ticket_key = Some(TicketKey::parse(&old).unwrap());
    })
    .await;
    let port = address.port();
    let (mut client, servers) = ice_servers(&server, NAME).await;
    let expected = [
        format!("stun:hutong.test:{port}"),
        format!("turn:hutong.test:{port}?transport=udp"),
        format!("turn:hutong.test:{port}?transport=tcp"),
    ];
    assert_eq!(urls(&servers), expected);
    assert_credential_works(address, &servers).await;
    server.set_ticket_key(&TicketKey::parse(&format!("{new} {old}")).unwrap());
    let renewed = client
        .wait_for(|message| match message {
            ServerMessage::IceServers { ice_servers } => Some(ice_servers),
            _ => None,
        })
        .await;
    assert_eq!(urls(&renewed), expected);
    assert_ne!(renewed, servers);
    assert_credential_works(address, &renewed).await;
    assert_credential_works(address, &servers).await;
    server.set_ticket_key(&TicketKey::parse(&new).unwrap());
    let (username, credential) = credential_of(&servers);
    let output = exchange(address, &["-u", username, "-w", credential]).await;
    assert!(output.contains("Cannot complete Allocation"), "the old key was removed: {output}");
}

#[tokio::test]
async fn a_user_who_logs_out_or_is_denied_cannot_use_the_relay() {
    let directory = tempfile::tempdir().unwrap();
    let deny_file = directory.path().join("deny");
    std::fs::write(&deny_file, "").unwrap();
    let (server, address) = start_with_own_port(|options| options.admission.deny_file = Some(deny_file.clone())).await;
    let (mut client, servers) = ice_servers(&server, "hutong.test").await;
    assert_credential_works(address, &servers).await;
    client.send(&ClientMessage::LogOut).await;
    // The answer comes after the logout.
    client.send_text("{}").await;
    client.next_error().await;
    assert_credential_is_refused(address, &servers).await;
    drop(client);
    let (mut client, servers) = ice_servers(&server, "hutong.test").await;
    assert_credential_works(address, &servers).await;
    let draft = directory.path().join("draft");
    std::fs::write(&draft, "Ana\n").unwrap();
    std::fs::rename(draft, &deny_file).unwrap();
    client.expect_refused(RefusedCode::NotWelcome, CloseCode::Policy).await;
    assert_credential_is_refused(address, &servers).await;
}

#[tokio::test]
async fn the_credential_of_an_ended_session_is_refused_also_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let [users, key] = ["users", "key"].map(|name| directory.path().join(name));
    let set_password = |password| {
        let draft = directory.path().join("draft");
        std::fs::write(&draft, users_file_line("Ana", password).unwrap() + "\n").unwrap();
        std::fs::rename(draft, &users).unwrap();
    };
    set_password("open sesame");
    let start = async || {
        start_with_own_port(|options| {
            options.ticket_key = Some(TicketKey::from_file(&key).unwrap());
            options.revocation_file = Some(revocation_file_beside(&key));
            options.admission.secret = SecretRequirement::UsersFile(users.clone());
        })
        .await
    };
    let (server, address) = start().await;
    let (mut thief, stolen) = ice_servers_with(&server, "hutong.test", Some("open sesame")).await;
    assert_credential_works(address, &stolen).await;
    let (mut owner, former) = ice_servers_with(&server, "hutong.test", Some("open sesame")).await;
    thief.expect_refused(RefusedCode::Replaced, CloseCode::Policy).await;
    assert_credential_is_refused(address, &stolen).await;
    assert_credential_works(address, &former).await;
    set_password("a new one");
    owner.expect_refused(RefusedCode::SecretChanged, CloseCode::Policy).await;
    assert_credential_is_refused(address, &former).await;
    let (_owner, current) = ice_servers_with(&server, "hutong.test", Some("a new one")).await;
    assert_credential_works(address, &current).await;
    server.shutdown().await;
    // The credentials of a configured secret are valid there too, unless they are revoked.
    let (_server, address) = start().await;
    assert_credential_is_refused(address, &stolen).await;
    assert_credential_works(address, &current).await;
}

async fn assert_credential_is_refused(at: SocketAddr, servers: &[IceServer]) {
    let (username, credential) = credential_of(servers);
    let output = exchange(at, &["-u", username, "-w", credential]).await;
    assert!(output.contains("Cannot complete Allocation"), "{output}");
}

fn credential_of(servers: &[IceServer]) -> (&str, &str) {
    let turn = servers.iter().find(|server| server.username.is_some()).unwrap();
    (turn.username.as_deref().unwrap(), turn.credential.as_deref().unwrap())
}

async fn assert_credential_works(at: SocketAddr, servers: &[IceServer]) {
    let (username, credential) = credential_of(servers);
    assert_all_arrived(&exchange(at, &["-u", username, "-w", credential]).await, username);
}

#[tokio::test]
async fn a_server_on_loopback_or_without_turn_offers_none() {
    let loopback = start_server_with(|_| {}).await;
    assert_eq!(ice_servers(&loopback, "localhost").await.1, []);
    let off = start_server_with(|options| {
        options.turn = None;
        options.names = vec![NAME.parse().unwrap()];
    })
    .await;
    assert_eq!(ice_servers(&off, NAME).await.1, []);
}

#[tokio::test]
async fn a_coturn_with_the_same_secret_gets_credentials_for_each_user() {
    let server = start_server_with(|options| {
        options.turn_secret = Some(TurnSecret::parse(SECRET).unwrap());
        options.names = vec![NAME.parse().unwrap()];
        options.ice_servers =
            vec![IceServer { urls: vec!["turn:coturn.test".into()], username: None, credential: None }];
    })
    .await;
    let (_client, servers) = ice_servers(&server, NAME).await;
    assert_eq!(urls(&servers), ["turn:coturn.test"]);
    let (username, credential) = credential_of(&servers);
    let (expires, user) = username.split_once(':').unwrap();
    let expires = Duration::from_secs(expires.parse().unwrap());
    let expected = TurnSecret::parse(SECRET).unwrap().issue(Token(user.parse().unwrap()), expires);
    assert_eq!(credential, expected.password);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_opens_to_the_network_relays_at_its_network_address_until_it_closes() {
    let Some(external) = external_address() else {
        eprintln!("skipped: this machine has only loopback addresses");
        return;
    };
    let mut server = start_server_below_ephemeral_ports().await;
    let port = server.local_addr().port();
    let (mut ana, before) = ice_servers(&server, &format!("localhost:{port}")).await;
    assert_eq!(before, []);
    server.open_to_network(certificate()).await.unwrap();
    let renewed = async |ana: &mut TestClient| {
        let renewed = ana.wait_for(|message| match message {
            ServerMessage::IceServers { ice_servers } => Some(ice_servers),
            _ => None,
        });
        renewed.await
    };
    let open = renewed(&mut ana).await;
    let host = match external {
        std::net::IpAddr::V4(address) => address.to_string(),
        std::net::IpAddr::V6(address) => format!("[{address}]"),
    };
    let expected = [
        format!("stun:{host}:{port}"),
        format!("turn:{host}:{port}?transport=udp"),
        format!("turn:{host}:{port}?transport=tcp"),
    ];
    assert_eq!(urls(&open), expected);
    let at = SocketAddr::new(external, port);
    assert_credential_works(at, &open).await;
    let (username, credential) = credential_of(&open);
    assert_all_arrived(&exchange(at, &["-t", "-u", username, "-w", credential]).await, "TCP");
    server.close_to_network().await.unwrap();
    assert_eq!(renewed(&mut ana).await, []);
    assert!(UdpSocket::bind((external, port)).await.is_ok(), "the UDP port is free again");
}

/// A Binding request (RFC 8489, section 6).
fn binding_request() -> Vec<u8> {
    let mut request = vec![0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42];
    request.extend([7; 12]);
    request
}

/// Whether a STUN server answers on this stream.
async fn answers_stun(stream: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin)) -> bool {
    stream.write_all(&binding_request()).await.unwrap();
    let mut response = [0; 32];
    let read = with_timeout("STUN response", stream.read_exact(&mut response)).await;
    read.is_ok() && response.starts_with(&[1, 1])
}

#[tokio::test]
async fn stun_and_http_share_a_port_with_and_without_tls() {
    let directory = tempfile::tempdir().unwrap();
    let ca = TestCa::new();
    let tls = ca.issue(NAME).tls(directory.path());
    let server = start_server_with(|options| options.tls = Some(tls)).await;
    let address = server.local_addr();
    let mut stream = TcpStream::connect(address).await.unwrap();
    assert!(answers_stun(&mut stream).await && answers_stun(&mut stream).await, "plain");
    let mut stream = tls_connect_trusting(address, &ca.certificate, NAME).await.unwrap();
    assert!(answers_stun(&mut stream).await && answers_stun(&mut stream).await, "TLS");
    assert_eq!(http_request(address, "GET /healthz", &[]).await.status, 200, "HTTP");
    let mut stream = tls_connect_trusting(address, &ca.certificate, NAME).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: hutong.test\r\n\r\n").await.unwrap();
    assert_eq!(with_timeout("HTTP response", stream.read_u8()).await.unwrap(), b'H', "HTTPS");
}

#[tokio::test]
async fn a_port_for_turn_alone_serves_nothing_else() {
    let (server, own) = start_with_own_port(|_| {}).await;
    let mut stream = TcpStream::connect(own).await.unwrap();
    assert!(answers_stun(&mut stream).await);
    let mut stream = TcpStream::connect(own).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: hutong.test\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // Closed or reset.
    let _ = with_timeout("end of the connection", stream.read_to_end(&mut answer)).await;
    assert_eq!(answer, b"");
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    stream.write_all(&binding_request()).await.unwrap();
    let mut answer = Vec::new();
    let _ = with_timeout("end of the connection", stream.read_to_end(&mut answer)).await;
    assert!(!answer.starts_with(&[1, 1]), "the web port serves no TURN then");
}

#[tokio::test]
async fn garbage_on_the_turn_port_is_neither_answered_nor_logged() {
    let program = ServerProgram::start(&["--turn-listen", "127.0.0.1:0", "--log", "info,stun_types=trace"]).await;
    program.wait_for_log("TURN at ", 1).await;
    let log = program.log();
    let (_, at) = log.split_once("TURN at ").unwrap();
    let at: SocketAddr = at.split_whitespace().next().unwrap().parse().unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(at).await.unwrap();
    let mut truncated = binding_request();
    truncated[3] = 40;
    for garbage in [&b"hello"[..], &truncated, &[0; 20], &[0x40; 100], &[0xFF; 1_400]] {
        socket.send(garbage).await.unwrap();
    }
    socket.send(&binding_request()).await.unwrap();
    let mut response = [0; 100];
    let length = with_timeout("STUN response", socket.recv(&mut response)).await.unwrap();
    assert_eq!((length, &response[..2]), (32, &[1, 1][..]), "only the request is answered");
    program.signal("-INT").await;
    let (_, log) = program.wait().await;
    let port = socket.local_addr().unwrap().port().to_string();
    assert!(!log.contains("stun_types") && !log.contains(&port), "{log}");
}
