//! Fuzz target of the TURN server: clients with and without credentials send requests with arbitrary attributes, media, and
//! bytes that are no packet at all.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use hutong_protocol::Token;
use hutong_server::relay::{
    ClientAddress, ClientTransport, PacketDecoder, Relay, RelayConfig, RelayLimits, TurnCredential, TurnSecret,
    TurnSecrets, framing,
};
use stun_types::{
    attribute::{Nonce, RawAttribute, Realm, Username},
    message::{
        IntegrityAlgorithm, IntegrityKey, LongTermKeyCredentials, Message, MessageClass, MessageType, MessageWriteExt,
        MessageWriteVec, Method,
    },
    prelude::MessageWrite,
};
use tokio_util::codec::Decoder;

const UNIX_TIME: Duration = Duration::from_secs(1_795_471_200);
const REALM: &str = "hutong";
const CLIENTS: usize = 4;

const LIMITS: RelayLimits =
    RelayLimits { allocations: 3, allocations_per_user: 2, user_bytes_per_second: 10_000, bytes_per_second: 20_000 };

/// Longest response to a client without credentials, in bytes: an error with realm, nonce and a few attribute types.
const MAX_UNAUTHENTICATED_RESPONSE: usize = 100;

/// Operations, by the first byte of a step. A step is: operation, client, length, and as many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum RelayOp {
    /// The bytes are a packet.
    Raw,
    /// The bytes are method (one byte) and attributes (type: two bytes, length: one, value) of a signed request.
    Signed,
    /// The same without credentials.
    Unsigned,
    /// The same as an indication.
    Indication,
    /// A `ChannelData` message: number (two bytes) and payload.
    Channel,
    /// The bytes are a stream.
    Stream,
    /// As many seconds pass as the client's number, times ten.
    PassTime,
}

impl RelayOp {
    const ALL: [Self; 7] =
        [Self::Raw, Self::Signed, Self::Unsigned, Self::Indication, Self::Channel, Self::Stream, Self::PassTime];
}

struct World {
    relay: Relay,
    now: Instant,
    keys: Vec<(String, IntegrityKey)>,
    nonces: Vec<String>,
    transaction: u128,
}

/// Runs the steps that the bytes encode, and checks after each that the relay keeps to its limits.
pub fn relay(bytes: &[u8]) {
    let mut world = World::new();
    let mut rest = bytes;
    while let [operation, client, length, after @ ..] = rest {
        let (argument, after) = after.split_at(usize::from(*length).min(after.len()));
        rest = after;
        let operation = RelayOp::ALL[usize::from(*operation) % RelayOp::ALL.len()];
        world.step(operation, usize::from(*client) % CLIENTS, *client, argument);
    }
}

fn address(client: usize) -> ClientAddress {
    let number = u8::try_from(client).unwrap();
    let transport = match client {
        3 => ClientTransport::Stream { id: 3 },
        _ => ClientTransport::Udp { socket: 0 },
    };
    ClientAddress { transport, remote: ([198, 51, 100, number], 5_000).into(), local: ([203, 0, 113, 1], 443).into() }
}

impl World {
    fn new() -> Self {
        let now = Instant::now();
        let secret = TurnSecret::derive(&[7; 32]);
        let keys = (0..CLIENTS).map(|client| {
            // Two clients of one user, and two others.
            let user = Token(client.saturating_sub(1) as u64);
            let TurnCredential { username, password } = secret.issue(user, UNIX_TIME + Duration::from_hours(1));
            let key = LongTermKeyCredentials::new(username.clone(), password, REALM.to_owned());
            (username, key.make_key(IntegrityAlgorithm::Sha1))
        });
        let keys = keys.collect();
        let config = RelayConfig { limits: LIMITS, ..RelayConfig::default() };
        let relay = Relay::new(config, TurnSecrets::new(secret, vec![]), &[9; 32], now, UNIX_TIME);
        let mut world = Self { relay, now, keys, nonces: vec![], transaction: 0 };
        for client in 0..CLIENTS {
            let request = world.message(MessageClass::Request, &[3], None);
            let (_, response) = world.send(client, &request).unwrap();
            let response = Message::from_bytes(&response).unwrap();
            world.nonces.push(response.attribute::<Nonce>().unwrap().nonce().to_owned());
        }
        world
    }

    fn step(&mut self, operation: RelayOp, client: usize, seconds: u8, argument: &[u8]) {
        match operation {
            RelayOp::Raw => drop(self.send(client, argument)),
            RelayOp::Signed => {
                let request = self.message(MessageClass::Request, argument, Some(client));
                self.send(client, &request);
            }
            RelayOp::Unsigned => {
                let request = self.message(MessageClass::Request, argument, None);
                if let Some((to, response)) = self.send(client, &request) {
                    assert_eq!(to, address(client));
                    assert!(response.len() <= MAX_UNAUTHENTICATED_RESPONSE, "{response:?}");
                }
            }
            RelayOp::Indication => {
                let indication = self.message(MessageClass::Indication, argument, None);
                self.send(client, &indication);
            }
            RelayOp::Channel => {
                let [high, low, payload @ ..] = argument else { return };
                let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
                let packet = [&[0x40 | high & 0x3F, *low], &length[..], payload].concat();
                self.send(client, &packet);
            }
            RelayOp::Stream => {
                let (mut decoder, mut stream) = (PacketDecoder::new(), BytesMut::from(argument));
                while let Ok(Some(packet)) = decoder.decode(&mut stream) {
                    assert!(packet.len() <= framing::MAX_PACKET);
                    self.send(client, &packet);
                }
            }
            RelayOp::PassTime => {
                self.now += Duration::from_secs(10) * u32::from(seconds);
                self.relay.expire(self.now);
            }
        }
        let counters = self.relay.counters();
        assert!(counters.allocations <= LIMITS.allocations && counters.users <= counters.allocations);
    }

    /// A message: method (one byte) and attributes (type: two bytes, length: one, value); signed by a client.
    fn message(&mut self, class: MessageClass, content: &[u8], signed_by: Option<usize>) -> Vec<u8> {
        let (method, mut attributes) = content.split_first().unwrap_or((&1, &[]));
        self.transaction += 1;
        let kind = MessageType::from_class_method(class, Method::new(u16::from(*method & 0x0F)));
        let mut message = Message::builder(kind, self.transaction.into(), MessageWriteVec::new());
        while let [high, low, length, after @ ..] = attributes {
            let (value, after) = after.split_at(usize::from(*length).min(after.len()));
            attributes = after;
            let kind = u16::from_be_bytes([*high, *low]);
            // MESSAGE-INTEGRITY, its successor and FINGERPRINT, which come last.
            if ![0x0008, 0x001C, 0x8028].contains(&kind) {
                message.add_attribute(&RawAttribute::new(kind.into(), value)).unwrap();
            }
        }
        if let Some((username, key)) = signed_by.and_then(|client| self.keys.get(client)) {
            let nonce = signed_by.and_then(|client| self.nonces.get(client)).unwrap();
            message.add_attribute(&Username::new(username).unwrap()).unwrap();
            message.add_attribute(&Realm::new(REALM).unwrap()).unwrap();
            message.add_attribute(&Nonce::new(nonce).unwrap()).unwrap();
            message.add_message_integrity_with_key(key, IntegrityAlgorithm::Sha1).unwrap();
        }
        message.finish()
    }

    /// Sends a packet, and returns what the relay sends, and to whom.
    fn send(&mut self, client: usize, packet: &[u8]) -> Option<(ClientAddress, Vec<u8>)> {
        let before = self.relay.counters();
        let mut packet = packet.to_vec();
        let transmit = self.relay.receive(address(client), &mut packet, self.now)?;
        let sent = transmit.packet.bytes(&packet).to_vec();
        assert!(!sent.is_empty());
        let relayed = self.relay.counters().relayed_packets > before.relayed_packets;
        if relayed {
            let receives = self.relay.expires(&transmit.to, self.now).is_some();
            assert!(receives && self.relay.expires(&address(client), self.now).is_some(), "both have allocations");
            // The header of a Data indication is the longest addition.
            assert!(sent.len() <= packet.len() + 64);
        } else {
            assert_eq!(transmit.to, address(client), "a response goes to the sender");
        }
        Some((transmit.to, sent))
    }
}
