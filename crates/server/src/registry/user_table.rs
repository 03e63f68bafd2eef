//! Table of all known users: those online, and offline users whose name is still held.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::Duration,
};

use hutong_protocol::{CallId, Name, NameKey, NameQuery, StateEvent, Token, TransitionError, User, UserState};

use super::{
    conn_id::ConnId, name_index::NameIndex, presence_pace::PresencePace, roster_cache::RosterCache,
    session::SessionRecord,
};

/// How many of the latest logins the table remembers. More than a partial roster shows, since some users have left again.
const RECENT_LOGINS: usize = 24;

/// One user's record.
#[derive(Clone, Debug, Hash)]
pub struct UserRecord {
    pub user: User,
    /// The key of the user's name.
    pub key: NameKey,
    pub session: SessionRecord,
    /// `Some` exactly while the state is not `offline`.
    pub conn: Option<ConnId>,
    /// `Some` exactly while the state is `connecting`, `in_call` or `ending`.
    pub call: Option<CallId>,
    /// Until when the name is held; only while `offline`.
    pub held_until: Option<Duration>,
    pub pace: PresencePace,
}

/// The users by token, name and connection, and the changes since the last presence message.
#[derive(Clone, Debug, Default)]
pub struct UserTable {
    by_token: BTreeMap<Token, UserRecord>,
    by_name: HashMap<NameKey, Token>,
    by_conn: HashMap<ConnId, Token>,
    changed: BTreeMap<Token, User>,
    /// Whether a user has changed since [`take_changes`](Self::take_changes) who had no change waiting.
    has_new_changes: bool,
    /// When the first of the changes may be sent that the last `take_changes` held back.
    held_back_until: Option<Duration>,
    /// Number of users by state, without `offline`.
    counts: [usize; UserState::ALL.len()],
    /// The names of the users online.
    name_index: NameIndex,
    /// The users online as JSON. `Some` only while connections have whole rosters.
    roster_cache: Option<RosterCache>,
    /// The latest logins, oldest first.
    recent_logins: VecDeque<Token>,
}

impl UserTable {
    pub fn get(&self, token: Token) -> Option<&UserRecord> {
        self.by_token.get(&token)
    }

    pub fn get_mut(&mut self, token: Token) -> Option<&mut UserRecord> {
        self.by_token.get_mut(&token)
    }

    pub fn by_conn(&self, conn: ConnId) -> Option<Token> {
        self.by_conn.get(&conn).copied()
    }

    pub fn holder_of(&self, key: &NameKey) -> Option<Token> {
        self.by_name.get(key).copied()
    }

    pub fn online_count(&self) -> usize {
        self.by_conn.len()
    }

    /// Number of users online in this state.
    pub const fn count_in_state(&self, state: UserState) -> usize {
        self.counts[state as usize]
    }

    /// All users online except one.
    #[cfg(any(test, feature = "inspect"))]
    pub fn roster_without(&self, token: Token) -> Vec<User> {
        let online = self.by_token.values().filter(|record| record.conn.is_some());
        online.filter(|record| record.user.token != token).map(|record| record.user.clone()).collect()
    }

    /// The user, if online.
    pub fn online_user(&self, token: Token) -> Option<&User> {
        self.get(token).filter(|record| record.conn.is_some()).map(|record| &record.user)
    }

    /// The records of all users, also of those whose name is held.
    pub fn records(&self) -> impl Iterator<Item = &UserRecord> {
        self.by_token.values()
    }

    /// All logged-in connections.
    pub fn connections(&self) -> impl Iterator<Item = ConnId> + '_ {
        self.by_conn.keys().copied()
    }

    /// The first `limit` users online that the query matches, without `except`.
    pub fn find(&self, query: &NameQuery, limit: usize, except: Token) -> Vec<Token> {
        self.name_index.find(query, limit, except)
    }

    /// The latest logins, newest first. Some of these users may be offline.
    pub fn recent_logins(&self) -> impl Iterator<Item = Token> + '_ {
        self.recent_logins.iter().rev().copied()
    }

    /// The users online as JSON; `Some` after [`enable_roster_cache`](Self::enable_roster_cache).
    pub const fn roster_cache(&self) -> Option<&RosterCache> {
        self.roster_cache.as_ref()
    }

    /// Fills the roster cache and keeps it up to date from now on.
    pub fn enable_roster_cache(&mut self) {
        if self.roster_cache.is_none() {
            let mut cache = RosterCache::default();
            for record in self.by_token.values().filter(|record| record.conn.is_some()) {
                cache.upsert(&record.user);
            }
            self.roster_cache = Some(cache);
        }
    }

    /// Frees the roster cache.
    pub fn disable_roster_cache(&mut self) {
        self.roster_cache = None;
    }

    /// Puts an offline or new user online on this connection. The caller has checked that nobody else holds the name.
    pub fn log_in(&mut self, token: Token, name: Name, session: SessionRecord, conn: ConnId) -> User {
        let key = name.key();
        let record = self.by_token.entry(token).or_insert_with(|| UserRecord {
            user: User { token, name: name.clone(), state: UserState::Offline },
            key: key.clone(),
            session,
            conn: None,
            call: None,
            held_until: None,
            pace: PresencePace::default(),
        });
        if record.user.name != name {
            self.by_name.remove(&record.key);
            record.user.name = name.clone();
            record.key = key.clone();
        }
        self.name_index.insert(token, &key);
        self.by_name.insert(key, token);
        if self.recent_logins.len() == RECENT_LOGINS {
            self.recent_logins.pop_front();
        }
        self.recent_logins.push_back(token);
        record.session = session;
        record.conn = Some(conn);
        record.held_until = None;
        self.by_conn.insert(conn, token);
        let before = record.user.state;
        let after = self.apply(token, StateEvent::LogIn);
        debug_assert_eq!(after, Ok(UserState::Online), "login of a user who is {before:?}");
        self.by_token.get(&token).map_or(User { token, name, state: UserState::Online }, |record| record.user.clone())
    }

    /// Takes a user offline, and holds the name until `held_until`.
    pub fn disconnect(&mut self, token: Token, held_until: Duration) {
        if let Some(record) = self.by_token.get_mut(&token) {
            if let Some(conn) = record.conn.take() {
                self.by_conn.remove(&conn);
                self.name_index.remove(token, &record.key);
            }
            record.call = None;
            record.held_until = Some(held_until);
        }
        let after = self.apply(token, StateEvent::Leave);
        debug_assert_eq!(after, Ok(UserState::Offline));
    }

    /// Removes an offline user and frees the name.
    pub fn forget(&mut self, token: Token) {
        if let Some(record) = self.by_token.remove(&token) {
            self.by_name.remove(&record.key);
        }
    }

    /// Removes the user if the time for which its name is held has passed.
    pub fn forget_if_due(&mut self, token: Token, now: Duration) {
        if self.get(token).and_then(|record| record.held_until).is_some_and(|until| until <= now) {
            self.forget(token);
        }
    }

    /// Changes a user's state by the protocol's transition table, and records the change for presence.
    pub fn apply(&mut self, token: Token, event: StateEvent) -> Result<UserState, TransitionError> {
        let record = self.by_token.get_mut(&token).ok_or(TransitionError::Offline)?;
        let before = record.user.state;
        let after = before.after(event)?;
        record.user.state = after;
        for (state, change) in [(before, -1), (after, 1)] {
            if state != UserState::Offline {
                self.counts[state as usize] = self.counts[state as usize].saturating_add_signed(change);
            }
        }
        let waiting = self.changed.insert(token, record.user.clone());
        self.has_new_changes |= waiting.is_none();
        match (&mut self.roster_cache, after) {
            (Some(cache), UserState::Offline) => cache.remove(token),
            (Some(cache), _) => cache.upsert(&record.user),
            (None, _) => {}
        }
        Ok(after)
    }

    /// Removes and returns the collected changes that may be sent now: each changed user once, in its latest state. Those of a
    /// user who changes too often stay, to be merged with the next.
    pub fn take_changes(&mut self, now: Duration) -> Vec<User> {
        (self.has_new_changes, self.held_back_until) = (false, None);
        let mut sent = Vec::with_capacity(self.changed.len());
        for (token, user) in std::mem::take(&mut self.changed) {
            // A user who has logged out is known no more, and changes no more.
            let pace = self.by_token.get_mut(&token).map(|record| &mut record.pace);
            match pace.as_ref().map(|pace| pace.next_at()).filter(|at| *at > now) {
                Some(at) => {
                    self.held_back_until = Some(self.held_back_until.map_or(at, |first| first.min(at)));
                    self.changed.insert(token, user);
                }
                None => {
                    pace.into_iter().for_each(|pace| pace.count(now));
                    sent.push(user);
                }
            }
        }
        sent
    }

    pub const fn has_new_changes(&self) -> bool {
        self.has_new_changes
    }

    /// When the first change may be sent that was held back; `None` if there is none.
    pub const fn held_back_until(&self) -> Option<Duration> {
        self.held_back_until
    }

    /// The changes that [`take_changes`](Self::take_changes) would return.
    #[cfg(any(test, feature = "inspect"))]
    pub fn changes(&self) -> Vec<User> {
        self.changed.values().cloned().collect()
    }
}
