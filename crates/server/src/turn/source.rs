//! Source of the ICE servers that each client is told.

use std::sync::Arc;

use hutong_protocol::{IceServer, Token};

use super::{host::ClientRoute, issuer::CredentialIssuer, server::TurnServer};
use crate::{relay::RelayCounters, ticket_key::TicketKey};

/// The configured ICE servers and the own TURN server, with credentials for each client.
#[derive(Debug)]
pub(crate) struct IceServerSource {
    configured: Vec<IceServer>,
    issuer: Arc<CredentialIssuer>,
    turn: Option<Arc<TurnServer>>,
}

impl IceServerSource {
    pub(crate) const fn new(
        configured: Vec<IceServer>,
        issuer: Arc<CredentialIssuer>,
        turn: Option<Arc<TurnServer>>,
    ) -> Self {
        Self { configured, issuer, turn }
    }

    /// The ICE servers for this user, who reached the server on this route.
    pub(crate) fn for_client(&self, route: &ClientRoute, user: Token) -> Vec<IceServer> {
        let configured = self.configured.iter().map(|server| self.issuer.complete(server, user));
        configured.chain(self.turn.iter().flat_map(|turn| turn.ice_servers(route, user))).collect()
    }

    /// Derives the secrets of credentials from this key and its former ones, unless there is a configured one.
    pub(crate) fn set_ticket_key(&self, key: &TicketKey) {
        self.issuer.set_ticket_key(key);
        if let Some(turn) = &self.turn {
            turn.update_secrets();
        }
    }

    /// Makes the credentials of a user useless at the own TURN server: it has logged out, or is no longer welcome. Other TURN servers
    /// with the same secret accept them until they expire.
    pub(crate) fn revoke(&self, user: Token) {
        if let Some(turn) = &self.turn {
            turn.revoke(user);
        }
    }

    /// Counters of the own TURN server; zero without one.
    pub(crate) fn turn_counters(&self) -> RelayCounters {
        self.turn.as_ref().map(|turn| turn.counters()).unwrap_or_default()
    }
}
