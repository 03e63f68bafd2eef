//! Certificates from an authority that issues them by itself (ACME, RFC 8555).
//!
//! The authority opens a TLS connection to port 443 of each name and looks for a certificate that only whoever ordered can have
//! made (TLS-ALPN-01, RFC 8737). So no other port is needed, and no file that a web server would have to give out.

mod cache;
mod client;
mod order;

use std::{
    path::PathBuf,
    time::{Duration, SystemTime},
};

use tokio::{sync::Notify, time::timeout};
use tokio_rustls::rustls::server::ClientHello;

use crate::tls::{Pair, Shown, TlsError};
use cache::Cache;
use client::Client;
use order::OrderError;

/// The production directory of Let's Encrypt.
pub const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// The protocol that a challenge's connection offers, and no other (RFC 8737, section 4).
pub(crate) const CHALLENGE_PROTOCOL: &[u8] = b"acme-tls/1";

/// How long one order may take, from the directory to the certificate. Authorities look from several places of the world.
const ORDER: Duration = Duration::from_mins(5);

/// How long to wait after an order that failed: first, and at most. It doubles. Let's Encrypt takes five failed challenges an
/// hour; with this it sees four.
const PAUSE: (Duration, Duration) = (Duration::from_mins(5), Duration::from_hours(6));

/// The longest sleep until a renewal: while a machine is suspended, or its clock is set, sleeping tells nothing.
const NAP: Duration = Duration::from_hours(1);

/// Who issues certificates, and for what.
#[derive(Clone, Debug)]
pub struct AcmeOptions {
    /// Host names, at least one. All of them lead to this server.
    pub names: Vec<String>,
    /// Mail addresses that the authority may write to.
    pub contacts: Vec<String>,
    /// Where account and certificate are kept. Made where it is not there.
    pub directory: PathBuf,
    /// The URL of the authority's directory, such as [`LETS_ENCRYPT`].
    pub authority: String,
    /// The roots, in a PEM file, that vouch for the authority's own address; `None` for the public ones.
    pub roots: Option<PathBuf>,
}

/// An account with an authority, and what is to be ordered there.
pub(crate) struct Acme {
    names: Vec<String>,
    contacts: Vec<String>,
    authority: String,
    cache: Cache,
    client: Client,
    hurry: Notify,
}

impl Acme {
    /// Reads the options. Nothing is ordered yet.
    pub(crate) fn new(options: AcmeOptions) -> Result<Self, TlsError> {
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
            authority: options.authority,
            names,
            hurry: Notify::new(),
        })
    }

    /// The certificate that was kept, if there is one. One that does not parse is as good as none.
    pub(crate) fn kept(&self) -> Result<Option<Pair>, TlsError> {
        let Some(pem) = self.cache.certificate()? else { return Ok(None) };
        let pair = Pair::from_pem(pem.as_bytes(), pem.as_bytes());
        Ok(pair.inspect_err(|error| tracing::warn!(%error, "the kept certificate is of no use")).ok())
    }

    /// Whoever waits for the next attempt waits no longer.
    pub(crate) fn hurry(&self) {
        self.hurry.notify_one();
    }

    /// Orders when it is time, and shows what is issued. Never ends.
    pub(crate) async fn keep(&self, shown: &Shown) {
        let mut pause = PAUSE.0;
        loop {
            self.until_due(shown).await;
            let ordered = timeout(ORDER, order::order(self, shown)).await.unwrap_or(Err(OrderError::TooLong));
            shown.answer_challenges([].into());
            match ordered.and_then(|pem| self.take(&pem, shown)) {
                Ok(()) => pause = PAUSE.0,
                Err(error) => {
                    let names = self.names.join(", ");
                    let minutes = pause.as_secs() / 60;
                    tracing::warn!(%error, "no certificate for {names}: {}. Next attempt in {minutes} minutes", error.advice());
                    tokio::select! {
                        () = tokio::time::sleep(pause) => pause = (pause * 2).min(PAUSE.1),
                        () = self.hurry.notified() => {}
                    }
                }
            }
        }
    }

    /// Waits until a third of the certificate's life is left, or there is none.
    async fn until_due(&self, shown: &Shown) {
        while let Some(Some(wait)) = shown.with(|pair| wait(pair, SystemTime::now())) {
            tokio::select! {
                () = tokio::time::sleep(wait.min(NAP)) => {}
                () = self.hurry.notified() => {}
            }
        }
    }

    fn take(&self, pem: &str, shown: &Shown) -> Result<(), OrderError> {
        let pair =
            Pair::from_pem(pem.as_bytes(), pem.as_bytes()).map_err(|error| OrderError::Issued(error.to_string()))?;
        if wait(&pair, SystemTime::now()).is_none() {
            return Err(OrderError::Issued("it is about to end already, by this machine's clock".to_owned()));
        }
        if let Err(error) = self.cache.keep_certificate(pem) {
            tracing::warn!(%error, "the new certificate is not kept: a restart will order another one");
        }
        shown.show(pair);
        tracing::info!("new connections are shown a new certificate for {}", self.names.join(", "));
        Ok(())
    }
}

/// Whether somebody wants to see the answer to a challenge, and nothing else.
pub(crate) fn is_challenge(hello: &ClientHello<'_>) -> bool {
    hello.alpn().is_some_and(|mut offered| offered.next() == Some(CHALLENGE_PROTOCOL) && offered.next().is_none())
}

/// How long it is until the certificate is to be renewed; `None` where that is now.
fn wait(pair: &Pair, now: SystemTime) -> Option<Duration> {
    let (_, read) = x509_parser::parse_x509_certificate(pair.certificate()).ok()?;
    let validity = read.validity();
    let seconds = |moment: x509_parser::time::ASN1Time| u64::try_from(moment.timestamp()).unwrap_or_default();
    due(seconds(validity.not_before), seconds(validity.not_after), now)
}

fn due(begins: u64, ends: u64, now: SystemTime) -> Option<Duration> {
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let at = Duration::from_secs(ends - ends.saturating_sub(begins).min(ends) / 3);
    at.checked_sub(now).filter(|wait| !wait.is_zero())
}

/// A name that an authority could find: letters, digits and hyphens, in more than one part. Neither addresses nor wildcards: those
/// have other challenges.
fn is_public_name(name: &str) -> bool {
    let label = |label: &str| {
        let inside = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        !label.is_empty() && label.len() <= 63 && inside && !label.starts_with('-') && !label.ends_with('-')
    };
    let last_is_a_word =
        name.rsplit('.').next().is_some_and(|last| last.bytes().any(|byte| byte.is_ascii_alphabetic()));
    name.len() <= 253 && name.contains('.') && name.split('.').all(label) && last_is_a_word
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

    #[test]
    fn only_names_that_an_authority_can_find_are_taken() {
        for good in ["hutong.example.org", "a.b", "xn--dqr365h.example", "1.example"] {
            assert!(is_public_name(good), "{good}");
        }
        for bad in [
            "",
            ".",
            "localhost",
            "192.0.2.1",
            "*.example.org",
            "a..b",
            "-a.example",
            "a b.example",
            "胡同.example",
            "::1",
        ] {
            assert!(!is_public_name(bad), "{bad}");
        }
    }

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
        let acme = Acme::new(options(" Calls.Example. ", LETS_ENCRYPT)).unwrap();
        assert_eq!(
            (acme.names, acme.contacts),
            (
                vec!["calls.example".to_owned()],
                vec!["mailto:ana@example.org".to_owned(), "mailto:bo@example.org".to_owned()],
            )
        );
        assert!(matches!(Acme::new(options("192.0.2.1", LETS_ENCRYPT)), Err(TlsError::PublicName(_))));
        assert!(matches!(Acme::new(options("a.example", "http://acme.example")), Err(TlsError::Directory(_))));
    }
}
