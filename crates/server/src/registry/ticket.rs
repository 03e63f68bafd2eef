//! Signed tickets with which a client resumes its session or claims its call, also after a restart with the same key.
//!
//! A ticket is text: kind and version, fields, and an HMAC-SHA256 (RFC 2104) over them, separated by dots. The signature
//! of a session ticket also covers the user's name and credential, which the text does not contain: under another name, or
//! after a change of password, the ticket is invalid.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use hutong_protocol::{CallId, CallTicket, NameKey, SessionTicket, Token};
use sha2::{Digest, Sha256};

/// How long a ticket is valid: a laptop may sleep through a night in the middle of a call.
pub const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// Hash of the secret that admitted a user: an access key, a password, or none. A ticket is valid for one credential.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Credential([u8; 32]);

impl Credential {
    /// No secret: the server admits everybody.
    pub const NONE: Self = Self([0; 32]);

    /// The credential of a secret, which is given in parts. Only a hash is kept.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credential(..)")
    }
}

/// Signer and verifier of tickets.
#[derive(Clone)]
pub struct TicketSigner {
    mac: Hmac<Sha256>,
    /// For the former keys, whose tickets are still accepted.
    former: Vec<Hmac<Sha256>>,
}

impl TicketSigner {
    /// A signer with this key alone.
    pub fn new(key: &[u8; 32]) -> Self {
        Self::with_former(key, &[])
    }

    /// A signer with this key, which also accepts tickets signed with a former one.
    pub fn with_former(key: &[u8; 32], former: &[[u8; 32]]) -> Self {
        Self { mac: mac(key), former: former.iter().map(mac).collect() }
    }

    /// A session ticket for this user under this name.
    pub fn user(&self, now: Duration, user: Token, name: &NameKey, credential: Credential) -> SessionTicket {
        let text = self.sign(format!("u1.{}.{}", user.0, now.as_secs()), &bound_data(name, &credential));
        SessionTicket::new(&text)
    }

    /// A call ticket, valid for either member.
    pub fn call(&self, now: Duration, call: CallId, members: [Token; 2]) -> CallTicket {
        let body = format!("c1.{:x}.{}.{}.{}", call.0, members[0].0, members[1].0, now.as_secs());
        CallTicket::new(&self.sign(body, &[]))
    }

    /// The user of a session ticket. `None` if it is forged, expired, of another server, kind, name or credential.
    pub fn check_user(
        &self,
        now: Duration,
        ticket: &SessionTicket,
        name: &NameKey,
        credential: Credential,
    ) -> Option<Token> {
        let mut fields = self.verify(ticket.as_str(), &bound_data(name, &credential))?.split('.');
        if fields.next()? != "u1" {
            return None;
        }
        let user = Token(fields.next()?.parse().ok()?);
        check_age(now, fields.next()?)?;
        fields.next().is_none().then_some(user)
    }

    /// The call and members of a call ticket. `None` if it is forged, expired, or of another server or kind.
    pub fn check_call(&self, now: Duration, ticket: &CallTicket) -> Option<(CallId, [Token; 2])> {
        let mut fields = self.verify(ticket.as_str(), &[])?.split('.');
        if fields.next()? != "c1" {
            return None;
        }
        let call = CallId(u64::from_str_radix(fields.next()?, 16).ok()?);
        let members = [Token(fields.next()?.parse().ok()?), Token(fields.next()?.parse().ok()?)];
        check_age(now, fields.next()?)?;
        fields.next().is_none().then_some((call, members))
    }

    fn sign(&self, body: String, bound: &[&[u8]]) -> String {
        let mut mac = self.mac.clone();
        mac.update(body.as_bytes());
        bound.iter().for_each(|part| mac.update(part));
        let tag = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        format!("{body}.{tag}")
    }

    /// The signed part, if the signature is valid. Compared in constant time.
    fn verify<'t>(&self, ticket: &'t str, bound: &[&[u8]]) -> Option<&'t str> {
        let (body, tag) = ticket.rsplit_once('.')?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        let is_valid = |mac: &Hmac<Sha256>| {
            let mut mac = mac.clone();
            mac.update(body.as_bytes());
            bound.iter().for_each(|part| mac.update(part));
            mac.verify_slice(&tag).is_ok()
        };
        (is_valid(&self.mac) || self.former.iter().any(is_valid)).then_some(body)
    }
}

fn mac(key: &[u8; 32]) -> Hmac<Sha256> {
    // Padded with zeros to the block size as RFC 2104 does, so that the constructor cannot fail.
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    <Hmac<Sha256> as hmac::digest::KeyInit>::new(&block.into())
}

impl std::fmt::Debug for TicketSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TicketSigner(..)")
    }
}

/// The data that a session ticket's signature covers and its text omits. Unambiguous: tickets and names contain no NUL, and a
/// credential has a fixed length.
fn bound_data<'b>(name: &'b NameKey, credential: &'b Credential) -> [&'b [u8]; 3] {
    [b"\0", name.as_str().as_bytes(), &credential.0]
}

/// `Some` if a ticket issued then has not expired. One from the future is accepted: the server's clock may have been set back.
fn check_age(now: Duration, issued_seconds: &str) -> Option<()> {
    let issued = Duration::from_secs(issued_seconds.parse().ok()?);
    (now.saturating_sub(issued) <= LIFETIME).then_some(())
}

#[cfg(test)]
mod tests {
    use hutong_protocol::Name;
    use proptest::prelude::*;

    use super::*;

    const NOW: Duration = Duration::from_secs(1_795_471_200);
    const NONE: Credential = Credential::NONE;

    fn key(name: &str) -> NameKey {
        Name::new(name).unwrap().key()
    }

    #[test]
    fn tickets_are_checked_by_kind_signature_and_age() {
        let signer = TicketSigner::new(&[7; 32]);
        let ana = key("Ana");
        let user = signer.user(NOW, Token(5), &ana, NONE);
        let members = [Token(5), Token(6)];
        let call = signer.call(NOW, CallId(9), members);

        assert_eq!(signer.check_user(NOW, &user, &key("ANA"), NONE), Some(Token(5)));
        assert_eq!(signer.check_call(NOW, &call), Some((CallId(9), members)));
        assert_eq!(signer.check_user(NOW, &SessionTicket::new(call.as_str()), &ana, NONE), None);
        assert_eq!(signer.check_call(NOW, &CallTicket::new(user.as_str())), None);
        assert_eq!(signer.check_user(NOW + LIFETIME + Duration::from_secs(1), &user, &ana, NONE), None);
        assert_eq!(signer.check_call(NOW + LIFETIME + Duration::from_secs(1), &call), None);
        assert_eq!(TicketSigner::new(&[8; 32]).check_user(NOW, &user, &ana, NONE), None);
    }

    #[test]
    fn a_session_ticket_is_valid_for_one_name_and_one_credential() {
        let signer = TicketSigner::new(&[7; 32]);
        let [old, new] = [b"old", b"new"].map(|password| Credential::of(&[password]));
        let ticket = signer.user(NOW, Token(5), &key("Ana"), old);
        assert_eq!(signer.check_user(NOW, &ticket, &key("Ana"), old), Some(Token(5)));
        assert_eq!(signer.check_user(NOW, &ticket, &key("Bo"), old), None);
        assert_eq!(signer.check_user(NOW, &ticket, &key("Ana"), new), None);
        assert_eq!(signer.check_user(NOW, &ticket, &key("Ana"), NONE), None);
        assert_ne!(Credential::of(&[b"ab", b"c"]), Credential::of(&[b"a", b"bc"]));
        assert_eq!(format!("{old:?}"), "Credential(..)");
    }

    proptest! {
        #[test]
        fn altered_tickets_are_invalid(at in 0_usize..80, with in "[0-9a-zA-Z._-]") {
            let signer = TicketSigner::new(&[7; 32]);
            let ana = key("Ana");
            let valid = signer.user(NOW, Token(1_795_471_200_123_456), &ana, NONE);
            let altered: String = valid
                .as_str()
                .char_indices()
                .map(|(index, old)| if index == at { with.chars().next().unwrap_or(old) } else { old })
                .collect();
            let altered = SessionTicket::new(&altered);
            prop_assert_eq!(signer.check_user(NOW, &altered, &ana, NONE).is_some(), altered == valid);
        }

        #[test]
        fn arbitrary_text_is_rejected_without_panic(text in any::<String>()) {
            let signer = TicketSigner::new(&[7; 32]);
            prop_assert_eq!(signer.check_user(NOW, &SessionTicket::new(&text), &key("Ana"), NONE), None);
            prop_assert_eq!(signer.check_call(NOW, &CallTicket::new(&text)), None);
        }
    }
}
