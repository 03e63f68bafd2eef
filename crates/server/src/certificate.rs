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

/// From now on a hangup (SIGHUP) makes the server look for another certificate at once. A hangup of the terminal that it was
/// started from ends it, as before.
#[cfg(unix)]
pub(crate) fn reload_on_hangup(tls: Tls) -> std::io::Result<()> {
    use std::io::IsTerminal;

    use tokio::signal::unix::{SignalKind, signal};
    if std::io::stdin().is_terminal() {
        return Ok(());
    }
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            match tls.reload().await {
                Ok(outcome) => tracing::info!(?outcome, "looked for another certificate"),
                Err(error) => tracing::warn!(%error, "the certificate cannot be renewed, and the old one is shown on"),
            }
        }
    });
    Ok(())
}

/// There are no hangups; the files are looked at from time to time anyway.
#[cfg(windows)]
pub(crate) fn reload_on_hangup(_tls: Tls) -> std::io::Result<()> {
    Ok(())
}
