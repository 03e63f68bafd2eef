//! Revoked session tickets, in bounded memory, until the tickets have expired by themselves.

use std::{collections::HashMap, fmt, time::Duration};

use hutong_protocol::{NameKey, Token};
use sha2::{Digest, Sha256};

use super::session_id::SessionId;

/// Largest number of revocations: about 8 MB in memory, and 8 MB in a file.
const MAX_REVOCATIONS: usize = 65_536;

/// Largest number of revoked sessions of one name. Beyond, the oldest is replaced by a time: all sessions of this name with a
/// first login until then are revoked. So nobody fills the table with one name.
const MAX_SESSIONS_PER_NAME: usize = 8;

/// Hash of a name, so that neither table nor file grows with its length.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct NameTag(pub [u8; 16]);

impl NameTag {
    /// The tag of a name: the first half of its SHA-256 digest.
    #[must_use]
    pub fn of(name: &NameKey) -> Self {
        let mut tag = [0; 16];
        tag.copy_from_slice(&Sha256::digest(name.as_str().as_bytes())[..16]);
        Self(tag)
    }
}

impl fmt::Debug for NameTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Like the name, it must not appear in a log.
        f.write_str("NameTag(..)")
    }
}

/// One revocation, with the time at which every ticket that it names has expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// The sessions whose tickets are revoked.
    pub revoked: RevokedSessions,
    /// When the last of these tickets has expired, since the Unix epoch.
    pub expires: Duration,
}

/// The sessions that a revocation names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevokedSessions {
    /// One session.
    One {
        /// The name of its user.
        name: NameTag,
        /// The session.
        session: SessionId,
        /// Its user, whose token is the time of its first login.
        user: Token,
    },
    /// The sessions of a name with a first login until then, inclusive.
    OfName {
        /// The name.
        name: NameTag,
        /// The latest first login.
        until: Token,
    },
    /// All sessions with a first login until then, inclusive.
    All {
        /// The latest first login.
        until: Token,
    },
}

/// The table of revocations.
///
/// At [`MAX_REVOCATIONS`], the revocations that expire first are dropped. This takes as many names within a day, so it happens
/// only where names are free to choose, and there who fills the table could also log in without a ticket.
#[derive(Clone, Debug, Default)]
pub struct Revocations {
    names: HashMap<NameTag, RevokedOfName>,
    all: Option<Watermark>,
    count: usize,
}

#[derive(Clone, Debug, Default)]
struct RevokedOfName {
    sessions: Vec<RevokedSession>,
    until: Option<Watermark>,
}

#[derive(Clone, Copy, Debug)]
struct RevokedSession {
    session: SessionId,
    user: Token,
    expires: Duration,
}

/// Revokes all sessions with a first login until then.
#[derive(Clone, Copy, Debug)]
struct Watermark {
    until: Token,
    expires: Duration,
}

impl Watermark {
    /// The watermark that covers both.
    fn merged(self, other: Option<Self>) -> Self {
        other
            .map_or(self, |other| Self { until: self.until.max(other.until), expires: self.expires.max(other.expires) })
    }
}

impl RevokedOfName {
    fn len(&self) -> usize {
        self.sessions.len() + usize::from(self.until.is_some())
    }
}

impl Revocations {
    /// Adds a revocation. Returns the records that describe the change, for the file: the revocation, and the watermark of its
    /// name where that has changed too. Returns nothing if the revocation was in the table.
    pub fn insert(&mut self, now: Duration, revocation: Revocation) -> Vec<Revocation> {
        if self.count >= MAX_REVOCATIONS {
            self.make_room(now);
        }
        let expires = revocation.expires;
        match revocation.revoked {
            RevokedSessions::All { until } => {
                self.count += usize::from(self.all.is_none());
                self.all = Some(Watermark { until, expires }.merged(self.all));
            }
            RevokedSessions::OfName { name, until } => {
                let of_name = self.names.entry(name).or_default();
                self.count += usize::from(of_name.until.is_none());
                of_name.until = Some(Watermark { until, expires }.merged(of_name.until));
            }
            RevokedSessions::One { name, session, user } => {
                let of_name = self.names.entry(name).or_default();
                if of_name.sessions.iter().any(|revoked| revoked.session == session) {
                    return Vec::new();
                }
                of_name.sessions.push(RevokedSession { session, user, expires });
                self.count += 1;
                if of_name.sessions.len() > MAX_SESSIONS_PER_NAME {
                    let oldest = (0..of_name.sessions.len()).min_by_key(|index| of_name.sessions[*index].user);
                    let oldest = of_name.sessions.swap_remove(oldest.unwrap_or_default());
                    self.count -= usize::from(of_name.until.is_some());
                    let until = Watermark { until: oldest.user, expires: oldest.expires }.merged(of_name.until);
                    of_name.until = Some(until);
                    let revoked = RevokedSessions::OfName { name, until: until.until };
                    return vec![revocation, Revocation { revoked, expires: until.expires }];
                }
            }
        }
        vec![revocation]
    }

    /// Whether the tickets of this session are revoked.
    pub fn contains(&self, name: &NameKey, session: SessionId, user: Token) -> bool {
        let is_before = |watermark: Option<Watermark>| watermark.is_some_and(|watermark| user <= watermark.until);
        is_before(self.all)
            || self.names.get(&NameTag::of(name)).is_some_and(|of_name| {
                is_before(of_name.until) || of_name.sessions.iter().any(|revoked| revoked.session == session)
            })
    }

    /// Removes the revocations whose tickets have all expired.
    pub fn remove_expired(&mut self, now: Duration) {
        self.retain(|expires| expires > now);
    }

    /// Keeps all revocations for longer by this time, but not beyond `latest`, when the last ticket of now has expired.
    pub fn extend(&mut self, by: Duration, latest: Duration) {
        let extend = |expires: &mut Duration| *expires = expires.saturating_add(by).min(latest).max(*expires);
        for of_name in self.names.values_mut() {
            of_name.sessions.iter_mut().for_each(|revoked| extend(&mut revoked.expires));
            of_name.until.iter_mut().for_each(|watermark| extend(&mut watermark.expires));
        }
        self.all.iter_mut().for_each(|watermark| extend(&mut watermark.expires));
    }

    pub const fn len(&self) -> usize {
        self.count
    }

    /// All revocations, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = Revocation> + '_ {
        let of_names = self.names.iter().flat_map(|(name, of_name)| {
            let name = *name;
            let sessions = of_name.sessions.iter().map(move |revoked| Revocation {
                revoked: RevokedSessions::One { name, session: revoked.session, user: revoked.user },
                expires: revoked.expires,
            });
            let until = of_name.until.map(|watermark| Revocation {
                revoked: RevokedSessions::OfName { name, until: watermark.until },
                expires: watermark.expires,
            });
            sessions.chain(until)
        });
        let all = self.all.map(|watermark| Revocation {
            revoked: RevokedSessions::All { until: watermark.until },
            expires: watermark.expires,
        });
        of_names.chain(all)
    }

    fn make_room(&mut self, now: Duration) {
        self.remove_expired(now);
        // Some more at once, so that an attacker does not make every logout search the table.
        let excess = (self.count + MAX_REVOCATIONS / 16).saturating_sub(MAX_REVOCATIONS);
        if excess > 0 {
            let mut expiries: Vec<_> = self.iter().map(|revocation| revocation.expires).collect();
            let (_, last_dropped, _) = expiries.select_nth_unstable(excess.min(self.count) - 1);
            let last_dropped = *last_dropped;
            self.retain(|expires| expires > last_dropped);
        }
    }

    fn retain(&mut self, is_kept: impl Fn(Duration) -> bool) {
        self.names.retain(|_, of_name| {
            of_name.sessions.retain(|revoked| is_kept(revoked.expires));
            of_name.until = of_name.until.filter(|watermark| is_kept(watermark.expires));
            of_name.len() > 0
        });
        self.all = self.all.filter(|watermark| is_kept(watermark.expires));
        self.count = self.names.values().map(RevokedOfName::len).sum::<usize>() + usize::from(self.all.is_some());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use hutong_protocol::Name;
    use proptest::prelude::*;

    use super::*;

    const NOW: Duration = Duration::from_secs(1_795_471_200);
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn key(name: &str) -> NameKey {
        Name::new(name).unwrap().key()
    }

    fn session(number: u64) -> SessionId {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&number.to_be_bytes());
        SessionId(id)
    }

    fn one(name: &str, number: u64, expires: Duration) -> Revocation {
        let revoked =
            RevokedSessions::One { name: NameTag::of(&key(name)), session: session(number), user: Token(number) };
        Revocation { revoked, expires }
    }

    #[test]
    fn a_revocation_lasts_until_its_tickets_have_expired() {
        let mut table = Revocations::default();
        table.insert(NOW, one("Ana", 5, NOW + DAY));
        assert!(table.contains(&key("ANA"), session(5), Token(5)));
        assert!(!table.contains(&key("Ana"), session(6), Token(6)));
        assert!(!table.contains(&key("Bo"), session(5), Token(5)));
        table.remove_expired(NOW + DAY - Duration::from_secs(1));
        assert_eq!(table.len(), 1);
        table.remove_expired(NOW + DAY);
        assert_eq!((table.len(), table.names.len()), (0, 0));
    }

    #[test]
    fn a_watermark_revokes_earlier_logins_only() {
        let mut table = Revocations::default();
        let name = NameTag::of(&key("Ana"));
        table
            .insert(NOW, Revocation { revoked: RevokedSessions::OfName { name, until: Token(5) }, expires: NOW + DAY });
        let is_revoked = |table: &Revocations, name, number| table.contains(&key(name), session(number), Token(number));
        assert!(is_revoked(&table, "Ana", 5) && !is_revoked(&table, "Ana", 6) && !is_revoked(&table, "Bo", 5));
        table.insert(NOW, Revocation { revoked: RevokedSessions::All { until: Token(7) }, expires: NOW + DAY });
        assert!(is_revoked(&table, "Ana", 7) && is_revoked(&table, "Bo", 5) && !is_revoked(&table, "Bo", 8));
    }

    #[test]
    fn endless_logouts_of_one_name_displace_no_other_revocation() {
        let mut table = Revocations::default();
        table.insert(NOW, one("Victim", 1, NOW + DAY));
        for number in 2..200_000 {
            table.insert(NOW, one("Mallory", number, NOW + DAY * 2));
            assert!(table.len() <= MAX_SESSIONS_PER_NAME + 2);
        }
        assert!(table.contains(&key("Victim"), session(1), Token(1)));
        assert!((2..200_000).all(|number| table.contains(&key("Mallory"), session(number), Token(number))));
    }

    #[test]
    fn endless_logouts_of_many_names_are_bounded_and_drop_what_expires_first() {
        let mut table = Revocations::default();
        for number in 0..200_000_u32 {
            table.insert(
                NOW,
                one(&format!("Visitor {number}"), number.into(), NOW + DAY + Duration::from_secs(1) * number),
            );
            assert!(table.len() <= MAX_REVOCATIONS);
        }
        let newest = 200_000 - MAX_REVOCATIONS as u64 * 15 / 16;
        assert!(
            (newest..200_000)
                .all(|number| { table.contains(&key(&format!("Visitor {number}")), session(number), Token(number)) })
        );
    }

    proptest! {
        /// Whatever is revoked stays revoked until it expires, and the records for the file rebuild the same table.
        #[test]
        fn records_rebuild_the_table(
            revoked in prop::collection::vec((0_u8..3, 1_u64..40, 0_u32..100), 0..80),
            later in 0_u32..100,
        ) {
            let (mut table, mut rebuilt) = (Revocations::default(), Revocations::default());
            let names = ["Ana", "Bo", "Cy"];
            let second = Duration::from_secs(1);
            for (name, number, lifetime) in &revoked {
                let revocation = one(names[usize::from(*name)], *number, NOW + second * *lifetime);
                for record in table.insert(NOW, revocation) {
                    rebuilt.insert(NOW, record);
                }
            }
            let now = NOW + second * later;
            let compacted = table.iter().fold(Revocations::default(), |mut compacted, record| {
                compacted.insert(NOW, record);
                compacted
            });
            for table in [&mut table, &mut rebuilt] {
                table.remove_expired(now);
                prop_assert_eq!(table.len(), table.iter().count());
            }
            let mut first = HashSet::new();
            for (name, number, lifetime) in revoked {
                // A session is revoked once.
                if first.insert((name, number)) && NOW + second * lifetime > now {
                    for table in [&table, &rebuilt, &compacted] {
                        prop_assert!(table.contains(&key(names[usize::from(name)]), session(number), Token(number)));
                    }
                }
            }
        }
    }
}
