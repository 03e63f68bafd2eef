//! Index of partial rosters: which users each connection lists, and which connections list or search for a user.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use hutong_protocol::{NameKey, NameQuery, Token, limits};

use super::conn_id::ConnId;

/// How many users a partial roster lists at most. When it is full, it is built anew.
pub const MAX_LISTED: usize = 192;

/// The part of the roster that a client subscribes to: a search query and exact names.
#[derive(Clone, Debug, Default)]
pub struct SubscriptionFilter {
    pub query: NameQuery,
    pub names: Box<[NameKey]>,
}

/// A connection's filter, and the rate limit of its `watch` messages.
#[derive(Clone, Debug, Default)]
pub struct Subscription {
    pub filter: SubscriptionFilter,
    /// When a `watch` message was last answered.
    pub answered: Option<Duration>,
    /// When the latest `watch` message is answered, if it had to be postponed.
    pub due: Option<Duration>,
}

/// Why a partial roster lists a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListingReason {
    /// The filter names the user.
    Name,
    /// The filter's query matches the user.
    Query,
    /// The query is empty, and the user logged in lately.
    RecentLogin,
    /// The two users have or had a call.
    Call,
}

/// The partial rosters of all connections that have one, indexed by user, name and query, so that a change costs as much as
/// the number of connections that list the user.
#[derive(Clone, Debug, Default)]
pub struct PartialRosters {
    rosters: HashMap<ConnId, PartialRoster>,
    by_user: BTreeSet<(Token, ConnId)>,
    by_name: BTreeSet<(NameKey, ConnId)>,
    by_query: BTreeMap<NameQuery, BTreeSet<ConnId>>,
    /// Bounds of the totals that were last sent to the connections.
    totals: Option<(u32, u32)>,
}

/// The roster of one connection.
#[derive(Clone, Debug)]
pub struct PartialRoster {
    pub filter: SubscriptionFilter,
    pub listed: Vec<(Token, ListingReason)>,
    /// The number of users online that was last sent to the connection.
    pub total: u32,
}

impl PartialRosters {
    pub fn contains(&self, conn: ConnId) -> bool {
        self.rosters.contains_key(&conn)
    }

    pub fn is_empty(&self) -> bool {
        self.rosters.is_empty()
    }

    /// Gives a connection this roster, in place of a former one.
    pub fn insert(&mut self, conn: ConnId, roster: PartialRoster) {
        self.remove(conn);
        self.by_user.extend(roster.listed.iter().map(|(token, _)| (*token, conn)));
        self.by_name.extend(roster.filter.names.iter().map(|name| (name.clone(), conn)));
        if !roster.filter.query.is_empty() {
            self.by_query.entry(roster.filter.query.clone()).or_default().insert(conn);
        }
        self.totals = Some(extended(self.totals, roster.total));
        self.rosters.insert(conn, roster);
    }

    /// Removes a connection's roster, if it has one.
    pub fn remove(&mut self, conn: ConnId) {
        let Some(roster) = self.rosters.remove(&conn) else { return };
        for (token, _) in roster.listed {
            self.by_user.remove(&(token, conn));
        }
        for name in roster.filter.names {
            self.by_name.remove(&(name, conn));
        }
        if let Some(conns) = self.by_query.get_mut(&roster.filter.query) {
            conns.remove(&conn);
            if conns.is_empty() {
                self.by_query.remove(&roster.filter.query);
            }
        }
    }

    /// Lists a user that came online in the rosters whose filter matches it.
    pub fn user_online(&mut self, token: Token, name: &NameKey) {
        let first = (name.clone(), ConnId(0));
        let named: Vec<_> =
            self.by_name.range(first..).take_while(|(key, _)| key == name).map(|(_, conn)| *conn).collect();
        for conn in named {
            self.list(conn, token, ListingReason::Name);
        }
        for conn in self.searching_for(name) {
            if self.rosters.get(&conn).is_some_and(PartialRoster::has_room_for_match) {
                self.list(conn, token, ListingReason::Query);
            }
        }
    }

    /// Removes a user from all rosters, after its `offline` was sent.
    pub fn user_offline(&mut self, token: Token) {
        let conns: Vec<_> = self.listing(token).collect();
        for conn in conns {
            self.by_user.remove(&(token, conn));
            if let Some(roster) = self.rosters.get_mut(&conn) {
                roster.listed.retain(|(listed, _)| *listed != token);
            }
        }
    }

    /// Lists a user in a connection's roster, if it has one. Returns false if the roster is full.
    pub fn list(&mut self, conn: ConnId, token: Token, reason: ListingReason) -> bool {
        let Some(roster) = self.rosters.get_mut(&conn) else { return true };
        if roster.listed.iter().any(|(listed, _)| *listed == token) {
            return true;
        }
        if roster.listed.len() >= MAX_LISTED {
            return false;
        }
        roster.listed.push((token, reason));
        self.by_user.insert((token, conn));
        true
    }

    /// The connections whose partial roster lists this user.
    pub fn listing(&self, token: Token) -> impl Iterator<Item = ConnId> + '_ {
        self.by_user.range((token, ConnId(0))..=(token, ConnId(u64::MAX))).map(|(_, conn)| *conn)
    }

    /// The users in this connection's partial roster; `None` if it has none.
    pub fn listed(&self, conn: ConnId) -> Option<impl Iterator<Item = Token> + '_> {
        self.rosters.get(&conn).map(|roster| roster.listed.iter().map(|(token, _)| *token))
    }

    /// Whether this number of users online may differ noticeably from one that was sent.
    pub fn needs_total(&self, total: u32) -> bool {
        let differs = |(least, most)| differs_noticeably(least, total) || differs_noticeably(most, total);
        !self.is_empty() && self.totals.is_some_and(differs)
    }

    /// Records that this total is sent to the connections whose last one differs noticeably, and returns them.
    pub fn update_total(&mut self, total: u32) -> Vec<ConnId> {
        let mut recipients = Vec::new();
        self.totals = None;
        for (conn, roster) in &mut self.rosters {
            if differs_noticeably(roster.total, total) {
                roster.total = total;
                recipients.push(*conn);
            }
            self.totals = Some(extended(self.totals, roster.total));
        }
        recipients
    }

    /// Whether no roster and no index entry is left.
    #[cfg(test)]
    pub fn holds_nothing(&self) -> bool {
        let Self { rosters, by_user, by_name, by_query, totals: _ } = self;
        rosters.is_empty() && by_user.is_empty() && by_name.is_empty() && by_query.is_empty()
    }

    /// The connections whose query matches this name. A query matches exactly if it is a prefix of the name from one of its
    /// `starts`, so it suffices to look up these prefixes, a few dozen.
    fn searching_for(&self, name: &NameKey) -> BTreeSet<ConnId> {
        let mut found = BTreeSet::new();
        if self.by_query.is_empty() {
            return found;
        }
        for start in name.word_starts() {
            let text = &name.as_str()[start..];
            let ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
            for end in ends.take(limits::MAX_NAME_CHARS) {
                if let Some(conns) = self.by_query.get(&text[..end]) {
                    found.extend(conns);
                }
            }
        }
        found
    }
}

/// Whether the number of users online has changed by a fiftieth, so that a smaller change causes no traffic.
const fn differs_noticeably(known: u32, total: u32) -> bool {
    known != total && known.abs_diff(total) as u64 * 50 >= known as u64
}

fn extended(range: Option<(u32, u32)>, total: u32) -> (u32, u32) {
    range.map_or((total, total), |(least, most)| (least.min(total), most.max(total)))
}

impl PartialRoster {
    /// Whether fewer users than a search returns are listed for the query.
    fn has_room_for_match(&self) -> bool {
        self.listed.iter().filter(|(_, reason)| *reason == ListingReason::Query).count() < limits::MAX_SEARCH_RESULTS
    }
}
