//! Keeps a certificate from an authority current: when to order, how long to wait after a failure, and what to serve.

use std::time::{Duration, SystemTime};

use tokio::{sync::Notify, time::timeout};

use super::{
    options::AcmeOptions,
    order::{Authority, OrderError},
};
use crate::tls::{CertResolver, CertifiedKey, TlsError};

/// How long one order may take, from the directory to the certificate. Authorities look from several places of the world.
const ORDER: Duration = Duration::from_mins(5);

/// How long to wait after an order that failed: first, and at most. It doubles. Let's Encrypt takes five failed challenges an
/// hour; with this it sees four.
const PAUSE: (Duration, Duration) = (Duration::from_mins(5), Duration::from_hours(6));

/// The longest sleep until a renewal: while a machine is suspended, or its clock is set, sleeping tells nothing.
const NAP: Duration = Duration::from_hours(1);

/// Orders the certificate of an authority, and orders it anew before it ends.
pub(crate) struct Acme {
    authority: Authority,
    /// Wakes a waiting [`keep_current`](Self::keep_current): the next attempt is to be made at once.
    renew: Notify,
}

impl Acme {
    /// Reads the options. Nothing is ordered yet.
    pub(crate) fn new(options: AcmeOptions) -> Result<Self, TlsError> {
        Ok(Self { authority: Authority::new(options)?, renew: Notify::new() })
    }

    /// The certificate in the cache, if there is one. One that does not parse is as good as none.
    pub(crate) fn cached(&self) -> Result<Option<CertifiedKey>, TlsError> {
        let Some(pem) = self.authority.cache().certificate()? else { return Ok(None) };
        let certified = CertifiedKey::from_pem(pem.as_bytes(), pem.as_bytes());
        Ok(certified.inspect_err(|error| tracing::warn!(%error, "the kept certificate is of no use")).ok())
    }

    /// Makes the next attempt at once.
    pub(crate) fn renew_now(&self) {
        self.renew.notify_one();
    }

    /// Orders when it is time, and serves what is issued. Never ends.
    pub(crate) async fn keep_current(&self, resolver: &CertResolver) {
        let mut pause = PAUSE.0;
        loop {
            self.until_due(resolver).await;
            let ordered = timeout(ORDER, self.authority.order(resolver)).await.unwrap_or(Err(OrderError::TooLong));
            resolver.answer_challenges([].into());
            match ordered.and_then(|pem| self.install(&pem, resolver)) {
                Ok(()) => pause = PAUSE.0,
                Err(error) => {
                    let names = self.authority.names().join(", ");
                    let minutes = pause.as_secs() / 60;
                    tracing::warn!(%error, "no certificate for {names}: {}. Next attempt in {minutes} minutes", error.advice());
                    tokio::select! {
                        () = tokio::time::sleep(pause) => pause = (pause * 2).min(PAUSE.1),
                        () = self.renew.notified() => {}
                    }
                }
            }
        }
    }

    /// Waits until a third of the certificate's life is left, or there is none.
    async fn until_due(&self, resolver: &CertResolver) {
        while let Some(Some(wait)) = resolver.with(|certified| wait(certified, SystemTime::now())) {
            tokio::select! {
                () = tokio::time::sleep(wait.min(NAP)) => {}
                () = self.renew.notified() => {}
            }
        }
    }

    fn install(&self, pem: &str, resolver: &CertResolver) -> Result<(), OrderError> {
        let certified = CertifiedKey::from_pem(pem.as_bytes(), pem.as_bytes())
            .map_err(|error| OrderError::Issued(error.to_string()))?;
        if wait(&certified, SystemTime::now()).is_none() {
            return Err(OrderError::Issued("it is about to end already, by this machine's clock".to_owned()));
        }
        if let Err(error) = self.authority.cache().keep_certificate(pem) {
            tracing::warn!(%error, "the new certificate is not kept: a restart will order another one");
        }
        resolver.install(certified);
        tracing::info!("new connections are shown a new certificate for {}", self.authority.names().join(", "));
        Ok(())
    }
}

/// How long it is until the certificate is to be renewed; `None` where that is now.
fn wait(certified: &CertifiedKey, now: SystemTime) -> Option<Duration> {
    let (_, read) = x509_parser::parse_x509_certificate(certified.certificate()).ok()?;
    let validity = read.validity();
    let seconds = |moment: x509_parser::time::ASN1Time| u64::try_from(moment.timestamp()).unwrap_or_default();
    due(seconds(validity.not_before), seconds(validity.not_after), now)
}

fn due(begins: u64, ends: u64, now: SystemTime) -> Option<Duration> {
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let at = Duration::from_secs(ends - ends.saturating_sub(begins).min(ends) / 3);
    at.checked_sub(now).filter(|wait| !wait.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 60 * 60;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_certificate_is_renewed_when_a_third_of_its_life_is_left() {
        let begins = 20_000 * DAY;
        assert_eq!(due(begins, begins + 90 * DAY, at(begins)), Some(Duration::from_secs(60 * DAY)));
        assert_eq!(due(begins, begins + 90 * DAY, at(begins + 60 * DAY - 1)), Some(Duration::from_secs(1)));
        for late in [60 * DAY, 89 * DAY, 200 * DAY] {
            assert_eq!(due(begins, begins + 90 * DAY, at(begins + late)), None);
        }
        assert_eq!(due(begins, begins, at(begins)), None);
        assert_eq!(due(5, 3, at(7)), None);
    }
}
