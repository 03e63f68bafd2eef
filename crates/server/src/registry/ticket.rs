//! Tickets: what the server signs so that a client can come back to it, or to a successor with the same key.
//!
//! A ticket is text: its kind and version, its fields, and an HMAC-SHA256 (RFC 2104) over all of that, separated by dots.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use hutong_protocol::{CallId, Ticket, Token};
use sha2::Sha256;

/// How long a ticket is good for. Longer than any night that a laptop sleeps through in the middle of a call.
pub const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

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

    /// A ticket for coming back as this user.
    pub fn user(&self, now: Duration, user: Token) -> Ticket {
        self.sign(format!("u1.{}.{}", user.0, now.as_secs()))
    }

    /// A ticket for coming back into this call, for either of its members.
    pub fn call(&self, now: Duration, call: CallId, members: [Token; 2]) -> Ticket {
        self.sign(format!("c1.{:x}.{}.{}.{}", call.0, members[0].0, members[1].0, now.as_secs()))
    }

    /// Whom the ticket is for, unless it is forged, foreign, expired or no user's.
    pub fn check_user(&self, now: Duration, ticket: &Ticket) -> Option<Token> {
        let mut fields = self.open(ticket)?.split('.');
        if fields.next()? != "u1" {
            return None;
        }
        let user = Token(fields.next()?.parse().ok()?);
        fresh(now, fields.next()?)?;
        fields.next().is_none().then_some(user)
    }

    /// Which call and members the ticket is for, unless it is forged, foreign, expired or no call's.
    pub fn check_call(&self, now: Duration, ticket: &Ticket) -> Option<(CallId, [Token; 2])> {
        let mut fields = self.open(ticket)?.split('.');
        if fields.next()? != "c1" {
            return None;
        }
        let call = CallId(u64::from_str_radix(fields.next()?, 16).ok()?);
        let members = [Token(fields.next()?.parse().ok()?), Token(fields.next()?.parse().ok()?)];
        fresh(now, fields.next()?)?;
        fields.next().is_none().then_some((call, members))
    }

    fn sign(&self, body: String) -> Ticket {
        let mut mac = self.mac.clone();
        mac.update(body.as_bytes());
        let tag = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        Ticket::new(&format!("{body}.{tag}"))
    }

    /// The signed part, if the signature is right. Compared in constant time.
    fn open<'t>(&self, ticket: &'t Ticket) -> Option<&'t str> {
        let (body, tag) = ticket.as_str().rsplit_once('.')?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        let is_good = |mac: &Hmac<Sha256>| {
            let mut mac = mac.clone();
            mac.update(body.as_bytes());
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

/// Whether a ticket issued then is still good. One from the future is good too: clocks are set back at times.
fn fresh(now: Duration, issued_seconds: &str) -> Option<()> {
    let issued = Duration::from_secs(issued_seconds.parse().ok()?);
    (now.saturating_sub(issued) <= LIFETIME).then_some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Duration = Duration::from_secs(1_795_471_200);

    #[test]
    fn tickets_are_checked_by_kind_signature_and_age() {
        let signer = Signer::new(&[7; 32]);
        let user = signer.user(NOW, Token(5));
        let members = [Token(5), Token(6)];
        let call = signer.call(NOW, CallId(9), members);

        assert_eq!(signer.check_user(NOW, &user), Some(Token(5)));
        assert_eq!(signer.check_call(NOW, &call), Some((CallId(9), members)));
        assert_eq!(signer.check_user(NOW, &call), None);
        assert_eq!(signer.check_call(NOW, &user), None);
        assert_eq!(signer.check_user(NOW + LIFETIME + Duration::from_secs(1), &user), None);
        assert_eq!(signer.check_call(NOW + LIFETIME + Duration::from_secs(1), &call), None);
        assert_eq!(Signer::new(&[8; 32]).check_user(NOW, &user), None);
    }

    proptest! {
        #[test]
        fn no_altered_ticket_is_good(at in 0_usize..80, with in "[0-9a-zA-Z._-]") {
            let signer = Signer::new(&[7; 32]);
            let good = signer.user(NOW, Token(1_795_471_200_123_456));
            let altered: String = good
                .as_str()
                .char_indices()
                .map(|(place, old)| if place == at { with.chars().next().unwrap_or(old) } else { old })
                .collect();
            let altered = Ticket::new(&altered);
            prop_assert_eq!(signer.check_user(NOW, &altered).is_some(), altered == good);
        }

        #[test]
        fn any_text_is_read_without_panic(text in any::<String>()) {
            let signer = Signer::new(&[7; 32]);
            prop_assert_eq!(signer.check_user(NOW, &Ticket::new(&text)), None);
            prop_assert_eq!(signer.check_call(NOW, &Ticket::new(&text)), None);
        }
    }
}
