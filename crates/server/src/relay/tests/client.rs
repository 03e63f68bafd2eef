//! A TURN client for tests: builds requests, and reads responses.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use hutong_protocol::Token;
use stun_types::{
    attribute::{AttributeWrite, ErrorCode, Nonce, Realm, Username},
    message::{
        IntegrityAlgorithm, LongTermKeyCredentials, Message, MessageClass, MessageType, MessageWrite, MessageWriteExt,
        MessageWriteVec, Method, TransactionId,
    },
};
use turn_types::{
    attribute::{ChannelNumber, Data, Lifetime, RequestedTransport, XorPeerAddress, XorRelayedAddress},
    message::{ALLOCATE, CHANNEL_BIND, CREATE_PERMISSION, REFRESH, SEND},
};

use crate::relay::{
    ClientAddress, ClientTransport, Relay, RelayConfig, TurnCredential, TurnSecret, TurnSecrets, server::REALM,
};

pub const UNIX_TIME: Duration = Duration::from_secs(1_795_471_200);
pub const SERVER: &str = "203.0.113.1:443";
pub const CREDENTIAL_LIFETIME: Duration = Duration::from_hours(24);

pub fn secret() -> TurnSecret {
    TurnSecret::derive(&[7; 32])
}

/// A relay, the time, and the number of the next transaction.
pub struct World {
    pub relay: Relay,
    pub started: Instant,
    pub now: Instant,
    pub last_transaction: u128,
}

/// What a client received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    Success,
    Error(u16),
    Data { peer: SocketAddr, data: Vec<u8> },
    Channel { number: u16, data: Vec<u8> },
}

impl World {
    pub fn new(config: RelayConfig) -> Self {
        let now = Instant::now();
        let relay = Relay::new(config, TurnSecrets::new(secret(), vec![]), &[9; 32], now, UNIX_TIME);
        Self { relay, started: now, now, last_transaction: 0 }
    }

    pub fn transaction(&mut self) -> TransactionId {
        self.last_transaction += 1;
        self.last_transaction.into()
    }

    /// Passes a packet to the relay, and returns the recipient and the packet that it sends.
    pub fn pass(&mut self, from: ClientAddress, packet: &[u8]) -> Option<(ClientAddress, Vec<u8>)> {
        let mut packet = packet.to_vec();
        let sent = self.relay.receive(from, &mut packet, self.now)?;
        Some((sent.to, sent.packet.bytes(&packet).to_vec()))
    }
}

/// Reads a packet as a client does.
pub fn read(packet: &[u8]) -> Received {
    if let [0x40..=0x7F, ..] = packet {
        let number = u16::from_be_bytes([packet[0], packet[1]]);
        let length = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
        assert_eq!(packet.len(), 4 + length);
        return Received::Channel { number, data: packet[4..].to_vec() };
    }
    let message = Message::from_bytes(packet).unwrap();
    match message.class() {
        MessageClass::Success => Received::Success,
        MessageClass::Error => Received::Error(message.attribute::<ErrorCode>().unwrap().code()),
        MessageClass::Indication => Received::Data {
            peer: message.attribute::<XorPeerAddress>().unwrap().addr(message.transaction_id()),
            data: message.attribute::<Data<'_>>().unwrap().data().to_vec(),
        },
        MessageClass::Request => panic!("a request from the server"),
    }
}

/// A client of one user.
pub struct Client {
    pub address: ClientAddress,
    pub credential: TurnCredential,
    pub nonce: String,
}

impl Client {
    /// A UDP client of the user with this number.
    pub fn new(user: u64, remote: &str) -> Self {
        let address = ClientAddress {
            transport: ClientTransport::Udp { socket: 0 },
            remote: remote.parse().unwrap(),
            local: SERVER.parse().unwrap(),
        };
        let credential = secret().issue(Token(user), UNIX_TIME + CREDENTIAL_LIFETIME);
        Self { address, credential, nonce: String::new() }
    }

    /// A request, signed if the client has a nonce.
    pub fn request(&self, method: Method, transaction: TransactionId, attributes: &[&dyn AttributeWrite]) -> Vec<u8> {
        let kind = MessageType::from_class_method(MessageClass::Request, method);
        let mut request = Message::builder(kind, transaction, MessageWriteVec::new());
        for attribute in attributes {
            request.add_attribute(*attribute).unwrap();
        }
        if !self.nonce.is_empty() {
            let TurnCredential { username, password } = self.credential.clone();
            request.add_attribute(&Username::new(&username).unwrap()).unwrap();
            request.add_attribute(&Realm::new(REALM).unwrap()).unwrap();
            request.add_attribute(&Nonce::new(&self.nonce).unwrap()).unwrap();
            let key = LongTermKeyCredentials::new(username, password, REALM.into()).make_key(IntegrityAlgorithm::Sha1);
            request.add_message_integrity_with_key(&key, IntegrityAlgorithm::Sha1).unwrap();
        }
        request.finish()
    }

    /// Sends a request, and returns the response.
    pub fn ask(&self, world: &mut World, method: Method, attributes: &[&dyn AttributeWrite]) -> Vec<u8> {
        let transaction = world.transaction();
        let request = self.request(method, transaction, attributes);
        let (to, response) = world.pass(self.address, &request).expect("a response");
        assert_eq!(to, self.address);
        assert_eq!(Message::from_bytes(&response).unwrap().transaction_id(), transaction);
        response
    }

    /// Takes a nonce from the answer to an unsigned request.
    pub fn learn_nonce(&mut self, world: &mut World) {
        self.nonce.clear();
        let response = self.ask(world, ALLOCATE, &[&udp()]);
        assert_eq!(read(&response), Received::Error(401));
        let response = Message::from_bytes(&response).unwrap();
        assert_eq!(response.attribute::<Realm>().unwrap().realm(), REALM);
        self.nonce = response.attribute::<Nonce>().unwrap().nonce().to_owned();
    }

    pub fn try_allocate(&self, world: &mut World) -> Received {
        read(&self.ask(world, ALLOCATE, &[&udp()]))
    }

    /// Makes an allocation, and returns its relayed address.
    pub fn allocate(&mut self, world: &mut World) -> SocketAddr {
        self.learn_nonce(world);
        self.allocate_with(world, &[&udp()])
    }

    pub fn allocate_with(&self, world: &mut World, attributes: &[&dyn AttributeWrite]) -> SocketAddr {
        let response = self.ask(world, ALLOCATE, attributes);
        assert_eq!(read(&response), Received::Success);
        let response = Message::from_bytes(&response).unwrap();
        response.attribute::<XorRelayedAddress>().unwrap().addr(response.transaction_id())
    }

    pub fn refresh(&self, world: &mut World, seconds: u32) -> Received {
        read(&self.ask(world, REFRESH, &[&Lifetime::new(seconds)]))
    }

    pub fn permit(&self, world: &mut World, peer: SocketAddr) -> Received {
        let next = (world.last_transaction + 1).into();
        read(&self.ask(world, CREATE_PERMISSION, &[&XorPeerAddress::new(peer, next)]))
    }

    pub fn bind(&self, world: &mut World, number: u16, peer: SocketAddr) -> Received {
        let next = (world.last_transaction + 1).into();
        let attributes: [&dyn AttributeWrite; 2] = [&ChannelNumber::new(number), &XorPeerAddress::new(peer, next)];
        read(&self.ask(world, CHANNEL_BIND, &attributes))
    }

    /// Sends by a Send indication, and returns who received what.
    pub fn send(&self, world: &mut World, peer: SocketAddr, data: &[u8]) -> Option<(ClientAddress, Received)> {
        self.send_with(world, peer, data, &[])
    }

    /// As [`send`](Self::send), with more attributes.
    pub fn send_with(
        &self,
        world: &mut World,
        peer: SocketAddr,
        data: &[u8],
        attributes: &[&dyn AttributeWrite],
    ) -> Option<(ClientAddress, Received)> {
        let transaction = world.transaction();
        let kind = MessageType::from_class_method(MessageClass::Indication, SEND);
        let mut indication = Message::builder(kind, transaction, MessageWriteVec::new());
        indication.add_attribute(&XorPeerAddress::new(peer, transaction)).unwrap();
        indication.add_attribute(&Data::new(data)).unwrap();
        for attribute in attributes {
            indication.add_attribute(*attribute).unwrap();
        }
        let (to, packet) = world.pass(self.address, &indication.finish())?;
        Some((to, read(&packet)))
    }

    /// Sends by a channel, and returns who received what.
    pub fn send_on(&self, world: &mut World, number: u16, data: &[u8]) -> Option<(ClientAddress, Received)> {
        let mut packet = number.to_be_bytes().to_vec();
        packet.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        packet.extend(data);
        let (to, packet) = world.pass(self.address, &packet)?;
        Some((to, read(&packet)))
    }
}

pub fn udp() -> RequestedTransport {
    RequestedTransport::new(17)
}
