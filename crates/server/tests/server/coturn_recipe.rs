//! The configuration of coturn in docs/DEPLOY.md: coturn accepts it and our credentials, and relays to public addresses only.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    process::Stdio,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hutong_protocol::Token;
use hutong_server::TurnSecret;
use stun_types::{
    AddressFamily,
    attribute::{AttributeWrite, ErrorCode, Nonce, Realm, Username},
    message::{
        IntegrityAlgorithm, LongTermKeyCredentials, Message, MessageClass, MessageType, MessageWrite, MessageWriteExt,
        MessageWriteVec, Method, TransactionId,
    },
};
use tokio::{
    net::UdpSocket,
    process::{Child, Command},
};
use turn_types::{
    attribute::{RequestedAddressFamily, RequestedTransport, XorPeerAddress},
    message::{ALLOCATE, CREATE_PERMISSION},
};

use crate::common::with_timeout;

const DEPLOY: &str = include_str!("../../../../docs/DEPLOY.md");

/// Addresses of this machine, of its networks, of tunnels to them, and of no unicast.
const DENIED_IPV4: [&str; 20] = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.127.255.254",
    "127.0.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.254",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.254",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
];

const DENIED_IPV6: [&str; 17] = [
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:10.0.0.1",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
];

/// Public neighbours of denied networks. A permission sends nothing to them.
const PERMITTED_IPV4: [&str; 6] = ["9.255.255.255", "100.63.0.1", "172.32.0.1", "192.0.1.1", "198.20.0.1", "223.1.1.1"];
const PERMITTED_IPV6: [&str; 3] = ["2001:200::1", "2003::1", "2a00::1"];

/// The recipe of docs/DEPLOY.md.
fn recipe() -> &'static str {
    let (_, rest) = DEPLOY.split_once("```coturn\n").expect("a recipe for coturn");
    rest.split_once("```").map(|(recipe, _)| recipe).expect("the end of the recipe")
}

/// Starts coturn with the recipe on this port of loopback, where loopback is denied by the recipe alone. Killed on drop.
fn start_coturn(directory: &tempfile::TempDir, port: u16) -> Child {
    let file = directory.path().join("turnserver.conf");
    let place = directory.path().display();
    let configuration = format!(
        "{}listening-ip=127.0.0.1\nlistening-port={port}\nrelay-ip=127.0.0.1\nrelay-ip=::1\nno-tcp\nno-tls\nno-dtls\n\
         allow-loopback-peers\nlog-file=stdout\npidfile={place}/pid\nuserdb={place}/turndb\n",
        recipe()
    );
    std::fs::write(&file, configuration).unwrap();
    let mut command = Command::new("turnserver");
    command.arg("-c").arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command.spawn().unwrap_or_else(|error| panic!("turnserver, from Debian's coturn: {error}"))
}

/// A client with one allocation.
struct TurnClient {
    socket: UdpSocket,
    username: String,
    password: String,
    /// Realm and nonce, once known.
    challenge: Option<(String, String)>,
}

impl TurnClient {
    /// Allocates a relayed address of this family, with a credential as our server issues it.
    async fn allocate(at: SocketAddr, family: AddressFamily) -> Self {
        let secret = recipe().lines().find_map(|line| line.strip_prefix("static-auth-secret=")).unwrap();
        let tomorrow = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_hours(24);
        let credential = TurnSecret::parse(secret).unwrap().issue(Token(7), tomorrow);
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        socket.connect(at).await.unwrap();
        let mut client = Self { socket, username: credential.username, password: credential.password, challenge: None };
        let attributes: [&dyn AttributeWrite; 2] = [&RequestedTransport::new(17), &RequestedAddressFamily::new(family)];
        assert_eq!(client.ask(ALLOCATE, TransactionId::generate(), &attributes).await, Some(401));
        assert_eq!(client.ask(ALLOCATE, TransactionId::generate(), &attributes).await, None, "{family:?}");
        client
    }

    /// Asks for a permission. Returns the code of the refusal.
    async fn permit(&mut self, peer: IpAddr) -> Option<u16> {
        let transaction = TransactionId::generate();
        let peer = XorPeerAddress::new(SocketAddr::new(peer, 80), transaction);
        self.ask(CREATE_PERMISSION, transaction, &[&peer]).await
    }

    /// Sends a request until it is answered. Returns the code of the error.
    async fn ask(
        &mut self,
        method: Method,
        transaction: TransactionId,
        attributes: &[&dyn AttributeWrite],
    ) -> Option<u16> {
        let kind = MessageType::from_class_method(MessageClass::Request, method);
        let mut request = Message::builder(kind, transaction, MessageWriteVec::new());
        for attribute in attributes {
            request.add_attribute(*attribute).unwrap();
        }
        if let Some((realm, nonce)) = &self.challenge {
            request.add_attribute(&Username::new(&self.username).unwrap()).unwrap();
            request.add_attribute(&Realm::new(realm).unwrap()).unwrap();
            request.add_attribute(&Nonce::new(nonce).unwrap()).unwrap();
            let (username, password) = (self.username.clone(), self.password.clone());
            let key = LongTermKeyCredentials::new(username, password, realm.clone()).make_key(IntegrityAlgorithm::Sha1);
            request.add_message_integrity_with_key(&key, IntegrityAlgorithm::Sha1).unwrap();
        }
        let request = request.finish();
        let response = with_timeout("coturn's response", self.exchange(&request)).await;
        let response = Message::from_bytes(&response).unwrap();
        if let (Ok(realm), Ok(nonce)) = (response.attribute::<Realm>(), response.attribute::<Nonce>()) {
            self.challenge = Some((realm.realm().to_owned(), nonce.nonce().to_owned()));
        }
        (response.class() == MessageClass::Error).then(|| response.attribute::<ErrorCode>().unwrap().code())
    }

    /// Sends a request again and again: coturn may not listen yet. Returns the response to it: an earlier request that was sent
    /// twice has two.
    async fn exchange(&self, request: &[u8]) -> Vec<u8> {
        /// The place of the transaction ID (RFC 8489, section 5).
        const TRANSACTION: std::ops::Range<usize> = 8..20;
        loop {
            // Refused while nobody listens.
            let _ = self.socket.send(request).await;
            let answer = async {
                let mut response = vec![0; 2_000];
                loop {
                    let length = self.socket.recv(&mut response).await?;
                    if response[TRANSACTION] == request[TRANSACTION] {
                        response.truncate(length);
                        return Ok::<_, std::io::Error>(response);
                    }
                }
            };
            if let Ok(Ok(response)) = tokio::time::timeout(Duration::from_millis(500), answer).await {
                return response;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn coturns_recipe_relays_to_public_addresses_only() {
    let directory = tempfile::tempdir().unwrap();
    let free = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
    let _coturn = start_coturn(&directory, free.port());
    for (family, denied, permitted) in [
        (AddressFamily::IPV4, &DENIED_IPV4[..], &PERMITTED_IPV4[..]),
        (AddressFamily::IPV6, &DENIED_IPV6[..], &PERMITTED_IPV6[..]),
    ] {
        let mut client = TurnClient::allocate(free, family).await;
        for (peers, expected) in [(denied, Some(403)), (permitted, None)] {
            for peer in peers {
                assert_eq!(client.permit(peer.parse().unwrap()).await, expected, "{peer}");
            }
        }
    }
}
