//! Log lines about the certificate, at the start and after a reload.

use hutong_server::Tls;

/// Logs the fingerprint of the certificate, and the key for invitations.
pub(crate) fn log_certificate(tls: &Tls) {
    match tls.fingerprint() {
        Some(fingerprint) => tracing::info!(
            sha256_fingerprint = %fingerprint,
            "certificate loaded; users can compare its fingerprint with the one in their browser"
        ),
        None => tracing::info!("no certificate yet; https fails until the certificate authority has issued one"),
    }
    if let Some(key) = tls.key_to_pin() {
        tracing::info!(
            "to invite users of the app, append /#key={key} to the server's address; the app then accepts only this key"
        );
    }
}

/// Reloads the certificate now, and logs the result.
pub(crate) async fn reload(tls: &Tls) {
    match tls.reload().await {
        Ok(result) => tracing::info!(?result, "certificate reload finished"),
        Err(error) => tracing::warn!(%error, "certificate reload failed; the previous certificate stays in use"),
    }
}
