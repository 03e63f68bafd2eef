//! Issuer of the clients' credentials, for the own TURN server and for others that share its secret.

use std::{
    sync::{PoisonError, RwLock},
    time::Duration,
};

use hutong_protocol::{IceServer, Token};

use crate::{
    clock::unix_time,
    relay::{TurnCredential, TurnSecret, TurnSecrets},
    ticket_key::TicketKey,
};

/// How long a credential creates allocations.
const CREDENTIAL_LIFETIME: Duration = Duration::from_hours(24);

/// How often all clients receive new credentials, so that each always has one that is valid for twelve hours.
pub(crate) const CREDENTIAL_RENEWAL: Duration = Duration::from_hours(12);

/// Signs credentials with a configured secret, or one derived from the ticket key.
#[derive(Debug)]
pub(crate) struct CredentialIssuer {
    configured: Option<TurnSecret>,
    secrets: RwLock<TurnSecrets>,
}

impl CredentialIssuer {
    pub(crate) fn new(configured: Option<TurnSecret>, ticket_key: &TicketKey) -> Self {
        let secrets = secrets(configured.as_ref(), ticket_key);
        Self { configured, secrets: RwLock::new(secrets) }
    }

    /// Derives the secrets from this key and its former ones, unless there is a configured one.
    pub(super) fn set_ticket_key(&self, ticket_key: &TicketKey) {
        let secrets = secrets(self.configured.as_ref(), ticket_key);
        *self.secrets.write().unwrap_or_else(PoisonError::into_inner) = secrets;
    }

    pub(super) fn secrets(&self) -> TurnSecrets {
        self.secrets.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A credential for this user, valid for a day by the system's clock, as coturn compares it.
    pub(super) fn issue(&self, user: Token) -> TurnCredential {
        let secrets = self.secrets.read().unwrap_or_else(PoisonError::into_inner);
        secrets.signing().issue(user, unix_time() + CREDENTIAL_LIFETIME)
    }

    /// A configured server for this user: a TURN server without a credential shares our secret.
    pub(super) fn complete(&self, server: &IceServer, user: Token) -> IceServer {
        let needs_credential = server.urls.iter().any(|url| url.starts_with("turn")) && server.username.is_none();
        if !needs_credential {
            return server.clone();
        }
        let TurnCredential { username, password } = self.issue(user);
        IceServer { urls: server.urls.clone(), username: Some(username), credential: Some(password) }
    }
}

fn secrets(configured: Option<&TurnSecret>, ticket_key: &TicketKey) -> TurnSecrets {
    match configured {
        Some(secret) => TurnSecrets::new(secret.clone(), Vec::new()),
        None => {
            let former = ticket_key.former_keys().iter().map(TurnSecret::derive).collect();
            TurnSecrets::new(TurnSecret::derive(ticket_key.signing_key()), former)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str, username: Option<&str>) -> IceServer {
        IceServer {
            urls: vec![url.into()],
            username: username.map(str::to_owned),
            credential: username.map(|_| "password".into()),
        }
    }

    #[test]
    fn turn_servers_without_a_credential_receive_one_for_each_user() {
        let secret = TurnSecret::parse("a secret that coturn has, too").unwrap();
        let issuer = CredentialIssuer::new(Some(secret.clone()), &TicketKey::random().unwrap());
        for unchanged in [server("stun:a.example", None), server("turn:a.example", Some("ana"))] {
            assert_eq!(issuer.complete(&unchanged, Token(7)), unchanged);
        }
        let completed = issuer.complete(&server("turns:a.example", None), Token(7));
        let username = completed.username.unwrap();
        let (expires, user) = username.split_once(':').unwrap();
        assert_eq!(user, "7");
        let expires = Duration::from_secs(expires.parse().unwrap());
        assert_eq!(completed.credential, Some(secret.issue(Token(7), expires).password));
    }

    #[test]
    fn a_configured_secret_does_not_follow_the_ticket_key() {
        let [old, new] = ["01", "02"].map(|digits| TicketKey::parse(&digits.repeat(32)).unwrap());
        let derived = CredentialIssuer::new(None, &old);
        let configured = CredentialIssuer::new(Some(TurnSecret::parse("a secret that coturn has, too").unwrap()), &old);
        let before = [&derived, &configured].map(|issuer| issuer.secrets().signing().clone());
        derived.set_ticket_key(&new);
        configured.set_ticket_key(&new);
        assert_ne!(derived.secrets().signing(), &before[0]);
        assert_eq!(configured.secrets().signing(), &before[1]);
    }
}
