//! Attributes that the relay understands.

use stun_types::{
    attribute::{
        Attribute, AttributeStaticType, AttributeType, MessageIntegrity, MessageIntegritySha256, Nonce, Realm,
        Username, XorMappedAddress,
    },
    message::Message,
};
use turn_types::attribute::{
    ChannelNumber, EvenPort, Lifetime, RequestedAddressFamily, RequestedTransport, XorPeerAddress,
};

/// Attributes that the server understands, of those that it must understand (RFC 8489, section 14).
const UNDERSTOOD: [AttributeType; 12] = [
    Username::TYPE,
    MessageIntegrity::TYPE,
    MessageIntegritySha256::TYPE,
    Realm::TYPE,
    Nonce::TYPE,
    XorMappedAddress::TYPE,
    ChannelNumber::TYPE,
    Lifetime::TYPE,
    XorPeerAddress::TYPE,
    RequestedAddressFamily::TYPE,
    EvenPort::TYPE,
    RequestedTransport::TYPE,
];

/// Attributes of a message that must be understood and are not.
pub fn unknown_attributes<'m>(
    message: &'m Message<'m>,
    also: &'m [AttributeType],
) -> impl Iterator<Item = AttributeType> + 'm {
    let types = message.iter_attributes().map(|(_, attribute)| attribute.get_type());
    types.filter(|each| each.comprehension_required() && !UNDERSTOOD.contains(each) && !also.contains(each))
}

/// Whether a message has attributes that must be understood and are not, `also` apart.
pub fn has_unknown_attributes(message: &Message<'_>, also: &[AttributeType]) -> bool {
    unknown_attributes(message, also).next().is_some()
}
