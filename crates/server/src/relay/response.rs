//! STUN responses and indications of the relay. They are short, so that nobody uses the server to amplify traffic.

use std::net::SocketAddr;

use stun_types::{
    attribute::{
        AttributeStaticType, AttributeType, AttributeWrite, ErrorCode, Fingerprint, Nonce, Realm, UnknownAttributes,
    },
    message::{
        IntegrityAlgorithm, IntegrityKey, Message, MessageClass, MessageType, MessageWrite, MessageWriteExt,
        MessageWriteVec, TransactionId,
    },
};
use turn_types::{
    attribute::{Data, XorPeerAddress},
    message::DATA,
};

/// Unknown attributes that an error lists. Real clients send one or two.
const MAX_UNKNOWN_ATTRIBUTES: usize = 8;

/// Error codes of responses (RFC 8489, section 14.8; RFC 8656, section 19).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    BadRequest = 400,
    Unauthenticated = 401,
    Forbidden = 403,
    UnknownAttribute = 420,
    AllocationMismatch = 437,
    StaleNonce = 438,
    AddressFamilyNotSupported = 440,
    WrongCredentials = 441,
    UnsupportedTransport = 442,
    PeerAddressFamilyMismatch = 443,
    AllocationQuotaReached = 486,
    InsufficientCapacity = 508,
}

/// A success response with these attributes. `key` signs it; a Binding response is not signed.
pub fn success(
    request: &Message<'_>,
    attributes: &[&dyn AttributeWrite],
    key: Option<&IntegrityKey>,
) -> Option<Vec<u8>> {
    let mut response = Message::builder_success(request, MessageWriteVec::new());
    for attribute in attributes {
        response.add_attribute(*attribute).ok()?;
    }
    finish(request, response, key)
}

/// An error response, signed if the request was.
pub fn error(request: &Message<'_>, code: Code, key: Option<&IntegrityKey>) -> Option<Vec<u8>> {
    finish(request, begin_error(request, code)?, key)
}

/// An error response with which the client can authenticate its next attempt.
pub fn challenge(request: &Message<'_>, code: Code, realm: &str, nonce: &str) -> Option<Vec<u8>> {
    let mut response = begin_error(request, code)?;
    response.add_attribute(&Realm::new(realm).ok()?).ok()?;
    response.add_attribute(&Nonce::new(nonce).ok()?).ok()?;
    finish(request, response, None)
}

/// The error response to attributes that the client requires to be understood.
pub fn unknown_attributes(
    request: &Message<'_>,
    types: &[AttributeType],
    key: Option<&IntegrityKey>,
) -> Option<Vec<u8>> {
    let mut response = begin_error(request, Code::UnknownAttribute)?;
    let listed: Vec<_> = types.iter().take(MAX_UNKNOWN_ATTRIBUTES).copied().collect();
    response.add_attribute(&UnknownAttributes::new(&listed)).ok()?;
    finish(request, response, key)
}

/// A Data indication (RFC 8656, section 11.3).
pub fn data_indication(peer: SocketAddr, data: &[u8], transaction: TransactionId) -> Option<Vec<u8>> {
    let kind = MessageType::from_class_method(MessageClass::Indication, DATA);
    let mut indication = Message::builder(kind, transaction, MessageWriteVec::with_capacity(data.len() + 64));
    indication.add_attribute(&XorPeerAddress::new(peer, transaction)).ok()?;
    indication.add_attribute(&Data::new(data)).ok()?;
    Some(indication.finish())
}

fn begin_error(request: &Message<'_>, code: Code) -> Option<MessageWriteVec> {
    let mut response = Message::builder_error(request, MessageWriteVec::new());
    // Without the reason phrase, which programs do not read.
    response.add_attribute(&ErrorCode::new(code as u16, "").ok()?).ok()?;
    Some(response)
}

fn finish(request: &Message<'_>, mut response: MessageWriteVec, key: Option<&IntegrityKey>) -> Option<Vec<u8>> {
    if let Some(key) = key {
        response.add_message_integrity_with_key(key, IntegrityAlgorithm::Sha1).ok()?;
    }
    if request.has_attribute(Fingerprint::TYPE) {
        response.add_fingerprint().ok()?;
    }
    Some(response.finish())
}
