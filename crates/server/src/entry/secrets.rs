//! What a person has to know to come in: nothing, the server's access key, or the password of their name.

use std::{collections::HashMap, fmt, sync::Arc};

use argon2::{
    Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier,
    password_hash::{SaltString, errors::Error as HashError},
};
use hutong_protocol::{Name, NameKey, Secret, limits::SECRET_BYTES};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::watched::Fault;
use crate::registry::Credential;

/// The shortest access key. A short one is guessed, however slowly that goes.
const SHORTEST_KEY: usize = 8;

/// The most memory that checking one password may take, in KiB, and the most passes over it: a slip in the file must not stop the
/// server.
const COSTLIEST: (u32, u32) = (1024 * 1024, 64);

/// One key for everybody.
pub(crate) struct AccessKey([u8; 32]);

impl AccessKey {
    /// Reads a key: one line, as it is but for white space around it.
    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        let key = text.trim();
        if key.lines().nth(1).is_some() {
            return Err(Fault::Whole("an access key is one line"));
        }
        if key.len() < SHORTEST_KEY || key.len() > SECRET_BYTES {
            return Err(Fault::Whole("an access key has 8 to 1024 bytes"));
        }
        Ok(Self(digest(key)))
    }

    /// Takes as long for a key that is nearly right, since digests are compared, and those in constant time.
    pub(crate) fn is(&self, secret: &Secret) -> bool {
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

/// Names, each with the hash of its password.
pub(crate) struct Users {
    hashes: HashMap<NameKey, Hash>,
    /// For names that are not there: checking it takes as long as checking one that is.
    stand_in: Hash,
}

/// A password's hash as a PHC string: algorithm, its cost, salt and hash.
pub(crate) type Hash = Arc<str>;

impl Users {
    /// Reads a list: a name, a colon and an Argon2id hash a line, as [`users_file_line`] writes it. Lines that begin with `#` are
    /// comments.
    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        let mut hashes = HashMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            // A name may have colons in it, a hash has none.
            let (name, hash) = line.rsplit_once(':').ok_or(Fault::Line(number, "a name, a colon and a hash"))?;
            let name = Name::new(name).map_err(|_| Fault::Line(number, "this cannot be a name"))?;
            check(hash).map_err(|fault| Fault::Line(number, fault))?;
            if hashes.insert(name.key(), hash.into()).is_some() {
                return Err(Fault::Line(number, "this name is there already"));
            }
        }
        let stand_in = hashes.values().next().cloned().unwrap_or_else(|| STAND_IN.into());
        Ok(Self { hashes, stand_in })
    }

    /// The hash to check, and whether it is this name's: if not, the outcome counts for nothing.
    pub(crate) fn hash_of(&self, name: &NameKey) -> (Hash, bool) {
        match self.hashes.get(name) {
            Some(hash) => (hash.clone(), true),
            None => (self.stand_in.clone(), false),
        }
    }

    pub(crate) fn credential(&self, name: &NameKey) -> Option<Credential> {
        let hash = self.hashes.get(name)?;
        Some(Credential::of(&[b"password", hash.as_bytes()]))
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Users").field("count", &self.hashes.len()).finish_non_exhaustive()
    }
}

/// Hashes the secret again and compares. Takes the time and memory that the hash asks for: many milliseconds, many megabytes.
pub(crate) fn is_password(hash: &str, secret: &Secret) -> bool {
    let Ok(hash) = PasswordHash::new(hash) else { return false };
    Argon2::default().verify_password(secret.expose().as_bytes(), &hash).is_ok()
}

/// A line for the file of `--users-file`: the name and an Argon2id hash of the password with a new random salt (RFC 9106; 19 MiB and two
/// passes, as OWASP recommends).
///
/// # Errors
///
/// [`UsersFileLineError`], when the name cannot be one or cannot stand in the file, the password is too long or empty, or the system has
/// no randomness.
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
    let hash = hash(password, &salt, Params::DEFAULT).map_err(|_| UsersFileLineError::Password)?;
    Ok(format!("{name}:{hash}"))
}

/// Why there is no line for a users' file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsersFileLineError {
    /// The name cannot be one.
    #[error("a name has 1 to 40 visible characters")]
    Name,
    /// The name begins with `#`, as comments do.
    #[error("a name in the file cannot begin with #, as comments do")]
    Comment,
    /// The password is empty, or longer than a secret can be.
    #[error("a password has 1 to 1024 bytes")]
    Password,
    /// The system has no randomness to give.
    #[error("the system has no randomness to make a salt from")]
    NoRandomness,
}

/// The cost of the hashes that we make, with nobody's password.
const STAND_IN: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn hash(password: &str, salt: &[u8], cost: Params) -> Result<String, HashError> {
    let salt = SaltString::encode_b64(salt)?;
    let argon2 = Argon2::new(Algorithm::Argon2id, argon2::Version::V0x13, cost);
    Ok(argon2.hash_password(password.as_bytes(), &salt)?.to_string())
}

/// Whether this is a hash that can be checked.
fn check(hash: &str) -> Result<(), &'static str> {
    const NOT_ONE: &str = "no Argon2id hash as `hutong-server hash-password` writes it";
    let hash = PasswordHash::new(hash).map_err(|_| NOT_ONE)?;
    if hash.algorithm != Algorithm::Argon2id.ident() || hash.hash.is_none() || hash.salt.is_none() {
        return Err(NOT_ONE);
    }
    let cost = Params::try_from(&hash).map_err(|_| NOT_ONE)?;
    if cost.m_cost() > COSTLIEST.0 || cost.t_cost() > COSTLIEST.1 {
        return Err("checking this hash would cost more than 1 GiB or 64 passes");
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

    fn cheap(password: &str) -> String {
        hash(password, &[7; 16], Params::new(8, 1, 1, None).unwrap()).unwrap()
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text).unwrap()
    }

    fn key(name: &str) -> NameKey {
        Name::new(name).unwrap().key()
    }

    #[test]
    fn an_access_key_is_a_line_of_some_length() {
        let access = AccessKey::parse("  correct horse battery\n").unwrap();
        assert!(access.is(&secret("correct horse battery")));
        for wrong in ["", "correct horse", "correct horse battery ", "Correct horse battery"] {
            assert!(!access.is(&secret(wrong)), "{wrong}");
        }
        for bad in ["", "\n", "short", "one line\nand another", &"x".repeat(1025)] {
            assert!(AccessKey::parse(bad).is_err(), "{bad:.20}");
        }
        assert_eq!(format!("{access:?}"), "AccessKey(..)");
        assert_ne!(access.credential(), AccessKey::parse("another one").unwrap().credential());
    }

    #[test]
    fn names_have_the_passwords_of_their_hashes() {
        let text = format!("# people\n\nAna:{}\nBo: the : 2nd:{}\n", cheap("open sesame"), cheap("geheim"));
        let users = Users::parse(&text).unwrap();
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
        let (stand_in, known) = users.hash_of(&key("Mallory"));
        assert!(!known);
        assert_eq!(stand_in.split('$').nth(3), Some("m=8,t=1,p=1"), "as costly as the others");
        assert_eq!(users.credential(&key("Mallory")), None);
        assert_ne!(users.credential(&key("Ana")), users.credential(&key("Bo: the : 2nd")));
        assert!(!format!("{users:?}").contains("argon2"));
    }

    #[test]
    fn without_users_a_name_costs_as_much_as_with_those_that_we_make() {
        let (stand_in, known) = Users::parse("").unwrap().hash_of(&key("Ana"));
        assert!(!known);
        assert_eq!(check(&stand_in), Ok(()));
        let made = users_file_line("Ana", "open sesame").unwrap();
        let cost = |hash: &str| hash.split('$').nth(3).map(str::to_owned);
        assert_eq!(cost(&stand_in), cost(&made));
    }

    #[test]
    fn a_line_that_is_wrong_is_told() {
        let good = cheap("x");
        let weak = good.replace("argon2id", "argon2i");
        let greedy = good.replace("m=8,", "m=4000000,");
        for (text, line) in [
            ("Ana".to_owned(), 1),
            (format!("\nAna:{good}\nana:{good}"), 3),
            (format!(":{good}"), 1),
            ("Ana:$2b$12$abcdefghijklmnopqrstuv".to_owned(), 1),
            ("Ana:open sesame".to_owned(), 1),
            (format!("Ana:{weak}"), 1),
            (format!("Ana:{greedy}"), 1),
            (format!("Ana:{}", &good[..good.len() - 44]), 1),
        ] {
            assert!(matches!(Users::parse(&text), Err(Fault::Line(number, _)) if number == line), "{text}");
        }
    }

    #[test]
    fn a_made_line_is_read_and_no_two_are_alike() {
        let [one, other] = [0; 2].map(|_| users_file_line(" Ana  Luisa", "open sesame").unwrap());
        assert!(one.starts_with("Ana Luisa:$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
        assert_ne!(one, other);
        let (hash, known) = Users::parse(&one).unwrap().hash_of(&key("ana luisa"));
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
        fn any_text_is_a_list_or_a_fault(text in "[ -~\n]{0,200}") {
            let _: Result<Users, Fault> = Users::parse(&text);
            let _: Result<AccessKey, Fault> = AccessKey::parse(&text);
        }
    }
}
