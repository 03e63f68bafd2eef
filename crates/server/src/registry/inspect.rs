//! Inspection of a registry for tests and the model checker (`crates/model`). Not compiled into released programs.

use std::time::Duration;

use hutong_protocol::{CallId, Limits, ServerMessage, Token, User, UserState};

use super::{
    Registry,
    call_state::{CallState, CallStep, MemberState},
    conn_id::ConnId,
    effect::{Effect, RosterContent},
    revocations::{Revocations, RevokedSessions},
    user_table::UserRecord,
};

/// Copy of all data that decide a registry's future behaviour.
///
/// Two registries with equal snapshot hashes behave alike: what a snapshot omits is derived from the rest, or only numbers
/// future users and calls. The allowances of calls, relayed bytes and presence are omitted too: a check's budget of events
/// never exhausts them.
#[derive(Debug, Hash)]
pub struct RegistrySnapshot {
    users: Vec<UserRecord>,
    calls: Vec<(CallId, CallState)>,
    /// The users whose session tickets are revoked.
    revoked: Vec<Token>,
    /// Presence changes that have not been sent.
    changed: Vec<User>,
    presence_due: Option<Duration>,
    total_due: Option<Duration>,
}

impl Registry {
    /// The registry's current data, ordered by token and call ID.
    #[must_use]
    pub fn snapshot(&self) -> RegistrySnapshot {
        let mut calls: Vec<_> = self.state.calls.iter().map(|(id, call)| (*id, call.clone())).collect();
        calls.sort_unstable_by_key(|(id, _)| *id);
        RegistrySnapshot {
            users: self.state.users.records().cloned().collect(),
            calls,
            revoked: revoked_users(&self.revocations),
            changed: self.state.users.changes(),
            presence_due: self.presence_due,
            total_due: self.rosters.total_due(&self.state),
        }
    }

    /// The messages that an effect sends, one for each recipient. Call it before the registry handles further input.
    #[must_use]
    pub fn messages(&self, effect: &Effect) -> Vec<(ConnId, ServerMessage)> {
        match effect.clone() {
            Effect::Send { to, message } | Effect::Relay { to, message, .. } => vec![(to, message)],
            Effect::Welcome { to, me, ticket, roster } => {
                let (users, total) = self.users_in(me.token, roster);
                let (ice_servers, limits) = (Vec::new(), Limits::default());
                vec![(to, ServerMessage::Welcome { me, ticket, ice_servers, limits, users, total })]
            }
            Effect::Roster { to, me, roster } => {
                let (users, total) = self.users_in(me, roster);
                vec![(to, ServerMessage::Roster { users, total })]
            }
            Effect::Presence { changes, to_whole_rosters, partial } => {
                let has_whole = |conn: &ConnId| to_whole_rosters && !self.rosters.has_partial_roster(*conn);
                let whole = self.state.users.connections().filter(has_whole).map(|conn| (conn, changes.clone()));
                let subset = |indices: Vec<usize>| indices.into_iter().map(|index| changes[index].clone()).collect();
                let partial = partial.into_iter().map(|(conn, indices)| (conn, subset(indices)));
                whole
                    .chain(partial)
                    .map(|(to, changes)| (to, ServerMessage::Presence { changes, total: None }))
                    .collect()
            }
            Effect::Total { total, to } => {
                let message = ServerMessage::Presence { changes: vec![], total: Some(total) };
                to.into_iter().map(|conn| (conn, message.clone())).collect()
            }
            Effect::Close { .. } | Effect::SessionEnded(_) | Effect::Revoked(_) | Effect::Event(_) => vec![],
        }
    }

    fn users_in(&self, me: Token, roster: RosterContent) -> (Vec<User>, Option<u32>) {
        match roster {
            RosterContent::Whole => (self.state.users.roster_without(me), None),
            RosterContent::Partial { users, total } => (users, Some(total)),
        }
    }

    /// Violates the first invariant, to prove that a checker detects it: the user becomes `online` and can be called, while
    /// its call still has it as a member.
    #[cfg(feature = "inspect")]
    pub fn violate_invariant(&mut self, user: Token) {
        if let Some(record) = self.state.users.get_mut(user)
            && record.conn.is_some()
        {
            record.user.state = UserState::Online;
            record.call = None;
        }
    }
}

impl RegistrySnapshot {
    /// The earliest deadline in the records.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        let names = self.users.iter().filter_map(|record| record.held_until);
        let calls = self.calls.iter().filter_map(|(_, call)| call.deadline());
        names.chain(calls).chain(self.presence_due).chain(self.total_due).min()
    }

    /// Whether [`Registry::next_tick`] is at or before the earliest deadline.
    #[must_use]
    pub fn wakes_in_time(&self, registry: &Registry) -> bool {
        self.next_deadline().is_none_or(|at| registry.next_tick().is_some_and(|tick| tick <= at))
    }

    /// A user's state; `offline` for an unknown user.
    #[must_use]
    pub fn state(&self, token: Token) -> UserState {
        let record = self.users.iter().find(|record| record.user.token == token);
        record.map_or(UserState::Offline, |record| record.user.state)
    }

    /// The calls in which this user is present. More than one violates an invariant.
    #[must_use]
    pub fn calls_of(&self, token: Token) -> Vec<CallId> {
        let is_in = |call: &CallState| call.member_state(token) == Some(MemberState::Present);
        self.calls.iter().filter(|(_, call)| is_in(call)).map(|(id, _)| *id).collect()
    }

    /// The tokens of all known users.
    pub fn tokens(&self) -> impl Iterator<Item = Token> + '_ {
        self.users.iter().map(|record| record.user.token)
    }

    /// Descriptions of the violated invariants.
    #[must_use]
    pub fn invariant_violations(&self) -> Vec<String> {
        let users = self.users.iter().flat_map(|record| self.user_violations(record));
        let presence = [(
            self.changed.is_empty() || self.presence_due.is_some(),
            "there is a time at which collected presence changes are sent",
        )];
        let presence = violated(presence, &self.changed);
        users.chain(self.calls.iter().flat_map(|(_, call)| self.call_violations(call))).chain(presence).collect()
    }

    fn user_violations(&self, record: &UserRecord) -> Vec<String> {
        let state = record.user.state;
        let busy = matches!(state, UserState::Connecting | UserState::InCall | UserState::Ending);
        let in_own_call_only = self.calls_of(record.user.token) == record.call.into_iter().collect::<Vec<_>>();
        let invariants = [
            (
                record.conn.is_some() == (state != UserState::Offline),
                "a user has a connection exactly while not offline",
            ),
            (record.call.is_some() == busy, "a user has a call exactly while connecting, in_call or ending"),
            (in_own_call_only, "a user is present in its own call only"),
        ];
        violated(invariants, record)
    }

    fn call_violations(&self, call: &CallState) -> Vec<String> {
        let present = call.members.iter().filter(|member| member.state == MemberState::Present);
        let states: Vec<_> = present.map(|member| self.state(member.token)).collect();
        let allowed: &[UserState] = if call.step.is_ended() {
            &[UserState::Ending]
        } else if call.step.is_confirmed() {
            &[UserState::InCall, UserState::Connecting]
        } else {
            &[UserState::Connecting]
        };
        let both = call.step.is_confirmed() && call.all_present();
        let needs_no_deadline = call.all_present() && matches!(call.step, CallStep::Established);
        let is_claimable = call.members.iter().any(|member| member.state != MemberState::Released);
        let invariants = [
            (states.iter().all(|state| allowed.contains(state)), "the members' states fit the call's step"),
            (!both || states == [UserState::InCall; 2], "present members of a confirmed call are both in_call"),
            (
                needs_no_deadline || call.deadline().is_some(),
                "a call has a deadline unless it is established with both members present",
            ),
            (call.step.is_ended() || is_claimable, "an ongoing call has a member that has not released it"),
        ];
        violated(invariants, call)
    }
}

/// In the order of their tokens. Without watermarks, which only admission control adds.
fn revoked_users(revocations: &Revocations) -> Vec<Token> {
    let user = |revoked| if let RevokedSessions::One { user, .. } = revoked { Some(user) } else { None };
    let mut users: Vec<_> = revocations.iter().filter_map(|revocation| user(revocation.revoked)).collect();
    users.sort_unstable();
    users
}

fn violated<const N: usize>(invariants: [(bool, &str); N], record: &impl std::fmt::Debug) -> Vec<String> {
    invariants
        .into_iter()
        .filter(|(holds, _)| !holds)
        .map(|(_, text)| format!("violated: {text}: {record:?}"))
        .collect()
}
