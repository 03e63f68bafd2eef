//! One order: account, challenges, certificate.

use std::{collections::BTreeMap, fmt, io, sync::Arc, time::Duration};

use instant_acme::{
    Account, AuthorizationStatus, ChallengeHandle, ChallengeType, Identifier, NewAccount, NewOrder, Order, OrderStatus,
    Problem, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use tokio_rustls::rustls::{self, crypto::ring::sign::any_supported_type, sign::CertifiedKey};

use super::Acme;
use crate::tls::Shown;

/// How an order's state is asked for: soon, then less and less often. The whole order has a limit of its own.
const ASKING: RetryPolicy =
    RetryPolicy::new().initial_delay(Duration::from_millis(500)).backoff(1.5).timeout(Duration::from_mins(2));

/// Orders a certificate, and gives its key and chain in PEM. The challenges that it has `shown` answer stay there.
pub(super) async fn order(acme: &Acme, shown: &Shown) -> Result<String, OrderError> {
    let account = account(acme).await?;
    let names: Vec<_> = acme.names.iter().cloned().map(Identifier::Dns).collect();
    let placed = account.new_order(&NewOrder::new(&names)).await;
    if let Err(instant_acme::Error::Api(problem)) = &placed
        && kind(problem) == "accountDoesNotExist"
    {
        // The next attempt makes a new one.
        acme.cache.forget_account()?;
    }
    let mut order = placed?;
    authorize(&mut order, shown).await?;
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

async fn account(acme: &Acme) -> Result<Account, OrderError> {
    let builder = || Account::builder_with_http(Box::new(acme.client.clone()));
    if let Some(kept) = acme.cache.account()? {
        return Ok(builder().from_credentials(kept).await?);
    }
    let contact: Vec<_> = acme.contacts.iter().map(String::as_str).collect();
    let wanted = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let (account, credentials) = builder().create(&wanted, acme.authority.clone(), None).await?;
    acme.cache.keep_account(&credentials)?;
    Ok(account)
}

/// Has every name's challenge answered, then tells the authority that it may look.
async fn authorize(order: &mut Order, shown: &Shown) -> Result<(), OrderError> {
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
        shown.answer_challenges(answers.clone());
        challenge.set_ready().await?;
    }
    Ok(())
}

/// The certificate that a challenge's connection has to be shown (RFC 8737, section 3).
fn answer(challenge: &ChallengeHandle<'_>) -> Result<(String, Arc<CertifiedKey>), OrderError> {
    let Identifier::Dns(name) = challenge.identifier().identifier else { return Err(OrderError::NoChallenge) };
    let mut params = CertificateParams::new([name.clone()])?;
    params.custom_extensions =
        vec![CustomExtension::new_acme_identifier(challenge.key_authorization().digest().as_ref())];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let key = any_supported_type(&rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der()).into())?;
    Ok((name.clone(), Arc::new(CertifiedKey::new(vec![certificate.der().clone()], key))))
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
#[derive(Debug)]
pub(super) enum OrderError {
    /// The authority said so, or could not be asked.
    Authority(instant_acme::Error),
    /// The order failed without a reason.
    Refused,
    /// A name cannot be shown to be ours by TLS-ALPN-01.
    NoChallenge,
    /// It took too long.
    TooLong,
    /// The account could not be kept.
    Cache(io::Error),
    /// The answer to a challenge could not be made.
    Make(rcgen::Error),
    /// The answer to a challenge, or the certificate, cannot be used.
    Use(rustls::Error),
    /// What was issued cannot be used.
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

impl fmt::Display for OrderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authority(error) => error.fmt(f),
            Self::Refused => f.write_str("the authority refused the order"),
            Self::NoChallenge => f.write_str("the authority offers no TLS-ALPN-01"),
            Self::TooLong => f.write_str("the order took too long"),
            Self::Cache(error) => error.fmt(f),
            Self::Make(error) => error.fmt(f),
            Self::Use(error) => error.fmt(f),
            Self::Issued(error) => error.fmt(f),
        }
    }
}

impl From<instant_acme::Error> for OrderError {
    fn from(error: instant_acme::Error) -> Self {
        Self::Authority(error)
    }
}

impl From<io::Error> for OrderError {
    fn from(error: io::Error) -> Self {
        Self::Cache(error)
    }
}

impl From<rcgen::Error> for OrderError {
    fn from(error: rcgen::Error) -> Self {
        Self::Make(error)
    }
}

impl From<rustls::Error> for OrderError {
    fn from(error: rustls::Error) -> Self {
        Self::Use(error)
    }
}

/// A problem's type without what all of them begin with (RFC 8555, section 6.7).
fn kind(problem: &Problem) -> &str {
    problem.r#type.as_deref().unwrap_or_default().trim_start_matches("urn:ietf:params:acme:error:")
}
