//! Who is shown whom: everybody, or the part that a client watches where there are too many for that.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::Duration,
};

use hutong_protocol::{Name, NameKey, Query, Token, User, UserState, limits};

use super::{
    conn::ConnId,
    effect::{Effect, List},
    state::{Deadline, State},
    watching::{View, Watching, Why, Wish, Wished},
};

/// Users that a client is shown which searches for nobody: the last that came.
const RECENTLY_CAME: usize = 12;

/// Roster entries that are sent in one batch when a server begins or ceases to show everybody, so that the lock is not held for long
/// and memory is not filled at once.
const MIGRATED_AT_ONCE: usize = 50_000;

/// Which connections are shown everybody, which a part, and who is in that part.
#[derive(Clone, Debug)]
pub struct Rosters {
    /// Users online up to which everybody is shown everybody.
    whole_up_to: usize,
    mode: Mode,
    /// Those that are shown a part.
    watching: Watching,
    /// What clients have asked to be shown, for as long as they are online.
    wishes: HashMap<ConnId, Wished>,
    /// Connections that have yet to be sent a list of the other mode. Some may be gone.
    migrating: VecDeque<ConnId>,
    /// When totals were told last.
    totals_at: Duration,
}

/// What a connection is shown that is welcomed now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Mode {
    #[default]
    Whole,
    Part,
}

impl Rosters {
    pub fn new(whole_up_to: usize) -> Self {
        Self {
            whole_up_to,
            mode: Mode::default(),
            watching: Watching::default(),
            wishes: HashMap::new(),
            migrating: VecDeque::new(),
            totals_at: Duration::ZERO,
        }
    }

    /// Whether nothing is kept of anybody.
    #[cfg(test)]
    pub fn is_idle(&self) -> bool {
        self.watching.is_idle() && self.wishes.is_empty() && self.migrating.is_empty()
    }

    /// What is shown to this connection, which has been welcomed.
    pub fn list_for(&self, state: &State, conn: ConnId) -> List {
        self.watching.shown(conn).map_or(List::Whole, |shown| part(state, shown))
    }

    /// Whether this connection is shown a part.
    #[cfg(any(test, feature = "inspect"))]
    pub fn sees_a_part(&self, conn: ConnId) -> bool {
        self.watching.has(conn)
    }

    /// A user has logged in: whoever watches it will be told, and it gets this list.
    pub fn on_login(&mut self, state: &mut State, conn: ConnId, me: &User) -> List {
        if state.users.online() > self.whole_up_to {
            self.switch_mode(state, Mode::Part, Some(conn));
        }
        if let Some(record) = state.users.get(me.token) {
            self.watching.came(me.token, &record.key);
        }
        match self.mode {
            Mode::Whole => List::Whole,
            Mode::Part => self.show_part(state, conn, me.token),
        }
    }

    /// A user has left this connection.
    pub fn on_disconnect(&mut self, state: &mut State, conn: ConnId) {
        self.watching.close(conn);
        self.wishes.remove(&conn);
        // A tenth below the limit, so that a server near it does not change its mind with everybody who comes and goes.
        if state.users.online() * 10 < self.whole_up_to * 9 {
            self.switch_mode(state, Mode::Whole, None);
        }
    }

    /// Both are shown each other from now on.
    pub fn on_call(&mut self, state: &mut State, members: [Token; 2]) {
        for (me, other) in [(members[0], members[1]), (members[1], members[0])] {
            let Some(conn) = state.users.get(me).and_then(|record| record.conn) else { continue };
            if !self.watching.show(conn, other, Why::Met) {
                self.send_part(state, conn, me);
            }
        }
    }

    /// A client says what it wants to be shown.
    pub fn on_watch(
        &mut self,
        state: &mut State,
        now: Duration,
        conn: ConnId,
        me: Token,
        query: &str,
        names: &[String],
    ) {
        let mut keys: Vec<NameKey> = Vec::new();
        for key in names.iter().take(limits::WATCHED_NAMES).filter_map(|name| Some(Name::new(name).ok()?.key())) {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        let wished = self.wishes.entry(conn).or_default();
        wished.wish = Wish { query: Query::new(query), names: keys.into() };
        if !self.watching.has(conn) || wished.due.is_some() {
            return;
        }
        match wished.answered.map(|answered| answered + limits::WATCH_EVERY).filter(|at| *at > now) {
            Some(at) => {
                wished.due = Some(at);
                state.schedule(at, Deadline::Watch(conn));
            }
            None => {
                wished.answered = Some(now);
                self.send_part(state, conn, me);
            }
        }
    }

    /// A `watch` that came too soon has waited for its turn.
    pub fn watch_due(&mut self, state: &mut State, now: Duration, conn: ConnId) {
        let Some(wished) = self.wishes.get_mut(&conn) else { return };
        if wished.due.is_some_and(|at| at <= now) {
            wished.due = None;
            wished.answered = Some(now);
            if let Some(me) = state.users.by_conn(conn).filter(|_| self.watching.has(conn)) {
                self.send_part(state, conn, me);
            }
        }
    }

    /// Sends what has changed to everybody whom it concerns.
    pub fn send_presence(&mut self, state: &mut State) {
        let changes = state.users.take_changes();
        if changes.is_empty() {
            return;
        }
        let watching = &mut self.watching;
        let whole = self.mode == Mode::Whole || !self.migrating.is_empty();
        let mut parts: BTreeMap<ConnId, Vec<usize>> = BTreeMap::new();
        if !watching.is_empty() {
            for (place, user) in changes.iter().enumerate() {
                let own = state.users.get(user.token).and_then(|record| record.conn).filter(|conn| watching.has(*conn));
                for conn in watching.watchers(user.token).chain(own) {
                    parts.entry(conn).or_default().push(place);
                }
            }
            for user in changes.iter().filter(|user| user.state == UserState::Offline) {
                watching.gone(user.token);
            }
        }
        if whole || !parts.is_empty() {
            state.effects.push_back(Effect::Presence { changes, whole, parts: parts.into_iter().collect() });
        }
    }

    /// Sends the number of users online to those who cannot see it from their list and know another.
    pub fn send_total(&mut self, state: &mut State, now: Duration) {
        if self.total_due(state).is_some_and(|due| due <= now) {
            self.totals_at = now;
            let total = total(state);
            let to = self.watching.notice_total(total);
            state.effects.push_back(Effect::Total { total, to });
        }
    }

    /// When the number of users online is to be sent.
    pub fn total_due(&self, state: &State) -> Option<Duration> {
        self.watching.is_total_news(total(state)).then(|| self.totals_at + limits::TOTAL_EVERY)
    }

    /// Sends the next connections a list of the other kind: everybody, or a part.
    pub fn migrate_batch(&mut self, state: &mut State) {
        let mut told = 0;
        while told < MIGRATED_AT_ONCE
            && let Some(conn) = self.migrating.pop_front()
        {
            let Some(me) = state.users.by_conn(conn) else { continue };
            match (self.mode, self.watching.has(conn)) {
                (Mode::Part, false) => {
                    self.send_part(state, conn, me);
                    told += limits::FOUND;
                }
                (Mode::Whole, true) => {
                    self.watching.close(conn);
                    state.effects.push_back(Effect::Roster { to: conn, me, list: List::Whole });
                    told += state.users.online();
                }
                (Mode::Part, true) | (Mode::Whole, false) => {}
            }
        }
        if self.mode == Mode::Part && self.migrating.is_empty() {
            state.users.drop_sheet();
        }
    }

    pub fn is_migrating(&self) -> bool {
        !self.migrating.is_empty()
    }

    /// Shows everybody, or a part, from now on. All connections but this one are sent their new list, some at a time.
    fn switch_mode(&mut self, state: &mut State, mode: Mode, but: Option<ConnId>) {
        if self.mode == mode {
            return;
        }
        self.mode = mode;
        self.migrating = state.users.connections().filter(|conn| Some(*conn) != but).collect();
        if mode == Mode::Whole {
            state.users.keep_sheet();
        }
    }

    fn send_part(&mut self, state: &mut State, conn: ConnId, me: Token) {
        let list = self.show_part(state, conn, me);
        state.effects.push_back(Effect::Roster { to: conn, me, list });
    }

    /// Makes the view of a connection anew, from what it wishes for.
    fn show_part(&mut self, state: &State, conn: ConnId, me: Token) -> List {
        let wish = self.wishes.get(&conn).map(|wished| wished.wish.clone()).unwrap_or_default();
        let mut shown: Vec<(Token, Why)> = Vec::new();
        let named = wish.names.iter().filter_map(|name| state.users.holder_of(name)).map(|token| (token, Why::Named));
        let found = state.users.find(&wish.query, limits::FOUND, me).into_iter().map(|token| (token, Why::Found));
        let recent = state.users.recent().filter(|_| wish.query.is_empty()).map(|token| (token, Why::Recent));
        let call = state.users.get(me).and_then(|record| record.call).and_then(|call| state.calls.get(&call));
        let met = call.map(|call| (call.other(me).token, Why::Met));
        let mut recently = 0;
        for (token, why) in named.chain(found).chain(met).chain(recent) {
            if token == me || state.users.online_user(token).is_none() || shown.iter().any(|(other, _)| *other == token)
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
        let list = part(state, shown.iter().map(|(token, _)| *token));
        self.watching.open(conn, View { wish, shown, total: total(state) });
        list
    }
}

/// A part of those online, in this order.
fn part(state: &State, shown: impl Iterator<Item = Token>) -> List {
    // Whoever has just left stays in a view until that is told.
    let users = shown.filter_map(|token| state.users.online_user(token).cloned()).collect();
    List::Part { users, total: total(state) }
}

fn total(state: &State) -> u32 {
    u32::try_from(state.users.online()).unwrap_or(u32::MAX)
}
