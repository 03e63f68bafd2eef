//! What the program says of its certificate, and when it looks for another one.

use hutong_server::Tls;

/// Says which certificate is shown.
pub(crate) fn tell(tls: &Tls) {
    match tls.fingerprint() {
        Some(fingerprint) => {
            tracing::info!("the certificate's SHA-256 fingerprint, as browsers show it: {fingerprint}")
        }
        None => {
            tracing::info!("there is no certificate yet: https is answered as soon as the authority has issued one")
        }
    }
    if let Some(key) = tls.key_to_pin() {
        tracing::info!("an app that is given an address with /#key={key} behind it accepts this server's key alone");
    }
}

/// Looks for another certificate at once.
pub(crate) async fn reload(tls: &Tls) {
    match tls.reload().await {
        Ok(outcome) => tracing::info!(?outcome, "looked for another certificate"),
        Err(error) => tracing::warn!(%error, "the certificate cannot be renewed, and the old one is shown on"),
    }
}
