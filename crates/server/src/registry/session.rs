//! Generator of session IDs, and what the registry keeps of the session of each user.

use std::{fmt, hash};

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::{
    session_id::SessionId,
    ticket::{Credential, TicketTimes, mac},
};

/// Generator of session IDs: HMAC-SHA256 of a counter, under a random seed. So the registry needs no source of randomness.
#[derive(Clone)]
pub struct SessionIds {
    seeded: Hmac<Sha256>,
    count: u64,
}

impl SessionIds {
    /// The caller generates a random seed for each start of a server: with the same seed, the IDs repeat.
    pub fn new(seed: &[u8; 32]) -> Self {
        Self { seeded: mac(seed), count: 0 }
    }

    pub fn next_id(&mut self) -> SessionId {
        self.count += 1;
        let mut id = [0; 16];
        let output = self.seeded.clone().chain_update(self.count.to_be_bytes()).finalize().into_bytes();
        id.copy_from_slice(&output[..16]);
        SessionId(id)
    }
}

impl fmt::Debug for SessionIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionIds(..)")
    }
}

/// The session of a user who is online, or whose name is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    pub id: SessionId,
    /// Of the secret that admitted the user.
    pub credential: Credential,
    /// Of its latest ticket, as the clock showed them.
    pub times: TicketTimes,
}

impl hash::Hash for SessionRecord {
    /// Hashes nothing. The hash is for snapshots, which identify a session by its user's token.
    fn hash<H: hash::Hasher>(&self, _: &mut H) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_ids_are_distinct_and_depend_on_the_seed() {
        let (mut one, mut other) = (SessionIds::new(&[1; 32]), SessionIds::new(&[2; 32]));
        let ids: std::collections::HashSet<_> = (0..100).flat_map(|_| [one.next_id(), other.next_id()]).collect();
        assert_eq!(ids.len(), 200);
        let id = one.next_id();
        assert_eq!(SessionId::parse(&id.to_string()), Some(id));
        assert_eq!(SessionId::parse("00"), None);
        assert_eq!(format!("{id:?} {one:?}"), "SessionId(..) SessionIds(..)");
    }
}
