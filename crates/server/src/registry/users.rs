//! Everybody the registry knows: online, or lost with the name still held.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::Duration,
};

use hutong_protocol::{CallId, Denied, Name, NameKey, Query, StateEvent, Token, User, UserState};

use super::{conn::ConnId, index::Index, sheet::Sheet};

/// Users that came last of whom the registry keeps note.
const RECENT: usize = 24;

/// One user's record.
#[derive(Clone, Debug, Hash)]
pub struct Record {
    pub user: User,
    /// Of the user's name.
    pub key: NameKey,
    /// `Some` exactly while the state is not `offline`.
    pub conn: Option<ConnId>,
    /// `Some` exactly while the state is `connecting`, `in_call` or `ending`.
    pub call: Option<CallId>,
    /// Until when the name is held; only while `offline`.
    pub held_until: Option<Duration>,
}

/// The users, found by token, by name and by connection, and what has changed of them since presence was last told.
#[derive(Clone, Debug, Default)]
pub struct Users {
    by_token: BTreeMap<Token, Record>,
    by_name: HashMap<NameKey, Token>,
    by_conn: HashMap<ConnId, Token>,
    changed: BTreeMap<Token, User>,
    /// How many are in each state, `offline` left out.
    states: [usize; UserState::ALL.len()],
    /// Everybody online, by name.
    index: Index,
    /// Everybody online, encoded; only where everybody is shown.
    sheet: Option<Sheet>,
    /// Who came last, the last at the end.
    recent: VecDeque<Token>,
}

impl Users {
    pub fn get(&self, token: Token) -> Option<&Record> {
        self.by_token.get(&token)
    }

    pub fn get_mut(&mut self, token: Token) -> Option<&mut Record> {
        self.by_token.get_mut(&token)
    }

    pub fn by_conn(&self, conn: ConnId) -> Option<Token> {
        self.by_conn.get(&conn).copied()
    }

    pub fn holder_of(&self, key: &NameKey) -> Option<Token> {
        self.by_name.get(key).copied()
    }

    pub fn online(&self) -> usize {
        self.by_conn.len()
    }

    /// How many are online and in this state.
    pub const fn in_state(&self, state: UserState) -> usize {
        self.states[state as usize]
    }

    /// Everybody online but one.
    #[cfg(any(test, feature = "inspect"))]
    pub fn roster_without(&self, token: Token) -> Vec<User> {
        let online = self.by_token.values().filter(|record| record.conn.is_some());
        online.filter(|record| record.user.token != token).map(|record| record.user.clone()).collect()
    }

    /// The user, if it is online.
    pub fn online_user(&self, token: Token) -> Option<&User> {
        self.get(token).filter(|record| record.conn.is_some()).map(|record| &record.user)
    }

    /// Every connection that has been welcomed.
    pub fn connections(&self) -> impl Iterator<Item = ConnId> + '_ {
        self.by_conn.keys().copied()
    }

    /// The first `most` users online that the query finds, but for one.
    pub fn find(&self, query: &Query, most: usize, but: Token) -> Vec<Token> {
        self.index.find(query, most, but)
    }

    /// Users that came lately, the last first. They may be gone.
    pub fn recent(&self) -> impl Iterator<Item = Token> + '_ {
        self.recent.iter().rev().copied()
    }

    /// Everybody online, encoded; only after [`keep_sheet`](Self::keep_sheet).
    pub const fn sheet(&self) -> Option<&Sheet> {
        self.sheet.as_ref()
    }

    /// Has everybody online encoded from now on.
    pub fn keep_sheet(&mut self) {
        if self.sheet.is_none() {
            let mut sheet = Sheet::default();
            for record in self.by_token.values().filter(|record| record.conn.is_some()) {
                sheet.put(&record.user);
            }
            self.sheet = Some(sheet);
        }
    }

    /// No longer.
    pub fn drop_sheet(&mut self) {
        self.sheet = None;
    }

    /// Puts an offline or new user online on this connection, under a name that nobody else holds.
    pub fn log_in(&mut self, token: Token, name: Name, conn: ConnId) -> User {
        let key = name.key();
        let record = self.by_token.entry(token).or_insert_with(|| Record {
            user: User { token, name: name.clone(), state: UserState::Offline },
            key: key.clone(),
            conn: None,
            call: None,
            held_until: None,
        });
        if record.user.name != name {
            self.by_name.remove(&record.key);
            record.user.name = name.clone();
            record.key = key.clone();
        }
        self.index.insert(token, &key);
        self.by_name.insert(key, token);
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(token);
        record.conn = Some(conn);
        record.held_until = None;
        self.by_conn.insert(conn, token);
        let before = record.user.state;
        let after = self.apply(token, StateEvent::LogIn);
        debug_assert_eq!(after, Ok(UserState::Online), "log-in of a user who is {before:?}");
        self.by_token.get(&token).map_or(User { token, name, state: UserState::Online }, |record| record.user.clone())
    }

    /// Takes a user's connection away; the name is held until then.
    pub fn leave(&mut self, token: Token, held_until: Duration) {
        if let Some(record) = self.by_token.get_mut(&token) {
            if let Some(conn) = record.conn.take() {
                self.by_conn.remove(&conn);
                self.index.remove(token, &record.key);
            }
            record.call = None;
            record.held_until = Some(held_until);
        }
        let after = self.apply(token, StateEvent::Leave);
        debug_assert_eq!(after, Ok(UserState::Offline));
    }

    /// Forgets an offline user; the name is free.
    pub fn forget(&mut self, token: Token) {
        if let Some(record) = self.by_token.remove(&token) {
            self.by_name.remove(&record.key);
        }
    }

    /// Forgets the user if its name is held no longer.
    pub fn forget_if_due(&mut self, token: Token, now: Duration) {
        if self.get(token).and_then(|record| record.held_until).is_some_and(|until| until <= now) {
            self.forget(token);
        }
    }

    /// Applies the one table of transitions, and remembers the change for presence.
    pub fn apply(&mut self, token: Token, event: StateEvent) -> Result<UserState, Denied> {
        let record = self.by_token.get_mut(&token).ok_or(Denied::Offline)?;
        let before = record.user.state;
        let after = before.after(event)?;
        record.user.state = after;
        for (state, change) in [(before, -1), (after, 1)] {
            if state != UserState::Offline {
                self.states[state as usize] = self.states[state as usize].saturating_add_signed(change);
            }
        }
        self.changed.insert(token, record.user.clone());
        match (&mut self.sheet, after) {
            (Some(sheet), UserState::Offline) => sheet.remove(token),
            (Some(sheet), _) => sheet.put(&record.user),
            (None, _) => {}
        }
        Ok(after)
    }

    /// What has changed since this was last asked: each user once, in its newest state.
    pub fn take_changes(&mut self) -> Vec<User> {
        std::mem::take(&mut self.changed).into_values().collect()
    }

    pub fn has_changes(&self) -> bool {
        !self.changed.is_empty()
    }

    #[cfg(any(test, feature = "inspect"))]
    pub fn all(&self) -> impl Iterator<Item = &Record> {
        self.by_token.values()
    }

    /// What [`take_changes`](Self::take_changes) would give.
    #[cfg(any(test, feature = "inspect"))]
    pub fn changes(&self) -> Vec<User> {
        self.changed.values().cloned().collect()
    }
}
