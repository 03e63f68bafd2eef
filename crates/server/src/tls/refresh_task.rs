//! Background task that keeps a server's certificate current.

use std::time::Duration;

use super::{cert_source::CertSource, config::Tls};

/// Reloads or renews the certificate when needed, forever.
pub(crate) async fn keep_current(tls: Tls) {
    match &*tls.source {
        CertSource::SelfSigned { .. } | CertSource::Files { .. } => poll(&tls, tls.poll_interval).await,
        #[cfg(feature = "acme")]
        CertSource::Acme(renewer) => renewer.keep_current(&tls.resolver).await,
    }
}

async fn poll(tls: &Tls, interval: Duration) {
    let mut last_error = String::new();
    loop {
        tokio::time::sleep(interval).await;
        match tls.reload().await {
            Ok(_) => last_error.clear(),
            // The files may be half-written at this moment. The same error is logged once, not at each poll.
            Err(error) if last_error == error.to_string() => {}
            Err(error) => {
                tracing::warn!(%error, "certificate reload failed; the previous certificate stays in use");
                last_error = error.to_string();
            }
        }
    }
}
