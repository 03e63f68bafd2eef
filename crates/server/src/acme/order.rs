//! One ACME order: account, challenges, certificate.

use std::{collections::BTreeMap, io, sync::Arc, time::Duration};

use instant_acme::{
    Account, AuthorizationStatus, ChallengeHandle, ChallengeType, Identifier, NewAccount, NewOrder, Order, OrderStatus,
    Problem, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use tokio_rustls::rustls::{self, crypto::ring::sign::any_supported_type, sign};

use super::{
    cache::AcmeCache,
    client::AcmeHttpClient,
    options::{AcmeOptions, is_public_name},
};
use crate::tls::{CertResolver, TlsError};

/// How often the status of an order is polled: soon, then at growing intervals.
const POLLING: RetryPolicy =
    RetryPolicy::new().initial_delay(Duration::from_millis(500)).backoff(1.5).timeout(Duration::from_mins(2));

/// An ACME authority, our account there, and the names to certify.
pub(super) struct AcmeAuthority {
    /// URL of its directory.
    url: String,
    names: Vec<String>,
    contacts: Vec<String>,
    cache: AcmeCache,
    client: AcmeHttpClient,
}

impl AcmeAuthority {
    /// Validates the options and opens the cache. Orders nothing yet.
    pub(super) fn new(options: AcmeOptions) -> Result<Self, TlsError> {
        let names: Vec<_> = options.names.iter().map(|name| name.trim().trim_end_matches('.').to_lowercase()).collect();
        if let Some(bad) = names.iter().find(|name| !is_public_name(name)) {
            return Err(TlsError::PublicName(bad.clone()));
        }
        if !options.authority.starts_with("https://") {
            return Err(TlsError::DirectoryUrl(options.authority));
        }
        let contact =
            |contact: &String| if contact.contains(':') { contact.clone() } else { format!("mailto:{contact}") };
        Ok(Self {
            contacts: options.contacts.iter().map(contact).collect(),
            cache: AcmeCache::open(&options.directory, &options.authority, &names)?,
            client: AcmeHttpClient::new(options.roots.as_deref())?,
            url: options.authority,
            names,
        })
    }

    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    pub(super) const fn cache(&self) -> &AcmeCache {
        &self.cache
    }

    /// Orders a certificate, and returns its key and chain in PEM. The caller clears the resolver's challenges afterwards.
    pub(super) async fn order(&self, resolver: &CertResolver) -> Result<String, OrderError> {
        let account = self.account().await?;
        let names: Vec<_> = self.names.iter().cloned().map(Identifier::Dns).collect();
        let created = account.new_order(&NewOrder::new(&names)).await;
        if let Err(instant_acme::Error::Api(problem)) = &created
            && problem_type(problem) == "accountDoesNotExist"
        {
            // The next attempt creates a new account.
            self.cache.delete_account()?;
        }
        let mut order = created?;
        answer_challenges(&mut order, resolver).await?;
        match order.poll_ready(&POLLING).await {
            Ok(OrderStatus::Ready) => {}
            // The reason is in the challenges, not in the order.
            Ok(_) | Err(instant_acme::Error::Api(_)) => return Err(failed_challenge(&mut order).await),
            Err(error) => return Err(error.into()),
        }
        let key = order.finalize().await?;
        let chain = order.poll_certificate(&POLLING).await?;
        Ok(key + "\n" + &chain)
    }

    async fn account(&self) -> Result<Account, OrderError> {
        let builder = || Account::builder_with_http(Box::new(self.client.clone()));
        if let Some(credentials) = self.cache.account()? {
            return Ok(builder().from_credentials(credentials).await?);
        }
        let contact: Vec<_> = self.contacts.iter().map(String::as_str).collect();
        let request = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let (account, credentials) = builder().create(&request, self.url.clone(), None).await?;
        self.cache.store_account(&credentials)?;
        Ok(account)
    }
}

/// Installs the response to the challenge of each name, then asks the authority to validate it.
async fn answer_challenges(order: &mut Order, resolver: &CertResolver) -> Result<(), OrderError> {
    let mut responses = BTreeMap::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let mut challenge = authorization.challenge(ChallengeType::TlsAlpn01).ok_or(OrderError::NoTlsAlpn)?;
        let (name, response) = challenge_response(&challenge)?;
        responses.insert(name, response);
        resolver.answer_challenges(responses.clone());
        challenge.set_ready().await?;
    }
    Ok(())
}

/// The name of a challenge, and the certificate that a validation connection expects (RFC 8737, section 3).
fn challenge_response(challenge: &ChallengeHandle<'_>) -> Result<(String, Arc<sign::CertifiedKey>), OrderError> {
    let Identifier::Dns(name) = challenge.identifier().identifier else { return Err(OrderError::NoTlsAlpn) };
    let mut params = CertificateParams::new([name.clone()])?;
    params.custom_extensions =
        vec![CustomExtension::new_acme_identifier(challenge.key_authorization().digest().as_ref())];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let key = any_supported_type(&rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der()).into())?;
    Ok((name.clone(), Arc::new(sign::CertifiedKey::new(vec![certificate.der().clone()], key))))
}

/// The reason of a failed order, from the first challenge that has one.
async fn failed_challenge(order: &mut Order) -> OrderError {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let Ok(mut authorization) = authorization else { continue };
        let Ok(state) = authorization.refresh().await else { continue };
        if let Some(problem) = state.challenges.iter().find_map(|challenge| challenge.error.clone()) {
            return OrderError::Acme(instant_acme::Error::Api(problem));
        }
    }
    OrderError::NoReason
}

/// Error of an ACME order.
#[derive(Debug, thiserror::Error)]
pub(super) enum OrderError {
    /// The authority reported a problem, or a request failed.
    #[error(transparent)]
    Acme(#[from] instant_acme::Error),
    /// The order failed, and no challenge has a reason.
    #[error("the authority rejected the order and gave no reason")]
    NoReason,
    /// The authority does not offer TLS-ALPN-01 for a name.
    #[error("the authority offers no TLS-ALPN-01 challenge")]
    NoTlsAlpn,
    /// The order exceeded its time limit.
    #[error("the ACME authority did not complete the certificate order in time")]
    Timeout,
    /// The account could not be read from or written to the cache.
    #[error("cannot read or write the ACME account file: {0}")]
    Cache(#[from] io::Error),
    /// The response to a challenge could not be generated.
    #[error(transparent)]
    Generate(#[from] rcgen::Error),
    /// rustls rejected the key of a challenge response.
    #[error(transparent)]
    Unusable(#[from] rustls::Error),
    /// The issued certificate is invalid or about to expire.
    #[error("{0}")]
    BadCertificate(String),
}

impl OrderError {
    /// What the operator can do about it.
    pub(super) fn advice(&self) -> &'static str {
        match self {
            Self::Acme(instant_acme::Error::Api(problem)) => match problem_type(problem) {
                "connection" | "tls" | "unauthorized" | "incorrectResponse" | "dns" | "caa" => {
                    "the authority must reach this server on port 443 by that name: check the DNS records, the firewall, and \
                     that no other program answers there"
                }
                "rateLimited" => "the authority's rate limit is exceeded: keep the server running, it retries later",
                "rejectedIdentifier" => {
                    "the authority does not issue for that name: use a public host name of your own"
                }
                "invalidContact" | "unsupportedContact" => "the authority rejects the mail address of --acme-contact",
                "externalAccountRequired" => {
                    "this authority requires an account that is created elsewhere, which is not supported: use another one"
                }
                "accountDoesNotExist" => "the authority no longer has the account: the next attempt creates a new one",
                _ => "see the error that the authority reports",
            },
            Self::Acme(_) | Self::Timeout => "check that this machine can reach the authority's directory over https",
            Self::NoReason => "the authority gives no reason: check the DNS records and port 443 of each name",
            Self::NoTlsAlpn => "this authority cannot validate names by TLS-ALPN-01: use another one",
            Self::Cache(_) => "check the permissions and the free space of the --acme-cache directory",
            Self::Generate(_) | Self::Unusable(_) => "this is a bug in the server: please report it",
            Self::BadCertificate(_) => "check this machine's clock, and the certificates that the authority issues",
        }
    }
}

/// The type of an ACME problem, without the common prefix (RFC 8555, section 6.7).
fn problem_type(problem: &Problem) -> &str {
    problem.r#type.as_deref().unwrap_or_default().trim_start_matches("urn:ietf:params:acme:error:")
}

#[cfg(test)]
mod tests {
    use super::{super::options::LETS_ENCRYPT, *};

    #[test]
    fn invalid_names_and_directory_urls_are_rejected_before_the_first_order() {
        let directory = tempfile::tempdir().unwrap();
        let options = |name: &str, authority: &str| AcmeOptions {
            names: vec![name.to_owned()],
            contacts: vec!["ana@example.org".to_owned(), "mailto:bo@example.org".to_owned()],
            directory: directory.path().to_owned(),
            authority: authority.to_owned(),
            roots: None,
        };
        let authority = AcmeAuthority::new(options(" Calls.Example. ", LETS_ENCRYPT)).unwrap();
        assert_eq!(
            (authority.names, authority.contacts),
            (
                vec!["calls.example".to_owned()],
                vec!["mailto:ana@example.org".to_owned(), "mailto:bo@example.org".to_owned()],
            )
        );
        assert!(matches!(AcmeAuthority::new(options("192.0.2.1", LETS_ENCRYPT)), Err(TlsError::PublicName(_))));
        assert!(matches!(
            AcmeAuthority::new(options("a.example", "http://acme.example")),
            Err(TlsError::DirectoryUrl(_))
        ));
    }
}
