//! A registry laid open, for tests and for the model checker (`crates/model`). Nothing that ships has it.

use std::time::Duration;

use hutong_protocol::{CallId, Limits, ServerMessage, Token, User, UserState};

use super::{
    Registry,
    calls::{Call, Step, Whereabouts},
    conn::ConnId,
    effect::{Effect, List},
    users::Record,
};

/// All that decides what a registry does next. Two registries whose snapshots hash alike go on alike: what it leaves out can be
/// told from the rest, or numbers what is to come.
#[derive(Debug, Hash)]
pub struct Snapshot {
    users: Vec<Record>,
    calls: Vec<(CallId, Call)>,
    /// Changes that are still being gathered.
    changed: Vec<User>,
    presence_at: Option<Duration>,
    total_due: Option<Duration>,
}

impl Registry {
    /// What the registry knows now, in the order of tokens and ids.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let mut calls: Vec<_> = self.state.calls.iter().map(|(id, call)| (*id, call.clone())).collect();
        calls.sort_unstable_by_key(|(id, _)| *id);
        Snapshot {
            users: self.state.users.all().cloned().collect(),
            calls,
            changed: self.state.users.changes(),
            presence_at: self.presence_at,
            total_due: self.rosters.total_due(&self.state),
        }
    }

    /// The messages that an effect comes to, as each reader gets them. To be asked before the registry is told more.
    #[must_use]
    pub fn messages(&self, effect: &Effect) -> Vec<(ConnId, ServerMessage)> {
        match effect.clone() {
            Effect::Send { to, message } => vec![(to, message)],
            Effect::Welcome { to, me, ticket, list } => {
                let (users, total) = self.users_of(me.token, list);
                let (ice_servers, limits) = (self.ice_servers().to_vec(), Limits::default());
                vec![(to, ServerMessage::Welcome { me, ticket, ice_servers, limits, users, total })]
            }
            Effect::Roster { to, me, list } => {
                let (users, total) = self.users_of(me, list);
                vec![(to, ServerMessage::Roster { users, total })]
            }
            Effect::Presence { changes, whole, parts } => {
                let whole = self.state.users.connections().filter(|conn| whole && !self.rosters.sees_a_part(*conn));
                let whole = whole.map(|conn| (conn, changes.clone()));
                let some = |places: Vec<usize>| places.into_iter().map(|place| changes[place].clone()).collect();
                let parts = parts.into_iter().map(|(conn, places)| (conn, some(places)));
                whole.chain(parts).map(|(to, changes)| (to, ServerMessage::Presence { changes, total: None })).collect()
            }
            Effect::Total { total, to } => {
                let message = ServerMessage::Presence { changes: vec![], total: Some(total) };
                to.into_iter().map(|conn| (conn, message.clone())).collect()
            }
            Effect::Close { .. } | Effect::Note(_) => vec![],
        }
    }

    fn users_of(&self, me: Token, list: List) -> (Vec<User>, Option<u32>) {
        match list {
            List::Whole => (self.state.users.roster_without(me), None),
            List::Part { users, total } => (users, Some(total)),
        }
    }

    /// Breaks the first rule, so that a checker can show that it would see that: the user is `online` and can be called,
    /// and the server still has it in its call.
    #[cfg(feature = "inspect")]
    pub fn break_a_rule(&mut self, user: Token) {
        if let Some(record) = self.state.users.get_mut(user)
            && record.conn.is_some()
        {
            record.user.state = UserState::Online;
            record.call = None;
        }
    }
}

impl Snapshot {
    /// When the registry has to do something by itself, as its records say.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let names = self.users.iter().filter_map(|record| record.held_until);
        let calls = self.calls.iter().filter_map(|(_, call)| call.deadline());
        names.chain(calls).chain(self.presence_at).chain(self.total_due).min()
    }

    /// Whether [`Registry::next_tick`] is never later than that.
    #[must_use]
    pub fn wakes_in_time(&self, registry: &Registry) -> bool {
        self.deadline().is_none_or(|at| registry.next_tick().is_some_and(|tick| tick <= at))
    }

    /// A user's state; `offline` for one that the registry does not know.
    #[must_use]
    pub fn state(&self, token: Token) -> UserState {
        let record = self.users.iter().find(|record| record.user.token == token);
        record.map_or(UserState::Offline, |record| record.user.state)
    }

    /// The calls that this user is in, with a connection. More than one is a fault.
    #[must_use]
    pub fn calls_of(&self, token: Token) -> Vec<CallId> {
        let is_in = |call: &Call| call.at(token) == Some(Whereabouts::Here);
        self.calls.iter().filter(|(_, call)| is_in(call)).map(|(id, _)| *id).collect()
    }

    /// Everybody that the registry knows.
    pub fn tokens(&self) -> impl Iterator<Item = Token> + '_ {
        self.users.iter().map(|record| record.user.token)
    }

    /// What the module promises and does not keep.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let users = self.users.iter().flat_map(|record| self.faults_of_user(record));
        users.chain(self.calls.iter().flat_map(|(_, call)| self.faults_of_call(call))).collect()
    }

    fn faults_of_user(&self, record: &Record) -> Vec<String> {
        let state = record.user.state;
        let busy = matches!(state, UserState::Connecting | UserState::InCall | UserState::Ending);
        let in_its_own = self.calls_of(record.user.token) == record.call.into_iter().collect::<Vec<_>>();
        let promises = [
            (record.conn.is_some() == (state != UserState::Offline), "a connection exactly while not offline"),
            (record.call.is_some() == busy, "a call exactly while busy"),
            (in_its_own, "in its own call alone"),
        ];
        broken(promises, record)
    }

    fn faults_of_call(&self, call: &Call) -> Vec<String> {
        let here = call.members.iter().filter(|member| member.at == Whereabouts::Here);
        let states: Vec<_> = here.map(|member| self.state(member.token)).collect();
        let allowed: &[UserState] = if call.step.is_over() {
            &[UserState::Ending]
        } else if call.step.is_confirmed() {
            &[UserState::InCall, UserState::Connecting]
        } else {
            &[UserState::Connecting]
        };
        let both = call.step.is_confirmed() && call.all_here();
        let settled = call.all_here() && matches!(call.step, Step::Set);
        let wanted = call.members.iter().any(|member| member.at != Whereabouts::Left);
        let promises = [
            (states.iter().all(|state| allowed.contains(state)), "states that go with the step"),
            (!both || states == [UserState::InCall; 2], "both sides agree"),
            (settled || call.deadline().is_some(), "nothing waits for ever"),
            (call.step.is_over() || wanted, "somebody could still want it"),
        ];
        broken(promises, call)
    }
}

fn broken<const N: usize>(promises: [(bool, &str); N], of: &impl std::fmt::Debug) -> Vec<String> {
    promises.into_iter().filter(|(kept, _)| !kept).map(|(_, promise)| format!("{promise}: {of:?}")).collect()
}
