//! Secrets that a login requires: the access key that all users share, or a password for each name.

use std::{collections::HashMap, fmt, sync::Arc};

use argon2::{
    Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier,
    password_hash::{SaltString, errors::Error as HashError},
};
use hutong_protocol::{Name, NameKey, Secret, limits::MAX_SECRET_BYTES};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::reloadable_file::FileContentError;
use crate::registry::Credential;

/// Shortest access key in bytes. A shorter one can be guessed despite the lockout.
const MIN_KEY_BYTES: usize = 8;

/// Highest accepted Argon2 cost: memory in KiB, and passes. A typo in the users file must not exhaust the machine.
const MAX_COST: (u32, u32) = (1024 * 1024, 64);

/// The access key that all users share, as its SHA-256 digest.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey([u8; 32]);

/// Error: an access key is a single line of 8 to 1,024 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an access key is a single line of 8 to 1024 bytes")]
pub struct InvalidAccessKey;

impl AccessKey {
    /// An access key with this text, without the white space around it.
    ///
    /// # Errors
    ///
    /// [`InvalidAccessKey`] if it has several lines, or less than 8 or more than 1,024 bytes.
    pub fn new(text: &str) -> Result<Self, InvalidAccessKey> {
        let key = text.trim();
        let is_valid = key.lines().nth(1).is_none() && (MIN_KEY_BYTES..=MAX_SECRET_BYTES).contains(&key.len());
        if is_valid { Ok(Self(digest(key))) } else { Err(InvalidAccessKey) }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, FileContentError> {
        Self::new(text)
            .map_err(|InvalidAccessKey| FileContentError::Whole("an access key is a single line of 8 to 1024 bytes"))
    }

    /// Whether the secret is the key. Compares digests in constant time, so the timing reveals no prefix of the key.
    pub(crate) fn verify(&self, secret: &Secret) -> bool {
        digest(secret.expose()).ct_eq(&self.0).into()
    }

    pub(crate) fn credential(&self) -> Credential {
        Credential::of(&[b"access key", &self.0])
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessKey(..)")
    }
}

/// Password hash of each user.
pub(crate) struct UserPasswords {
    hashes: HashMap<NameKey, PhcString>,
    /// Checked for unknown names, so that the response time does not reveal which names exist.
    dummy_hash: PhcString,
}

/// Password hash in the PHC string format: algorithm, cost, salt and hash.
pub(crate) type PhcString = Arc<str>;

impl UserPasswords {
    /// Parses lines of a name, a colon and an Argon2id hash, as [`users_file_line`] formats them. Lines that begin with
    /// `#` are comments.
    pub(crate) fn parse(text: &str) -> Result<Self, FileContentError> {
        let mut hashes = HashMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            // A name may contain colons, a hash does not.
            let (name, hash) = line.rsplit_once(':').ok_or(FileContentError::Line(number, "expected NAME:HASH"))?;
            let name = Name::new(name).map_err(|_| FileContentError::Line(number, "invalid name"))?;
            check_hash(hash).map_err(|problem| FileContentError::Line(number, problem))?;
            if hashes.insert(name.key(), hash.into()).is_some() {
                return Err(FileContentError::Line(number, "duplicate name"));
            }
        }
        let dummy_hash = hashes.values().next().cloned().unwrap_or_else(|| DUMMY_HASH.into());
        Ok(Self { hashes, dummy_hash })
    }

    /// The hash to check, and whether the name is known. For an unknown name the caller checks a dummy hash and ignores
    /// the result.
    pub(crate) fn hash_of(&self, name: &NameKey) -> (PhcString, bool) {
        match self.hashes.get(name) {
            Some(hash) => (hash.clone(), true),
            None => (self.dummy_hash.clone(), false),
        }
    }

    /// The names whose password `new` does not have any more: changed or removed.
    pub(crate) fn names_changed_in(&self, new: &Self) -> Vec<NameKey> {
        let is_changed = |(name, hash): &(&NameKey, &PhcString)| new.hashes.get(*name) != Some(*hash);
        self.hashes.iter().filter(is_changed).map(|(name, _)| name.clone()).collect()
    }

    pub(crate) fn credential(&self, name: &NameKey) -> Option<Credential> {
        let hash = self.hashes.get(name)?;
        Some(Credential::of(&[b"password", hash.as_bytes()]))
    }
}

impl fmt::Debug for UserPasswords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserPasswords").field("count", &self.hashes.len()).finish_non_exhaustive()
    }
}

/// Whether the secret is the password of this hash. Blocks for tens of milliseconds and takes tens of megabytes.
pub(crate) fn is_password(hash: &str, secret: &Secret) -> bool {
    let Ok(hash) = PasswordHash::new(hash) else { return false };
    Argon2::default().verify_password(secret.expose().as_bytes(), &hash).is_ok()
}

/// Formats a line for `--users-file`: the name, and an Argon2id hash of the password with a random salt.
///
/// The cost is 19 MiB and two passes, as OWASP recommends (RFC 9106).
///
/// # Errors
///
/// [`UsersFileLineError`] if the name or the password is invalid, or the operating system's random number generator fails.
pub fn users_file_line(name: &str, password: &str) -> Result<String, UsersFileLineError> {
    let name = Name::new(name).map_err(|_| UsersFileLineError::Name)?;
    if name.as_str().starts_with('#') {
        return Err(UsersFileLineError::Comment);
    }
    if password.is_empty() || Secret::new(password).is_err() {
        return Err(UsersFileLineError::Password);
    }
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|_| UsersFileLineError::NoRandomness)?;
    let hash = hash_password(password, &salt, Params::DEFAULT).map_err(|_| UsersFileLineError::Password)?;
    Ok(format!("{name}:{hash}"))
}

/// Error of [`users_file_line`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsersFileLineError {
    /// The name is invalid.
    #[error("invalid name: a name has 1 to 40 visible characters")]
    Name,
    /// The name begins with `#`, so its line would be a comment.
    #[error("invalid name: it begins with #, which begins a comment in this file")]
    Comment,
    /// The password is empty, or longer than the protocol permits.
    #[error("invalid password: a password has 1 to 1024 bytes")]
    Password,
    /// The operating system's random number generator failed.
    #[error("cannot create a salt: the operating system's random number generator failed")]
    NoRandomness,
}

/// Hash at our own cost parameters that no password matches.
const DUMMY_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn hash_password(password: &str, salt: &[u8], cost: Params) -> Result<String, HashError> {
    let salt = SaltString::encode_b64(salt)?;
    let argon2 = Argon2::new(Algorithm::Argon2id, argon2::Version::V0x13, cost);
    Ok(argon2.hash_password(password.as_bytes(), &salt)?.to_string())
}

/// Rejects hashes that [`is_password`] cannot check, or only at an excessive cost.
fn check_hash(hash: &str) -> Result<(), &'static str> {
    const NOT_ARGON2ID: &str = "not an Argon2id hash; create one with `hutong-server hash-password`";
    let hash = PasswordHash::new(hash).map_err(|_| NOT_ARGON2ID)?;
    if hash.algorithm != Algorithm::Argon2id.ident() || hash.hash.is_none() || hash.salt.is_none() {
        return Err(NOT_ARGON2ID);
    }
    let cost = Params::try_from(&hash).map_err(|_| NOT_ARGON2ID)?;
    if cost.m_cost() > MAX_COST.0 || cost.t_cost() > MAX_COST.1 {
        return Err("this Argon2id hash costs more than 1 GiB or 64 passes");
    }
    Ok(())
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cheap_hash(password: &str) -> String {
        hash_password(password, &[7; 16], Params::new(8, 1, 1, None).unwrap()).unwrap()
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text).unwrap()
    }

    fn key(name: &str) -> NameKey {
        Name::new(name).unwrap().key()
    }

    #[test]
    fn an_access_key_is_a_single_line_of_8_to_1024_bytes() {
        let access = AccessKey::parse("  correct horse battery\n").unwrap();
        assert!(access.verify(&secret("correct horse battery")));
        for wrong in ["", "correct horse", "correct horse battery ", "Correct horse battery"] {
            assert!(!access.verify(&secret(wrong)), "{wrong}");
        }
        for bad in ["", "\n", "short", "one line\nand another", &"x".repeat(1025)] {
            assert!(AccessKey::parse(bad).is_err(), "{bad:.20}");
        }
        assert_eq!(format!("{access:?}"), "AccessKey(..)");
        assert_ne!(access.credential(), AccessKey::parse("another one").unwrap().credential());
    }

    #[test]
    fn each_name_is_checked_against_its_own_hash() {
        let text = format!("# people\n\nAna:{}\nBo: the : 2nd:{}\n", cheap_hash("open sesame"), cheap_hash("geheim"));
        let users = UserPasswords::parse(&text).unwrap();
        for (name, password, expected) in [
            ("Ana", "open sesame", true),
            ("ANA", "open sesame", true),
            ("Ana", "geheim", false),
            ("Ana", "", false),
            ("Bo: the : 2nd", "geheim", true),
        ] {
            let (hash, known) = users.hash_of(&key(name));
            assert_eq!(known && is_password(&hash, &secret(password)), expected, "{name} {password}");
        }
        let (dummy, known) = users.hash_of(&key("Mallory"));
        assert!(!known);
        assert_eq!(dummy.split('$').nth(3), Some("m=8,t=1,p=1"), "the dummy hash costs as much as the others");
        assert_eq!(users.credential(&key("Mallory")), None);
        assert_ne!(users.credential(&key("Ana")), users.credential(&key("Bo: the : 2nd")));
        assert!(!format!("{users:?}").contains("argon2"));
    }

    #[test]
    fn changed_and_removed_passwords_are_found_and_added_ones_are_not() {
        let file = |lines: &[(&str, &str)]| {
            let text: String =
                lines.iter().map(|(name, password)| format!("{name}:{}\n", cheap_hash(password))).collect();
            UserPasswords::parse(&text).unwrap()
        };
        let old = file(&[("Ana", "one"), ("Bo", "two"), ("Cy", "three")]);
        let new = file(&[("ana", "one"), ("Bo", "other"), ("Di", "four")]);
        let mut changed: Vec<_> = old.names_changed_in(&new);
        changed.sort_unstable();
        assert_eq!(changed, [key("Bo"), key("Cy")]);
        assert_eq!(old.names_changed_in(&old), []);
    }

    #[test]
    fn the_dummy_hash_of_an_empty_file_costs_as_much_as_a_generated_one() {
        let (dummy, known) = UserPasswords::parse("").unwrap().hash_of(&key("Ana"));
        assert!(!known);
        assert_eq!(check_hash(&dummy), Ok(()));
        let generated = users_file_line("Ana", "open sesame").unwrap();
        let cost = |hash: &str| hash.split('$').nth(3).map(str::to_owned);
        assert_eq!(cost(&dummy), cost(&generated));
    }

    #[test]
    fn a_parse_error_names_the_line() {
        let good = cheap_hash("x");
        let argon2i = good.replace("argon2id", "argon2i");
        let too_costly = good.replace("m=8,", "m=4000000,");
        for (text, line) in [
            ("Ana".to_owned(), 1),
            (format!("\nAna:{good}\nana:{good}"), 3),
            (format!(":{good}"), 1),
            ("Ana:$2b$12$abcdefghijklmnopqrstuv".to_owned(), 1),
            ("Ana:open sesame".to_owned(), 1),
            (format!("Ana:{argon2i}"), 1),
            (format!("Ana:{too_costly}"), 1),
            (format!("Ana:{}", &good[..good.len() - 44]), 1),
        ] {
            assert!(
                matches!(UserPasswords::parse(&text), Err(FileContentError::Line(number, _)) if number == line),
                "{text}"
            );
        }
    }

    #[test]
    fn generated_lines_parse_and_have_distinct_salts() {
        let [one, other] = [0; 2].map(|_| users_file_line(" Ana  Luisa", "open sesame").unwrap());
        assert!(one.starts_with("Ana Luisa:$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
        assert_ne!(one, other);
        let (hash, known) = UserPasswords::parse(&one).unwrap().hash_of(&key("ana luisa"));
        assert!(known && is_password(&hash, &secret("open sesame")));
        for (name, password, error) in [
            ("", "x", UsersFileLineError::Name),
            ("#1", "x", UsersFileLineError::Comment),
            ("Ana", "", UsersFileLineError::Password),
            ("Ana", &"x".repeat(1025), UsersFileLineError::Password),
        ] {
            assert_eq!(users_file_line(name, password), Err(error));
        }
    }

    proptest! {
        #[test]
        fn any_text_parses_or_fails_without_a_panic(text in "[ -~\n]{0,200}") {
            let _: Result<UserPasswords, FileContentError> = UserPasswords::parse(&text);
            let _: Result<AccessKey, FileContentError> = AccessKey::parse(&text);
        }
    }
}
