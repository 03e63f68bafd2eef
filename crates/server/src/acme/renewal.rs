//! Renewal of an ACME certificate: when to order, how long to wait after a failure, and what to install.

use std::time::{Duration, SystemTime};

use tokio::{sync::Notify, time::timeout};

use super::{
    options::AcmeOptions,
    order::{AcmeAuthority, OrderError},
};
use crate::{
    clock::ClockSteps,
    tls::{CertResolver, CertifiedKey, TlsError},
};

/// Timeout of one order, from the directory to the certificate. Authorities validate from several places in the world.
const ORDER_TIMEOUT: Duration = Duration::from_mins(5);

/// First and longest pause after a failed order. The pause doubles. Let's Encrypt permits five failed validations an hour;
/// this makes at most four.
const RETRY_PAUSE: (Duration, Duration) = (Duration::from_mins(5), Duration::from_hours(6));

/// Longest sleep before a renewal. A timer does not notice that the machine was suspended or its clock was set.
const MAX_SLEEP: Duration = Duration::from_secs(20);

/// Orders the certificate of an ACME authority, and renews it before it expires.
pub(crate) struct AcmeRenewer {
    authority: AcmeAuthority,
    /// Wakes a waiting [`keep_current`](Self::keep_current) for an attempt now.
    renew: Notify,
}

impl AcmeRenewer {
    /// Reads the options. Nothing is ordered yet.
    pub(crate) fn new(options: AcmeOptions) -> Result<Self, TlsError> {
        Ok(Self { authority: AcmeAuthority::new(options)?, renew: Notify::new() })
    }

    /// The cached certificate. `None` if there is none or it is invalid.
    pub(crate) fn cached(&self) -> Result<Option<CertifiedKey>, TlsError> {
        let Some(pem) = self.authority.cache().certificate()? else { return Ok(None) };
        let certified = CertifiedKey::from_pem(pem.as_bytes(), pem.as_bytes());
        Ok(certified
            .inspect_err(|error| tracing::warn!(%error, "cached certificate is invalid; a new one will be ordered"))
            .ok())
    }

    /// The host names of the certificate.
    pub(crate) fn names(&self) -> &[String] {
        self.authority.names()
    }

    /// Starts the next attempt now, if an order is due.
    pub(crate) fn renew_now(&self) {
        self.renew.notify_one();
    }

    /// Orders a certificate whenever one is due, and installs it. Never returns.
    pub(crate) async fn keep_current(&self, resolver: &CertResolver) {
        let mut pause = RETRY_PAUSE.0;
        let mut clock_steps = ClockSteps::start();
        loop {
            self.wait_until_due(resolver).await;
            let ordered =
                timeout(ORDER_TIMEOUT, self.authority.order(resolver)).await.unwrap_or(Err(OrderError::Timeout));
            resolver.answer_challenges([].into());
            match ordered.and_then(|pem| self.install(&pem, resolver)) {
                Ok(()) => pause = RETRY_PAUSE.0,
                Err(error) => {
                    tracing::warn!(
                        %error,
                        names = self.authority.names().join(" "),
                        advice = error.advice(),
                        retry_minutes = pause.as_secs() / 60,
                        "certificate order failed; the previous certificate, if any, stays in use until the next attempt"
                    );
                    tokio::select! {
                        () = tokio::time::sleep(pause) => pause = (pause * 2).min(RETRY_PAUSE.1),
                        () = self.renew.notified() => {}
                        // With a wrong clock, the authority's own certificate is not valid.
                        _ = clock_steps.next() => pause = RETRY_PAUSE.0,
                    }
                }
            }
        }
    }

    /// Waits until a third of the certificate's validity is left. Returns at once if there is no certificate.
    async fn wait_until_due(&self, resolver: &CertResolver) {
        while let Some(Some(wait)) = resolver.with(|certified| time_until_renewal(certified, SystemTime::now())) {
            tokio::select! {
                () = tokio::time::sleep(wait.min(MAX_SLEEP)) => {}
                () = self.renew.notified() => {}
            }
        }
    }

    fn install(&self, pem: &str, resolver: &CertResolver) -> Result<(), OrderError> {
        let certified = CertifiedKey::from_pem(pem.as_bytes(), pem.as_bytes())
            .map_err(|error| OrderError::BadCertificate(error.to_string()))?;
        if time_until_renewal(&certified, SystemTime::now()).is_none() {
            return Err(OrderError::BadCertificate(
                "the issued certificate has expired, or soon will, by this machine's clock".to_owned(),
            ));
        }
        if let Err(error) = self.authority.cache().store_certificate(pem) {
            tracing::warn!(%error, "cannot cache the new certificate; a restart will order another one");
        }
        resolver.install(certified);
        tracing::info!(names = self.authority.names().join(" "), "certificate issued; new connections use it");
        Ok(())
    }
}

/// Time until the certificate is due for renewal. `None` if it is due now.
fn time_until_renewal(certified: &CertifiedKey, now: SystemTime) -> Option<Duration> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certified.certificate()).ok()?;
    let validity = parsed.validity();
    let seconds = |moment: x509_parser::time::ASN1Time| u64::try_from(moment.timestamp()).unwrap_or_default();
    renewal_delay(seconds(validity.not_before), seconds(validity.not_after), now)
}

fn renewal_delay(not_before: u64, not_after: u64, now: SystemTime) -> Option<Duration> {
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let due = Duration::from_secs(not_after - not_after.saturating_sub(not_before).min(not_after) / 3);
    due.checked_sub(now).filter(|delay| !delay.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 60 * 60;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_certificate_is_due_when_a_third_of_its_validity_is_left() {
        let start = 20_000 * DAY;
        assert_eq!(renewal_delay(start, start + 90 * DAY, at(start)), Some(Duration::from_secs(60 * DAY)));
        assert_eq!(renewal_delay(start, start + 90 * DAY, at(start + 60 * DAY - 1)), Some(Duration::from_secs(1)));
        for late in [60 * DAY, 89 * DAY, 200 * DAY] {
            assert_eq!(renewal_delay(start, start + 90 * DAY, at(start + late)), None);
        }
        assert_eq!(renewal_delay(start, start, at(start)), None);
        assert_eq!(renewal_delay(5, 3, at(7)), None);
    }
}
