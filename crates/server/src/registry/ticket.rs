//! Tickets: what the server signs so that a client can come back to it, or to a successor with the same key.
//!
//! A ticket is text: its kind and version, its fields, and an HMAC-SHA256 (RFC 2104) over all of that, separated by dots. A user's is
//! signed together with the user's name and with what the user came in by, which are not in it: under another name, or after the password
//! has changed, it is not good.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use hutong_protocol::{CallId, NameKey, Ticket, Token};
use sha2::{Digest, Sha256};

/// How long a ticket is good for. Longer than any night that a laptop sleeps through in the middle of a call.
pub const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// What somebody came in by: nothing, an access key, or a password. A ticket is good for as long as it is the same.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Credential([u8; 32]);

impl Credential {
    /// Nothing: everybody may come in.
    pub const NONE: Self = Self([0; 32]);

    /// What identifies a secret, in parts; a hash of it is kept.
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

/// Signs and checks tickets.
#[derive(Clone)]
pub struct Signer {
    mac: Hmac<Sha256>,
    /// Of secrets of earlier times, whose tickets are still good.
    former: Vec<Hmac<Sha256>>,
}

impl Signer {
    /// A signer with this secret.
    pub fn new(key: &[u8; 32]) -> Self {
        Self::with_former(key, &[])
    }

    /// A signer with this secret, which takes tickets of the former ones too.
    pub fn with_former(key: &[u8; 32], former: &[[u8; 32]]) -> Self {
        Self { mac: mac(key), former: former.iter().map(mac).collect() }
    }

    /// A ticket for coming back as this user, under this name.
    pub fn user(&self, now: Duration, user: Token, name: &NameKey, credential: Credential) -> Ticket {
        self.sign(format!("u1.{}.{}", user.0, now.as_secs()), &bound(name, &credential))
    }

    /// A ticket for coming back into this call, for either of its members.
    pub fn call(&self, now: Duration, call: CallId, members: [Token; 2]) -> Ticket {
        self.sign(format!("c1.{:x}.{}.{}.{}", call.0, members[0].0, members[1].0, now.as_secs()), &[])
    }

    /// Whom the ticket is for, unless it is forged, foreign, expired, no user's, or for another name or credential.
    pub fn check_user(&self, now: Duration, ticket: &Ticket, name: &NameKey, credential: Credential) -> Option<Token> {
        let mut fields = self.open(ticket, &bound(name, &credential))?.split('.');
        if fields.next()? != "u1" {
            return None;
        }
        let user = Token(fields.next()?.parse().ok()?);
        fresh(now, fields.next()?)?;
        fields.next().is_none().then_some(user)
    }

    /// Which call and members the ticket is for, unless it is forged, foreign, expired or no call's.
    pub fn check_call(&self, now: Duration, ticket: &Ticket) -> Option<(CallId, [Token; 2])> {
        let mut fields = self.open(ticket, &[])?.split('.');
        if fields.next()? != "c1" {
            return None;
        }
        let call = CallId(u64::from_str_radix(fields.next()?, 16).ok()?);
        let members = [Token(fields.next()?.parse().ok()?), Token(fields.next()?.parse().ok()?)];
        fresh(now, fields.next()?)?;
        fields.next().is_none().then_some((call, members))
    }

    fn sign(&self, body: String, bound: &[&[u8]]) -> Ticket {
        let mut mac = self.mac.clone();
        mac.update(body.as_bytes());
        bound.iter().for_each(|part| mac.update(part));
        let tag = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        Ticket::new(&format!("{body}.{tag}"))
    }

    /// The signed part, if the signature is right. Compared in constant time.
    fn open<'t>(&self, ticket: &'t Ticket, bound: &[&[u8]]) -> Option<&'t str> {
        let (body, tag) = ticket.as_str().rsplit_once('.')?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        let is_good = |mac: &Hmac<Sha256>| {
            let mut mac = mac.clone();
            mac.update(body.as_bytes());
            bound.iter().for_each(|part| mac.update(part));
            mac.verify_slice(&tag).is_ok()
        };
        (is_good(&self.mac) || self.former.iter().any(is_good)).then_some(body)
    }
}

fn mac(key: &[u8; 32]) -> Hmac<Sha256> {
    // RFC 2104 pads a short key with zeros to the block size; done here, the constructor cannot fail.
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    <Hmac<Sha256> as hmac::digest::KeyInit>::new(&block.into())
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer(..)")
    }
}

/// What is signed with a user's ticket and not in it. Neither a ticket nor a name has a NUL in it, and a credential has one length.
fn bound<'b>(name: &'b NameKey, credential: &'b Credential) -> [&'b [u8]; 3] {
    [b"\0", name.as_str().as_bytes(), &credential.0]
}

/// Whether a ticket issued then is still good. One from the future is good too: clocks are set back at times.
fn fresh(now: Duration, issued_seconds: &str) -> Option<()> {
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
        let signer = Signer::new(&[7; 32]);
        let ana = key("Ana");
        let user = signer.user(NOW, Token(5), &ana, NONE);
        let members = [Token(5), Token(6)];
        let call = signer.call(NOW, CallId(9), members);

        assert_eq!(signer.check_user(NOW, &user, &key("ANA"), NONE), Some(Token(5)));
        assert_eq!(signer.check_call(NOW, &call), Some((CallId(9), members)));
        assert_eq!(signer.check_user(NOW, &call, &ana, NONE), None);
        assert_eq!(signer.check_call(NOW, &user), None);
        assert_eq!(signer.check_user(NOW + LIFETIME + Duration::from_secs(1), &user, &ana, NONE), None);
        assert_eq!(signer.check_call(NOW + LIFETIME + Duration::from_secs(1), &call), None);
        assert_eq!(Signer::new(&[8; 32]).check_user(NOW, &user, &ana, NONE), None);
    }

    #[test]
    fn a_ticket_is_good_for_its_name_and_for_what_its_user_came_in_by() {
        let signer = Signer::new(&[7; 32]);
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
        fn no_altered_ticket_is_good(at in 0_usize..80, with in "[0-9a-zA-Z._-]") {
            let signer = Signer::new(&[7; 32]);
            let ana = key("Ana");
            let good = signer.user(NOW, Token(1_795_471_200_123_456), &ana, NONE);
            let altered: String = good
                .as_str()
                .char_indices()
                .map(|(place, old)| if place == at { with.chars().next().unwrap_or(old) } else { old })
                .collect();
            let altered = Ticket::new(&altered);
            prop_assert_eq!(signer.check_user(NOW, &altered, &ana, NONE).is_some(), altered == good);
        }

        #[test]
        fn any_text_is_read_without_panic(text in any::<String>()) {
            let signer = Signer::new(&[7; 32]);
            prop_assert_eq!(signer.check_user(NOW, &Ticket::new(&text), &key("Ana"), NONE), None);
            prop_assert_eq!(signer.check_call(NOW, &Ticket::new(&text)), None);
        }
    }
}
