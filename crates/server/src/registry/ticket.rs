//! Signed tickets with which a client resumes its session or claims its call, also after a restart with the same key.
//!
//! A ticket is text: kind and version, fields, and an HMAC-SHA256 (RFC 2104) over them, separated by dots. The signature
//! of a session ticket also covers the user's name, which the text does not contain. A second HMAC, a field of the ticket,
//! binds it to the credential. So under another name a ticket is not genuine, and after a change of password it is genuine
//! and invalid: it proves only that this device was logged in before.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use hutong_protocol::{CallId, CallTicket, NameKey, SessionTicket, Token};
use sha2::{Digest, Sha256};

use super::session_id::SessionId;

/// How long a ticket is valid: a laptop may sleep through a night in the middle of a call.
pub const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// How long the tickets of a session are valid after its first login, however often they are renewed. A copied ticket is
/// useless after this time, and people enter their secret once a month.
pub const SESSION_LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Bytes of the HMAC that binds a session ticket to a credential. Truncated to half, as RFC 2104, section 5, permits.
const CREDENTIAL_TAG: usize = 16;

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

/// Content of a session ticket with a valid signature for a name. It may have expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GenuineTicket {
    /// The user. Its token is the time of the session's first login, as the server's clock showed it.
    pub user: Token,
    /// The session.
    pub session: SessionId,
    /// The times by which it expires.
    pub times: TicketTimes,
    /// Whether the session was admitted with the credential that the ticket was compared with.
    pub has_credential: bool,
}

/// The times by which a session ticket expires, since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TicketTimes {
    /// The session's first login.
    pub first_login: Duration,
    /// When the ticket was issued.
    pub issued: Duration,
}

impl TicketTimes {
    /// Whether the ticket has expired. One from the future has not: the server's clock may be behind, or have been set back.
    #[must_use]
    pub fn have_expired(&self, now: Duration) -> bool {
        now.saturating_sub(self.issued) > LIFETIME || now.saturating_sub(self.first_login) > SESSION_LIFETIME
    }
}

/// Content of a call ticket with a valid signature. It may have expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GenuineCallTicket {
    /// The call.
    pub call: CallId,
    /// Its members.
    pub members: [Token; 2],
    /// When the ticket was issued.
    pub issued: Duration,
}

impl GenuineCallTicket {
    /// Whether the ticket has expired, as with [`TicketTimes::have_expired`].
    pub fn has_expired(&self, now: Duration) -> bool {
        now.saturating_sub(self.issued) > LIFETIME
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

    /// A session ticket for this user and session under this name.
    ///
    /// It names the first login only where the token is not its time, because the server's clock was wrong then.
    pub fn user(
        &self,
        times: TicketTimes,
        user: Token,
        session: SessionId,
        name: &NameKey,
        credential: Credential,
    ) -> SessionTicket {
        let tag = credential_mac(&self.mac, session, credential).finalize().into_bytes();
        let tag = URL_SAFE_NO_PAD.encode(&tag[..CREDENTIAL_TAG]);
        let TicketTimes { first_login, issued } = times;
        let body = if Duration::from_micros(user.0).abs_diff(first_login) < LIFETIME {
            format!("u2.{}.{session}.{}.{tag}", user.0, issued.as_secs())
        } else {
            format!("u3.{}.{session}.{}.{}.{tag}", user.0, first_login.as_secs(), issued.as_secs())
        };
        SessionTicket::new(&self.sign(body, &bound_data(name)))
    }

    /// A call ticket, valid for either member.
    pub fn call(&self, now: Duration, call: CallId, members: [Token; 2]) -> CallTicket {
        let body = format!("c1.{:x}.{}.{}.{}", call.0, members[0].0, members[1].0, now.as_secs());
        CallTicket::new(&self.sign(body, &[]))
    }

    /// The content of a session ticket of this name. `None` if it is forged, of another server, kind or name, or of the format
    /// before version 2, which had no session.
    pub fn read_user(
        &self,
        ticket: &SessionTicket,
        name: &NameKey,
        credential: Option<Credential>,
    ) -> Option<GenuineTicket> {
        let (mac, body) = self.verify(ticket.as_str(), &bound_data(name))?;
        let mut fields = body.split('.');
        let names_first_login = match fields.next()? {
            "u2" => false,
            "u3" => true,
            _ => return None,
        };
        let user = Token(fields.next()?.parse().ok()?);
        let session = SessionId::parse(fields.next()?)?;
        let mut seconds = || Some(Duration::from_secs(fields.next()?.parse().ok()?));
        let first_login = if names_first_login { seconds()? } else { Duration::from_micros(user.0) };
        let times = TicketTimes { first_login, issued: seconds()? };
        let tag = URL_SAFE_NO_PAD.decode(fields.next()?).ok().filter(|tag| tag.len() == CREDENTIAL_TAG)?;
        let is_of = |credential| credential_mac(mac, session, credential).verify_truncated_left(&tag).is_ok();
        let ticket = GenuineTicket { user, session, times, has_credential: credential.is_some_and(is_of) };
        fields.next().is_none().then_some(ticket)
    }

    /// The content of a call ticket. `None` if it is forged, or of another server or kind.
    pub fn read_call(&self, ticket: &CallTicket) -> Option<GenuineCallTicket> {
        let (_, body) = self.verify(ticket.as_str(), &[])?;
        let mut fields = body.split('.');
        if fields.next()? != "c1" {
            return None;
        }
        let call = CallId(u64::from_str_radix(fields.next()?, 16).ok()?);
        let members = [Token(fields.next()?.parse().ok()?), Token(fields.next()?.parse().ok()?)];
        let issued = Duration::from_secs(fields.next()?.parse().ok()?);
        fields.next().is_none().then_some(GenuineCallTicket { call, members, issued })
    }

    fn sign(&self, body: String, bound: &[&[u8]]) -> String {
        let mut mac = self.mac.clone();
        mac.update(body.as_bytes());
        bound.iter().for_each(|part| mac.update(part));
        let tag = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        format!("{body}.{tag}")
    }

    /// The signed part, and the key that signed it, if the signature is valid. Compared in constant time.
    fn verify<'t>(&self, ticket: &'t str, bound: &[&[u8]]) -> Option<(&Hmac<Sha256>, &'t str)> {
        let (body, tag) = ticket.rsplit_once('.')?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        let is_valid = |mac: &&Hmac<Sha256>| {
            let mut mac = (*mac).clone();
            mac.update(body.as_bytes());
            bound.iter().for_each(|part| mac.update(part));
            mac.verify_slice(&tag).is_ok()
        };
        let mac = std::iter::once(&self.mac).chain(&self.former).find(is_valid)?;
        Some((mac, body))
    }
}

/// The HMAC under this key; also of session IDs.
pub fn mac(key: &[u8; 32]) -> Hmac<Sha256> {
    // Padded with zeros to the block size as RFC 2104 does, so that the constructor cannot fail.
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    <Hmac<Sha256> as hmac::digest::KeyInit>::new(&block.into())
}

/// The HMAC that binds a session to a credential. The label separates it from signatures: no ticket begins like it.
fn credential_mac(mac: &Hmac<Sha256>, session: SessionId, credential: Credential) -> Hmac<Sha256> {
    mac.clone().chain_update(b"credential\0").chain_update(session.0).chain_update(credential.0)
}

impl std::fmt::Debug for TicketSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TicketSigner(..)")
    }
}

/// The data that a session ticket's signature covers and its text omits. Unambiguous: tickets and names contain no NUL.
fn bound_data(name: &NameKey) -> [&[u8]; 2] {
    [b"\0", name.as_str().as_bytes()]
}

#[cfg(test)]
mod tests {
    use hutong_protocol::Name;
    use proptest::prelude::*;

    use super::*;

    const NOW: Duration = Duration::from_secs(1_795_471_200);
    const SECOND: Duration = Duration::from_secs(1);
    const SESSION: SessionId = SessionId([9; 16]);
    const NONE: Credential = Credential::NONE;

    fn key(name: &str) -> NameKey {
        Name::new(name).unwrap().key()
    }

    /// The token of a user who logged in at this time.
    fn token(at: Duration) -> Token {
        Token(u64::try_from(at.as_micros()).unwrap())
    }

    /// The ticket's user, if the ticket is valid at this time, for the name and the credential.
    fn valid(
        signer: &TicketSigner,
        now: Duration,
        ticket: &SessionTicket,
        name: &NameKey,
        credential: Credential,
    ) -> Option<Token> {
        let ticket = signer.read_user(ticket, name, Some(credential))?;
        assert_eq!(ticket.session, SESSION);
        (ticket.has_credential && !ticket.times.have_expired(now)).then_some(ticket.user)
    }

    /// The times of a ticket that a user gets at this time, with this first login.
    fn times(first_login: Duration, issued: Duration) -> TicketTimes {
        TicketTimes { first_login, issued }
    }

    #[test]
    fn tickets_are_checked_by_kind_signature_and_age() {
        let signer = TicketSigner::new(&[7; 32]);
        let (ana, me) = (key("Ana"), token(NOW));
        let user = signer.user(times(NOW, NOW), me, SESSION, &ana, NONE);
        let members = [Token(5), Token(6)];
        let call = signer.call(NOW, CallId(9), members);

        assert_eq!(valid(&signer, NOW, &user, &key("ANA"), NONE), Some(me));
        let genuine = signer.read_call(&call).unwrap();
        assert_eq!((genuine.call, genuine.members, genuine.issued), (CallId(9), members, NOW));
        assert_eq!(valid(&signer, NOW, &SessionTicket::new(call.as_str()), &ana, NONE), None);
        assert_eq!(signer.read_call(&CallTicket::new(user.as_str())), None);
        assert_eq!(valid(&signer, NOW + LIFETIME, &user, &ana, NONE), Some(me));
        assert_eq!(valid(&signer, NOW + LIFETIME + SECOND, &user, &ana, NONE), None);
        assert!(!genuine.has_expired(NOW + LIFETIME) && genuine.has_expired(NOW + LIFETIME + SECOND));
        assert_eq!(valid(&TicketSigner::new(&[8; 32]), NOW, &user, &ana, NONE), None);
    }

    #[test]
    fn renewed_tickets_are_valid_for_30_days_after_the_first_login() {
        let signer = TicketSigner::new(&[7; 32]);
        let (ana, me) = (key("Ana"), token(NOW));
        for (age, good) in [(SESSION_LIFETIME - SECOND, true), (SESSION_LIFETIME + SECOND, false)] {
            let renewed = signer.user(times(NOW, NOW + age), me, SESSION, &ana, NONE);
            assert_eq!(valid(&signer, NOW + age, &renewed, &ana, NONE).is_some(), good, "{age:?}");
        }
    }

    #[test]
    fn a_ticket_names_its_first_login_where_the_token_is_not_its_time() {
        let signer = TicketSigner::new(&[7; 32]);
        let (ana, in_2014) = (key("Ana"), token(Duration::from_secs(1_400_000_000)));
        let ticket = signer.user(times(NOW, NOW + SECOND), in_2014, SESSION, &ana, NONE);
        assert!(ticket.as_str().starts_with("u3."), "{}", ticket.as_str());
        let genuine = signer.read_user(&ticket, &ana, Some(NONE)).unwrap();
        assert_eq!((genuine.user, genuine.times), (in_2014, times(NOW, NOW + SECOND)));
        for (age, good) in [(SECOND, true), (LIFETIME + SECOND * 2, false)] {
            assert_eq!(valid(&signer, NOW + age, &ticket, &ana, NONE).is_some(), good, "{age:?}");
        }
    }

    #[test]
    fn a_session_ticket_is_genuine_for_one_name_and_valid_for_one_credential() {
        let signer = TicketSigner::new(&[7; 32]);
        let [old, new] = [b"old", b"new"].map(|password| Credential::of(&[password]));
        let ticket = signer.user(times(NOW, NOW), token(NOW), SESSION, &key("Ana"), old);
        assert_eq!(signer.read_user(&ticket, &key("Bo"), Some(old)), None);
        for (credential, expected) in [(Some(old), true), (Some(new), false), (Some(NONE), false), (None, false)] {
            let genuine = signer.read_user(&ticket, &key("Ana"), credential).unwrap();
            assert_eq!((genuine.user, genuine.has_credential), (token(NOW), expected));
        }
        // Also when a former key signed it.
        let rotated = TicketSigner::with_former(&[8; 32], &[[7; 32]]);
        assert!(rotated.read_user(&ticket, &key("Ana"), Some(old)).unwrap().has_credential);
        assert_ne!(Credential::of(&[b"ab", b"c"]), Credential::of(&[b"a", b"bc"]));
        assert_eq!(format!("{old:?}"), "Credential(..)");
    }

    #[test]
    fn tickets_of_the_format_before_sessions_are_invalid() {
        let signer = TicketSigner::new(&[7; 32]);
        let bound: [&[u8]; 3] = [b"\0", b"ana", &NONE.0];
        for bound in [&bound[..], &bound[..2]] {
            let old = SessionTicket::new(&signer.sign(format!("u1.{}.{}", token(NOW).0, NOW.as_secs()), bound));
            assert_eq!(signer.read_user(&old, &key("Ana"), Some(NONE)), None);
        }
    }

    proptest! {
        #[test]
        fn altered_tickets_are_invalid(at in 0_usize..150, with in "[0-9a-zA-Z._-]") {
            let signer = TicketSigner::new(&[7; 32]);
            let ana = key("Ana");
            let good = signer.user(times(NOW, NOW), token(NOW), SESSION, &ana, NONE);
            let altered: String = good
                .as_str()
                .char_indices()
                .map(|(index, old)| if index == at { with.chars().next().unwrap_or(old) } else { old })
                .collect();
            let altered = SessionTicket::new(&altered);
            prop_assert_eq!(signer.read_user(&altered, &ana, Some(NONE)).is_some(), altered == good);
        }

        #[test]
        fn arbitrary_text_is_rejected_without_panic(text in any::<String>()) {
            let signer = TicketSigner::new(&[7; 32]);
            prop_assert_eq!(signer.read_user(&SessionTicket::new(&text), &key("Ana"), Some(NONE)), None);
            prop_assert_eq!(signer.read_call(&CallTicket::new(&text)), None);
        }
    }
}
