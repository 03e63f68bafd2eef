//! Roster updates: which connection receives the whole roster, which a partial one, and the changes to each.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::Duration,
};

use hutong_protocol::{Name, NameKey, NameQuery, Token, User, UserState, limits};

use super::{
    conn_id::ConnId,
    effect::{Effect, RosterContent},
    partial_rosters::{ListingReason, PartialRoster, PartialRosters, Subscription, SubscriptionFilter},
    state::{Deadline, RegistryState},
};

/// How many of the latest logins a partial roster lists while the client searches for nothing.
const RECENT_LOGINS_LISTED: usize = 12;

/// Roster entries that one migration batch sends, so that neither the lock is held for long nor memory is filled at once.
const MIGRATION_BATCH: usize = 50_000;

/// The rosters of all connections.
#[derive(Clone, Debug)]
pub struct Rosters {
    /// Up to this many users online, every connection has the whole roster.
    whole_roster_limit: usize,
    mode: RosterMode,
    partial: PartialRosters,
    /// The subscriptions of all connections that sent `watch`. They have an effect only on partial rosters.
    subscriptions: HashMap<ConnId, Subscription>,
    /// Connections that still have a roster of the other mode. Some may be disconnected already.
    migrating: VecDeque<ConnId>,
    /// When totals were last sent.
    totals_sent: Duration,
}

/// The kind of roster that new connections receive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum RosterMode {
    #[default]
    Whole,
    Partial,
}

impl Rosters {
    pub fn new(whole_roster_limit: usize) -> Self {
        Self {
            whole_roster_limit,
            mode: RosterMode::default(),
            partial: PartialRosters::default(),
            subscriptions: HashMap::new(),
            migrating: VecDeque::new(),
            totals_sent: Duration::ZERO,
        }
    }

    /// Whether no data about any connection is held.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.partial.holds_nothing() && self.subscriptions.is_empty() && self.migrating.is_empty()
    }

    /// The roster of a logged-in connection.
    pub fn roster_for(&self, state: &RegistryState, conn: ConnId) -> RosterContent {
        self.partial.listed(conn).map_or(RosterContent::Whole, |listed| partial_content(state, listed))
    }

    #[cfg(any(test, feature = "inspect"))]
    pub fn has_partial_roster(&self, conn: ConnId) -> bool {
        self.partial.contains(conn)
    }

    /// A user has logged in: adds it to the partial rosters that subscribe to it, and returns its own roster.
    pub fn on_login(&mut self, state: &mut RegistryState, conn: ConnId, me: &User) -> RosterContent {
        if state.users.online_count() > self.whole_roster_limit {
            self.switch_mode(state, RosterMode::Partial, Some(conn));
        }
        if let Some(record) = state.users.get(me.token) {
            self.partial.user_online(me.token, &record.key);
        }
        match self.mode {
            RosterMode::Whole => RosterContent::Whole,
            RosterMode::Partial => self.build_partial(state, conn, me.token),
        }
    }

    /// A user's connection has closed.
    pub fn on_disconnect(&mut self, state: &mut RegistryState, conn: ConnId) {
        self.partial.remove(conn);
        self.subscriptions.remove(&conn);
        // Hysteresis of a tenth: near the limit, the mode must not flip with every login and disconnect.
        if state.users.online_count() * 10 < self.whole_roster_limit * 9 {
            self.switch_mode(state, RosterMode::Whole, None);
        }
    }

    /// A call has begun or is rejoined: lists its members in each other's partial roster.
    pub fn on_call(&mut self, state: &mut RegistryState, members: [Token; 2]) {
        for (me, other) in [(members[0], members[1]), (members[1], members[0])] {
            let Some(conn) = state.users.get(me).and_then(|record| record.conn) else { continue };
            if !self.partial.list(conn, other, ListingReason::Call) {
                self.send_partial(state, conn, me);
            }
        }
    }

    /// Handles a `watch` message: the client subscribes to another part of the roster.
    pub fn on_watch(
        &mut self,
        state: &mut RegistryState,
        now: Duration,
        conn: ConnId,
        me: Token,
        query: &str,
        names: &[String],
    ) {
        let mut keys: Vec<NameKey> = Vec::new();
        for key in names.iter().take(limits::MAX_WATCHED_NAMES).filter_map(|name| Some(Name::new(name).ok()?.key())) {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        let subscription = self.subscriptions.entry(conn).or_default();
        subscription.filter = SubscriptionFilter { query: NameQuery::new(query), names: keys.into() };
        if !self.partial.contains(conn) || subscription.due.is_some() {
            return;
        }
        match subscription.answered.map(|answered| answered + limits::WATCH_INTERVAL).filter(|at| *at > now) {
            Some(at) => {
                subscription.due = Some(at);
                state.schedule(at, Deadline::Subscription(conn));
            }
            None => {
                subscription.answered = Some(now);
                self.send_partial(state, conn, me);
            }
        }
    }

    /// Answers a `watch` message that the rate limit postponed.
    pub fn on_watch_due(&mut self, state: &mut RegistryState, now: Duration, conn: ConnId) {
        let Some(subscription) = self.subscriptions.get_mut(&conn) else { return };
        if subscription.due.is_some_and(|at| at <= now) {
            subscription.due = None;
            subscription.answered = Some(now);
            if let Some(me) = state.users.by_conn(conn).filter(|_| self.partial.contains(conn)) {
                self.send_partial(state, conn, me);
            }
        }
    }

    /// Sends the collected presence changes to the connections whose roster lists the changed users.
    pub fn send_presence(&mut self, state: &mut RegistryState, now: Duration) {
        let changes = state.users.take_changes(now);
        if changes.is_empty() {
            return;
        }
        let rosters = &mut self.partial;
        let to_whole_rosters = self.mode == RosterMode::Whole || !self.migrating.is_empty();
        let mut partial: BTreeMap<ConnId, Vec<usize>> = BTreeMap::new();
        if !rosters.is_empty() {
            for (index, user) in changes.iter().enumerate() {
                // Every client also receives the changes of its own user.
                let own =
                    state.users.get(user.token).and_then(|record| record.conn).filter(|conn| rosters.contains(*conn));
                for conn in rosters.listing(user.token).chain(own) {
                    partial.entry(conn).or_default().push(index);
                }
            }
            for user in changes.iter().filter(|user| user.state == UserState::Offline) {
                rosters.user_offline(user.token);
            }
        }
        if to_whole_rosters || !partial.is_empty() {
            let partial = partial.into_iter().collect();
            state.effects.push_back(Effect::Presence { changes, to_whole_rosters, partial });
        }
    }

    /// Sends the number of users online to the connections with a partial roster whose last total is out of date.
    pub fn send_total(&mut self, state: &mut RegistryState, now: Duration) {
        if self.total_due(state).is_some_and(|due| due <= now) {
            self.totals_sent = now;
            let total = online_total(state);
            let to = self.partial.update_total(total);
            state.effects.push_back(Effect::Total { total, to });
        }
    }

    /// When [`send_total`](Self::send_total) has something to send.
    pub fn total_due(&self, state: &RegistryState) -> Option<Duration> {
        self.partial.needs_total(online_total(state)).then(|| self.totals_sent + limits::TOTAL_INTERVAL)
    }

    /// Sends the next connections that are being migrated a roster of the current mode.
    pub fn migrate_batch(&mut self, state: &mut RegistryState) {
        let mut sent_entries = 0;
        while sent_entries < MIGRATION_BATCH
            && let Some(conn) = self.migrating.pop_front()
        {
            let Some(me) = state.users.by_conn(conn) else { continue };
            match (self.mode, self.partial.contains(conn)) {
                (RosterMode::Partial, false) => {
                    self.send_partial(state, conn, me);
                    sent_entries += limits::MAX_SEARCH_RESULTS;
                }
                (RosterMode::Whole, true) => {
                    self.partial.remove(conn);
                    state.effects.push_back(Effect::Roster { to: conn, me, roster: RosterContent::Whole });
                    sent_entries += state.users.online_count();
                }
                (RosterMode::Partial, true) | (RosterMode::Whole, false) => {}
            }
        }
        if self.mode == RosterMode::Partial && self.migrating.is_empty() {
            state.users.disable_roster_cache();
        }
    }

    pub fn is_migrating(&self) -> bool {
        !self.migrating.is_empty()
    }

    /// Changes the mode, and queues all connections except one for migration.
    fn switch_mode(&mut self, state: &mut RegistryState, mode: RosterMode, except: Option<ConnId>) {
        if self.mode == mode {
            return;
        }
        self.mode = mode;
        self.migrating = state.users.connections().filter(|conn| Some(*conn) != except).collect();
        if mode == RosterMode::Whole {
            state.users.enable_roster_cache();
        }
    }

    fn send_partial(&mut self, state: &mut RegistryState, conn: ConnId, me: Token) {
        let roster = self.build_partial(state, conn, me);
        state.effects.push_back(Effect::Roster { to: conn, me, roster });
    }

    /// Builds a connection's partial roster from its subscription, in place of a former one.
    fn build_partial(&mut self, state: &RegistryState, conn: ConnId, me: Token) -> RosterContent {
        let filter = self.subscriptions.get(&conn).map(|subscription| subscription.filter.clone()).unwrap_or_default();
        let mut listed: Vec<(Token, ListingReason)> = Vec::new();
        let named = filter
            .names
            .iter()
            .filter_map(|name| state.users.holder_of(name))
            .map(|token| (token, ListingReason::Name));
        let found = state
            .users
            .find(&filter.query, limits::MAX_SEARCH_RESULTS, me)
            .into_iter()
            .map(|token| (token, ListingReason::Query));
        let recent = state.users.recent_logins().filter(|_| filter.query.is_empty());
        let recent = recent.map(|token| (token, ListingReason::RecentLogin));
        let call = state.users.get(me).and_then(|record| record.call).and_then(|call| state.calls.get(&call));
        let in_call = call.map(|call| (call.other_member(me).token, ListingReason::Call));
        let mut recent_listed = 0;
        for (token, reason) in named.chain(found).chain(in_call).chain(recent) {
            if token == me
                || state.users.online_user(token).is_none()
                || listed.iter().any(|(other, _)| *other == token)
            {
                continue;
            }
            if reason == ListingReason::RecentLogin {
                recent_listed += 1;
                if recent_listed > RECENT_LOGINS_LISTED {
                    break;
                }
            }
            listed.push((token, reason));
        }
        let content = partial_content(state, listed.iter().map(|(token, _)| *token));
        self.partial.insert(conn, PartialRoster { filter, listed, total: online_total(state) });
        content
    }
}

fn partial_content(state: &RegistryState, listed: impl Iterator<Item = Token>) -> RosterContent {
    // A user who has just disconnected stays listed until the change is sent.
    let users = listed.filter_map(|token| state.users.online_user(token).cloned()).collect();
    RosterContent::Partial { users, total: online_total(state) }
}

fn online_total(state: &RegistryState) -> u32 {
    u32::try_from(state.users.online_count()).unwrap_or(u32::MAX)
}
