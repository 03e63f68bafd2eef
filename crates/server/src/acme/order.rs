//! One order: account, challenges, certificate.

use std::{collections::BTreeMap, io, sync::Arc, time::Duration};

use instant_acme::{
    Account, AuthorizationStatus, ChallengeHandle, ChallengeType, Identifier, NewAccount, NewOrder, Order, OrderStatus,
    Problem, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use tokio_rustls::rustls::{self, crypto::ring::sign::any_supported_type, sign};

use super::{
    cache::Cache,
    client::Client,
    options::{AcmeOptions, is_public_name},
};
use crate::tls::{CertResolver, TlsError};

/// How an order's state is asked for: soon, then less and less often. The whole order has a limit of its own.
const ASKING: RetryPolicy =
    RetryPolicy::new().initial_delay(Duration::from_millis(500)).backoff(1.5).timeout(Duration::from_mins(2));

/// An authority, our account there, and the names that it is to certify.
pub(super) struct Authority {
    /// Of its directory.
    url: String,
    names: Vec<String>,
    contacts: Vec<String>,
    cache: Cache,
    client: Client,
}

impl Authority {
    /// Reads the options. Nothing is ordered yet.
    pub(super) fn new(options: AcmeOptions) -> Result<Self, TlsError> {
        let names: Vec<_> = options.names.iter().map(|name| name.trim().trim_end_matches('.').to_lowercase()).collect();
        if let Some(bad) = names.iter().find(|name| !is_public_name(name)) {
            return Err(TlsError::PublicName(bad.clone()));
        }
        if !options.authority.starts_with("https://") {
            return Err(TlsError::Directory(options.authority));
        }
        let contact =
            |contact: &String| if contact.contains(':') { contact.clone() } else { format!("mailto:{contact}") };
        Ok(Self {
            contacts: options.contacts.iter().map(contact).collect(),
            cache: Cache::open(&options.directory, &options.authority, &names)?,
            client: Client::new(options.roots.as_deref())?,
            url: options.authority,
            names,
        })
    }

    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    pub(super) const fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Orders a certificate, and gives its key and chain in PEM. The challenges that the resolver answers stay there.
    pub(super) async fn order(&self, resolver: &CertResolver) -> Result<String, OrderError> {
        let account = self.account().await?;
        let names: Vec<_> = self.names.iter().cloned().map(Identifier::Dns).collect();
        let placed = account.new_order(&NewOrder::new(&names)).await;
        if let Err(instant_acme::Error::Api(problem)) = &placed
            && kind(problem) == "accountDoesNotExist"
        {
            // The next attempt makes a new one.
            self.cache.forget_account()?;
        }
        let mut order = placed?;
        authorize(&mut order, resolver).await?;
        match order.poll_ready(&ASKING).await {
            Ok(OrderStatus::Ready) => {}
            // The order itself says only that it failed.
            Ok(_) | Err(instant_acme::Error::Api(_)) => return Err(refused(&mut order).await),
            Err(error) => return Err(error.into()),
        }
        let key = order.finalize().await?;
        let chain = order.poll_certificate(&ASKING).await?;
        Ok(key + "\n" + &chain)
    }

    async fn account(&self) -> Result<Account, OrderError> {
        let builder = || Account::builder_with_http(Box::new(self.client.clone()));
        if let Some(kept) = self.cache.account()? {
            return Ok(builder().from_credentials(kept).await?);
        }
        let contact: Vec<_> = self.contacts.iter().map(String::as_str).collect();
        let wanted = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let (account, credentials) = builder().create(&wanted, self.url.clone(), None).await?;
        self.cache.keep_account(&credentials)?;
        Ok(account)
    }
}

/// Has every name's challenge answered, then tells the authority that it may look.
async fn authorize(order: &mut Order, resolver: &CertResolver) -> Result<(), OrderError> {
    let mut answers = BTreeMap::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let mut challenge = authorization.challenge(ChallengeType::TlsAlpn01).ok_or(OrderError::NoChallenge)?;
        let (name, answer) = answer(&challenge)?;
        answers.insert(name, answer);
        resolver.answer_challenges(answers.clone());
        challenge.set_ready().await?;
    }
    Ok(())
}

/// The certificate that a challenge's connection has to be shown (RFC 8737, section 3).
fn answer(challenge: &ChallengeHandle<'_>) -> Result<(String, Arc<sign::CertifiedKey>), OrderError> {
    let Identifier::Dns(name) = challenge.identifier().identifier else { return Err(OrderError::NoChallenge) };
    let mut params = CertificateParams::new([name.clone()])?;
    params.custom_extensions =
        vec![CustomExtension::new_acme_identifier(challenge.key_authorization().digest().as_ref())];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let key = any_supported_type(&rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der()).into())?;
    Ok((name.clone(), Arc::new(sign::CertifiedKey::new(vec![certificate.der().clone()], key))))
}

/// What the authority says of the challenges that failed.
async fn refused(order: &mut Order) -> OrderError {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let Ok(mut authorization) = authorization else { continue };
        let Ok(state) = authorization.refresh().await else { continue };
        if let Some(problem) = state.challenges.iter().find_map(|challenge| challenge.error.clone()) {
            return OrderError::Authority(instant_acme::Error::Api(problem));
        }
    }
    OrderError::Refused
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub(super) enum OrderError {
    /// The authority said so, or could not be asked.
    #[error(transparent)]
    Authority(#[from] instant_acme::Error),
    /// The order failed without a reason.
    #[error("the authority refused the order")]
    Refused,
    /// A name cannot be shown to be ours by TLS-ALPN-01.
    #[error("the authority offers no TLS-ALPN-01")]
    NoChallenge,
    /// It took too long.
    #[error("the order took too long")]
    TooLong,
    /// The account could not be kept.
    #[error(transparent)]
    Cache(#[from] io::Error),
    /// The answer to a challenge could not be made.
    #[error(transparent)]
    Make(#[from] rcgen::Error),
    /// The answer to a challenge, or the certificate, cannot be used.
    #[error(transparent)]
    Use(#[from] rustls::Error),
    /// What was issued cannot be used.
    #[error("{0}")]
    Issued(String),
}

impl OrderError {
    /// What to do about it.
    pub(super) fn advice(&self) -> &'static str {
        match self {
            Self::Authority(instant_acme::Error::Api(problem)) => match kind(problem) {
                "connection" | "tls" | "unauthorized" | "incorrectResponse" | "dns" | "caa" => {
                    "the authority has to reach this server at port 443 by that name: look at the name's DNS records, at the \
                     firewall, and that nothing else answers there"
                }
                "rateLimited" => {
                    "the authority has issued or refused too much lately: leave the server running, and wait"
                }
                "rejectedIdentifier" => {
                    "the authority issues nothing for that name: it has to be a public one of yours"
                }
                "invalidContact" | "unsupportedContact" => "the authority takes no such mail address as contact",
                "externalAccountRequired" => {
                    "this authority wants accounts that are made elsewhere first: take another one"
                }
                "accountDoesNotExist" => "the account is gone there, and a new one is made next time",
                _ => "this is what the authority says",
            },
            Self::Authority(_) | Self::TooLong => {
                "look whether this machine reaches the authority's directory by https"
            }
            Self::Refused => "the authority does not say why",
            Self::NoChallenge => "this authority cannot check names by TLS-ALPN-01: take another one",
            Self::Cache(_) => "look at the directory that the account is kept in",
            Self::Make(_) | Self::Use(_) => "this is a fault of the server",
            Self::Issued(_) => "look at this machine's clock, and at what the authority issues",
        }
    }
}

/// A problem's type without what all of them begin with (RFC 8555, section 6.7).
fn kind(problem: &Problem) -> &str {
    problem.r#type.as_deref().unwrap_or_default().trim_start_matches("urn:ietf:params:acme:error:")
}

#[cfg(test)]
mod tests {
    use super::{super::options::LETS_ENCRYPT, *};

    #[test]
    fn what_cannot_be_ordered_is_said_at_the_start() {
        let directory = tempfile::tempdir().unwrap();
        let options = |name: &str, authority: &str| AcmeOptions {
            names: vec![name.to_owned()],
            contacts: vec!["ana@example.org".to_owned(), "mailto:bo@example.org".to_owned()],
            directory: directory.path().to_owned(),
            authority: authority.to_owned(),
            roots: None,
        };
        let authority = Authority::new(options(" Calls.Example. ", LETS_ENCRYPT)).unwrap();
        assert_eq!(
            (authority.names, authority.contacts),
            (
                vec!["calls.example".to_owned()],
                vec!["mailto:ana@example.org".to_owned(), "mailto:bo@example.org".to_owned()],
            )
        );
        assert!(matches!(Authority::new(options("192.0.2.1", LETS_ENCRYPT)), Err(TlsError::PublicName(_))));
        assert!(matches!(Authority::new(options("a.example", "http://acme.example")), Err(TlsError::Directory(_))));
    }
}
