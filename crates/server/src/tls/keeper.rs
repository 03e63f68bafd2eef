//! The task that keeps a certificate up to date while a server runs.

use std::time::Duration;

use super::{config::Tls, source::Source};

/// Looks for another certificate from time to time, for ever.
pub(crate) async fn keep(tls: Tls) {
    match &*tls.source {
        Source::SelfSigned { .. } | Source::Files { .. } => look(&tls, tls.every).await,
        #[cfg(feature = "acme")]
        Source::Acme(acme) => acme.keep_current(&tls.resolver).await,
    }
}

async fn look(tls: &Tls, every: Duration) {
    let mut told = String::new();
    loop {
        tokio::time::sleep(every).await;
        match tls.reload().await {
            Ok(_) => told.clear(),
            // Somebody may be at it; what is wrong is told once, and not every few seconds.
            Err(error) if told == error.to_string() => {}
            Err(error) => {
                tracing::warn!(%error, "the certificate cannot be renewed, and the old one is shown on");
                told = error.to_string();
            }
        }
    }
}
