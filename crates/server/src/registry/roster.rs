//! Who is shown whom: everybody, or the part that a client watches where there are too many for that.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::Duration,
};

use hutong_protocol::{Name, NameKey, Query, Token, User, UserState, limits};

use super::{
    ConnId, Deadline, Effect, Registry, Reverse,
    watching::{View, Watching, Why, Wish, Wished},
};

/// Users that a client is shown which searches for nobody: the last that came.
const RECENTLY_CAME: usize = 12;

/// Entries of rosters that are told in one turn, when a server begins or ceases to show everybody: so that neither the lock is held
/// for long nor memory filled at once.
const TURNED_AT_ONCE: usize = 50_000;

/// The list in a welcome or a roster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum List {
    /// Everybody else online: [`Registry::write_everybody`].
    Whole,
    /// A part of them.
    Part {
        /// Whom.
        users: Vec<User>,
        /// How many are online, the reader included.
        total: u32,
    },
}

/// What the registry knows of who is shown whom.
#[derive(Clone, Debug, Default)]
pub struct Rosters {
    mode: Mode,
    /// Those that are shown a part.
    watching: Watching,
    /// What clients have asked to be shown, for as long as they are online.
    wishes: HashMap<ConnId, Wished>,
    /// Connections that are yet to be told of the mode. Some may be gone.
    turning: VecDeque<ConnId>,
    /// When totals were told last.
    totals_at: Duration,
}

#[cfg(test)]
impl Rosters {
    /// Whether nothing is kept of anybody.
    pub(super) fn is_idle(&self) -> bool {
        self.watching.is_idle() && self.wishes.is_empty() && self.turning.is_empty()
    }
}

/// What a connection is shown that is welcomed now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Mode {
    #[default]
    Whole,
    Part,
}

impl Registry {
    /// What is shown to this connection, as of now. `None` when it has not been welcomed.
    #[must_use]
    pub fn list_for(&self, conn: ConnId) -> Option<List> {
        self.users.by_conn(conn)?;
        let Some(shown) = self.rosters.watching.shown(conn) else { return Some(List::Whole) };
        Some(self.part(shown))
    }

    /// Whether this connection is shown a part.
    #[cfg(any(test, feature = "inspect"))]
    pub(super) fn sees_a_part(&self, conn: ConnId) -> bool {
        self.rosters.watching.has(conn)
    }

    /// Writes everybody online but this user, as the inside of a JSON array. For a [`List::Whole`].
    pub fn write_everybody(&self, but: Token, out: &mut Vec<u8>) {
        match self.users.sheet() {
            Some(sheet) => sheet.write_without(but, out),
            None => debug_assert!(false, "somebody is shown everybody, and nobody is encoded"),
        }
    }

    /// How many bytes [`write_everybody`](Self::write_everybody) writes at most.
    #[must_use]
    pub fn everybody_bytes(&self) -> usize {
        self.users.sheet().map_or(0, super::sheet::Sheet::len)
    }

    /// A user has logged in: whoever watches it will be told, and it gets this list.
    pub(super) fn came(&mut self, conn: ConnId, me: &User) -> List {
        if self.users.online() > self.config.whole_roster {
            self.turn_to(Mode::Part, Some(conn));
        }
        if let Some(record) = self.users.get(me.token) {
            self.rosters.watching.came(me.token, &record.key);
        }
        match self.rosters.mode {
            Mode::Whole => List::Whole,
            Mode::Part => self.show_part(conn, me.token),
        }
    }

    /// A user has left this connection.
    pub(super) fn went(&mut self, conn: ConnId) {
        self.rosters.watching.close(conn);
        self.rosters.wishes.remove(&conn);
        // A tenth below the limit, so that a server near it does not change its mind with everybody who comes and goes.
        if self.users.online() * 10 < self.config.whole_roster * 9 {
            self.turn_to(Mode::Whole, None);
        }
    }

    /// Both are shown each other from now on.
    pub(super) fn met(&mut self, members: [Token; 2]) {
        for (me, other) in [(members[0], members[1]), (members[1], members[0])] {
            let Some(conn) = self.users.get(me).and_then(|record| record.conn) else { continue };
            if !self.rosters.watching.show(conn, other, Why::Met) {
                self.send_part(conn, me);
            }
        }
    }

    /// A client says what it wants to be shown.
    pub(super) fn watched(&mut self, now: Duration, conn: ConnId, me: Token, query: &str, names: &[String]) {
        let mut keys: Vec<NameKey> = Vec::new();
        for key in names.iter().take(limits::WATCHED_NAMES).filter_map(|name| Some(Name::new(name).ok()?.key())) {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        let wished = self.rosters.wishes.entry(conn).or_default();
        wished.wish = Wish { query: Query::new(query), names: keys.into() };
        if !self.rosters.watching.has(conn) || wished.due.is_some() {
            return;
        }
        match wished.answered.map(|answered| answered + limits::WATCH_EVERY).filter(|at| *at > now) {
            Some(at) => {
                wished.due = Some(at);
                self.deadlines.push(Reverse((at, Deadline::Watch(conn))));
            }
            None => {
                wished.answered = Some(now);
                self.send_part(conn, me);
            }
        }
    }

    /// A `watch` that came too soon has waited for its turn.
    pub(super) fn watch_due(&mut self, now: Duration, conn: ConnId) {
        let Some(wished) = self.rosters.wishes.get_mut(&conn) else { return };
        if wished.due.is_some_and(|at| at <= now) {
            wished.due = None;
            wished.answered = Some(now);
            if let Some(me) = self.users.by_conn(conn).filter(|_| self.rosters.watching.has(conn)) {
                self.send_part(conn, me);
            }
        }
    }

    /// Tells what has changed to everybody whom it concerns.
    pub(super) fn tell_presence(&mut self) {
        let changes = self.users.take_changes();
        if changes.is_empty() {
            return;
        }
        let watching = &mut self.rosters.watching;
        let whole = self.rosters.mode == Mode::Whole || !self.rosters.turning.is_empty();
        let mut parts: BTreeMap<ConnId, Vec<usize>> = BTreeMap::new();
        if !watching.is_empty() {
            for (place, user) in changes.iter().enumerate() {
                let own = self.users.get(user.token).and_then(|record| record.conn).filter(|conn| watching.has(*conn));
                for conn in watching.watchers(user.token).chain(own) {
                    parts.entry(conn).or_default().push(place);
                }
            }
            for user in changes.iter().filter(|user| user.state == UserState::Offline) {
                watching.gone(user.token);
            }
        }
        if whole || !parts.is_empty() {
            self.effects.push_back(Effect::Presence { changes, whole, parts: parts.into_iter().collect() });
        }
    }

    /// Tells the number of users online to those who cannot see it from their list and know another.
    pub(super) fn tell_total(&mut self, now: Duration) {
        if self.total_due().is_some_and(|due| due <= now) {
            self.rosters.totals_at = now;
            let total = self.total();
            let to = self.rosters.watching.notice_total(total);
            self.effects.push_back(Effect::Total { total, to });
        }
    }

    /// When the number of users online is to be told.
    pub(super) fn total_due(&self) -> Option<Duration> {
        self.rosters.watching.is_total_news(self.total()).then(|| self.rosters.totals_at + limits::TOTAL_EVERY)
    }

    /// Tells the next connections that they are shown everybody from now on, or a part.
    pub(super) fn turn_some(&mut self) {
        let mut told = 0;
        while told < TURNED_AT_ONCE
            && let Some(conn) = self.rosters.turning.pop_front()
        {
            let Some(me) = self.users.by_conn(conn) else { continue };
            match (self.rosters.mode, self.rosters.watching.has(conn)) {
                (Mode::Part, false) => {
                    self.send_part(conn, me);
                    told += limits::FOUND;
                }
                (Mode::Whole, true) => {
                    self.rosters.watching.close(conn);
                    self.effects.push_back(Effect::Roster { to: conn, me, list: List::Whole });
                    told += self.users.online();
                }
                (Mode::Part, true) | (Mode::Whole, false) => {}
            }
        }
        if self.rosters.mode == Mode::Part && self.rosters.turning.is_empty() {
            self.users.drop_sheet();
        }
    }

    pub(super) fn is_turning(&self) -> bool {
        !self.rosters.turning.is_empty()
    }

    /// Has all connections but this one told of another mode, some at a time.
    fn turn_to(&mut self, mode: Mode, but: Option<ConnId>) {
        if self.rosters.mode == mode {
            return;
        }
        self.rosters.mode = mode;
        self.rosters.turning = self.users.connections().filter(|conn| Some(*conn) != but).collect();
        if mode == Mode::Whole {
            self.users.keep_sheet();
        }
    }

    fn send_part(&mut self, conn: ConnId, me: Token) {
        let list = self.show_part(conn, me);
        self.effects.push_back(Effect::Roster { to: conn, me, list });
    }

    /// Makes the view of a connection anew, from what it wishes for.
    fn show_part(&mut self, conn: ConnId, me: Token) -> List {
        let wish = self.rosters.wishes.get(&conn).map(|wished| wished.wish.clone()).unwrap_or_default();
        let mut shown: Vec<(Token, Why)> = Vec::new();
        let named = wish.names.iter().filter_map(|name| self.users.holder_of(name)).map(|token| (token, Why::Named));
        let found = self.users.find(&wish.query, limits::FOUND, me).into_iter().map(|token| (token, Why::Found));
        let recent = self.users.recent().filter(|_| wish.query.is_empty()).map(|token| (token, Why::Recent));
        let call = self.users.get(me).and_then(|record| record.call).and_then(|call| self.calls.get(&call));
        let met = call.map(|call| (call.other(me).token, Why::Met));
        let mut recently = 0;
        for (token, why) in named.chain(found).chain(met).chain(recent) {
            if token == me || self.users.online_user(token).is_none() || shown.iter().any(|(other, _)| *other == token)
            {
                continue;
            }
            if why == Why::Recent {
                recently += 1;
                if recently > RECENTLY_CAME {
                    break;
                }
            }
            shown.push((token, why));
        }
        let list = self.part(shown.iter().map(|(token, _)| *token));
        self.rosters.watching.open(conn, View { wish, shown, total: self.total() });
        list
    }

    /// A part of those online, in this order.
    fn part(&self, shown: impl Iterator<Item = Token>) -> List {
        // Whoever has just left stays in a view until that is told.
        let users = shown.filter_map(|token| self.users.online_user(token).cloned()).collect();
        List::Part { users, total: self.total() }
    }

    fn total(&self) -> u32 {
        u32::try_from(self.users.online()).unwrap_or(u32::MAX)
    }
}
