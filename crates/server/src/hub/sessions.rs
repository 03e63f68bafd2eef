//! The hub's part of admission: logins, sessions that end, revoked tickets, and connections that are denied.

use std::net::IpAddr;

use hutong_protocol::{Name, NameKey, RefusedCode, SessionTicket, Token};

use super::{Hub, HubState, unsaved::Unsaved};
use crate::{
    registry::{AdmittedLogin, ConnId, Credential, GenuineTicket, ResumeRefusal, Revocation, RevokedSessions},
    revocation_file::UnsavedRevocations,
};

/// Connections or sessions that are copied for a comparison with a changed file, or ended, under one hold of the lock.
pub(super) const DISCONNECT_BATCH: usize = 256;

/// Users of an earlier process whose TURN credentials are revoked at the start: half of those that the relay remembers.
const MAX_RESTORED: usize = 8_192;

impl Hub {
    /// Passes a `hello` that admission control has accepted to the registry.
    ///
    /// `check_again` asks admission control once more, because a file may have changed while the secret was checked. The hub calls
    /// it under the lock. So [`end_sessions_without`](Self::end_sessions_without) and
    /// [`disconnect_where`](Self::disconnect_where) miss no session: the check refuses what begins after they have run.
    pub(crate) fn handle_admitted_hello(
        &self,
        from: ConnId,
        login: AdmittedLogin,
        check_again: impl FnOnce(&NameKey, Credential) -> Result<(), RefusedCode>,
    ) {
        // The registry refuses an invalid name.
        let name = Name::new(&login.name).ok().map(|name| name.key());
        self.with_registry(|state, now| {
            // The registry has forgotten a connection that is being closed.
            if !state.connections.contains_key(&from) {
                return;
            }
            match name.map_or(Ok(()), |name| check_again(&name, login.credential)) {
                Ok(()) => state.registry.handle_admitted_hello(now, from, login),
                Err(code) => state.refuse(now, from, code),
            }
        });
    }

    /// Checks whether a session can be resumed with this ticket, as [`Registry::check_resume`].
    pub(crate) fn check_resume(
        &self,
        ticket: &SessionTicket,
        name: &NameKey,
        credential: Option<Credential>,
    ) -> Result<GenuineTicket, ResumeRefusal> {
        let now = self.0.clock.now();
        self.lock().registry.check_resume(now, ticket, name, credential)
    }

    /// Revokes all tickets of these names or, for `None`, of all names, because their secret has changed.
    pub(crate) fn revoke_earlier(&self, names: Option<&[NameKey]>) {
        self.with_registry(|state, now| match names {
            Some(names) => names.iter().for_each(|name| state.registry.revoke_earlier(now, Some(name))),
            None => state.registry.revoke_earlier(now, None),
        });
    }

    /// Ends the sessions whose credential is not current any more, as `secret_changed`.
    ///
    /// The predicate is called without the lock, and the lock is held for [`DISCONNECT_BATCH`] sessions at a time. No session
    /// that begins meanwhile is missed: [`handle_admitted_hello`](Self::handle_admitted_hello) compares it.
    pub(crate) fn end_sessions_without(&self, is_current: impl Fn(&NameKey, Credential) -> bool) {
        let users: Vec<_> = self.lock().registry.users_with_session().collect();
        for batch in users.chunks(DISCONNECT_BATCH) {
            let mut outdated = self.lock().sessions_of(batch);
            outdated.retain(|(_, name, credential)| !is_current(name, *credential));
            if outdated.is_empty() {
                continue;
            }
            self.with_registry(|state, now| {
                for (user, ..) in &outdated {
                    state.registry.end_session(now, *user, RefusedCode::SecretChanged);
                }
            });
        }
    }

    /// Adds the revocations of an earlier process, and collects new ones for
    /// [`take_unsaved_revocations`](Self::take_unsaved_revocations) from now on. Unless they are complete, revokes all tickets
    /// that were issued before now.
    pub(crate) fn restore_revocations(&self, revocations: Vec<Revocation>, are_complete: bool) {
        self.with_registry(|state, now| {
            state.revoke_turn_credentials_again(&revocations);
            state.registry.restore_revocations(now, revocations);
            state.unsaved = Unsaved::All;
            if !are_complete {
                state.registry.revoke_earlier(now, None);
            }
        });
    }

    /// Waits until there is a revocation to store.
    pub(crate) async fn revocation_added(&self) {
        self.0.revocation_added.notified().await;
    }

    /// Removes and returns the revocations to store. `needs_all` decides, by the number of revocations, whether the file
    /// has to be written as a whole.
    pub(crate) fn take_unsaved_revocations(&self, needs_all: impl FnOnce(usize) -> bool) -> Option<UnsavedRevocations> {
        let mut state = self.lock();
        if !state.unsaved.is_waiting() {
            return None;
        }
        let needs_all = needs_all(state.registry.revocation_count());
        // After a panic, the table may be half changed. What waits was complete before.
        if self.0.state.is_broken() && (needs_all || matches!(state.unsaved, Unsaved::All)) {
            return None;
        }
        match std::mem::replace(&mut state.unsaved, Unsaved::New(Vec::new())) {
            Unsaved::New(new) if !needs_all => Some(UnsavedRevocations::New(new)),
            _ => {
                state.registry.remove_expired_revocations(self.0.clock.now());
                Some(UnsavedRevocations::All(state.registry.revocations().collect()))
            }
        }
    }

    /// The next [`take_unsaved_revocations`](Self::take_unsaved_revocations) returns all revocations.
    pub(crate) fn save_all_revocations(&self) {
        self.lock().unsaved = Unsaved::All;
    }

    /// Closes the connections for which the predicate holds, as `not_welcome`. It gets the user's name, if the connection is
    /// logged in, and the address.
    ///
    /// The predicate is called without the lock, and the lock is held for [`DISCONNECT_BATCH`] connections at a time: a long
    /// deny list and many connections delay nobody's call.
    pub(crate) fn disconnect_where(&self, predicate: impl Fn(Option<&Name>, IpAddr) -> bool) {
        for batch in self.connections().chunks(DISCONNECT_BATCH) {
            let mut matching = self.lock().names_and_addresses(batch);
            matching.retain(|(_, name, address)| predicate(name.as_ref(), *address));
            if matching.is_empty() {
                continue;
            }
            self.with_registry(|state, now| {
                for (conn, ..) in &matching {
                    if let Some(user) = state.registry.user_of(*conn) {
                        state.ice_servers.revoke(user.token);
                    }
                    state.refuse(now, *conn, RefusedCode::NotWelcome);
                }
            });
        }
    }
}

impl HubState {
    /// Name, if logged in, and address of those of the connections that are still open.
    pub(super) fn names_and_addresses(&self, conns: &[ConnId]) -> Vec<(ConnId, Option<Name>, IpAddr)> {
        let open = conns.iter().filter_map(|conn| Some((*conn, self.connections.get(conn)?.client.ip)));
        open.map(|(conn, address)| (conn, self.registry.name_of(conn).cloned(), address)).collect()
    }

    /// Name and credential of those of the users that still have a session.
    pub(super) fn sessions_of(&self, users: &[Token]) -> Vec<(Token, NameKey, Credential)> {
        let session = |user: &Token| self.registry.session_of(*user).map(|(name, of)| (*user, name.clone(), of));
        users.iter().filter_map(session).collect()
    }

    /// Revokes the TURN credentials of sessions that an earlier process has revoked: the key that signs them may be the same.
    fn revoke_turn_credentials_again(&self, revocations: &[Revocation]) {
        let mut latest: Vec<_> = revocations
            .iter()
            .filter_map(|revocation| match revocation.revoked {
                RevokedSessions::One { user, .. } => Some((revocation.expires, user)),
                RevokedSessions::OfName { .. } | RevokedSessions::All { .. } => None,
            })
            .collect();
        latest.sort_unstable_by_key(|(expires, _)| std::cmp::Reverse(*expires));
        for (_, user) in latest.into_iter().take(MAX_RESTORED) {
            self.ice_servers.revoke(user);
        }
    }
}
