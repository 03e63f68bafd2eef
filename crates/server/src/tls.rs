//! Certificates: one that the server makes and keeps itself, or one from files.

use std::{
    fmt, fs, io,
    io::Write,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use sha2::{Digest, Sha256};
use tokio_rustls::rustls::{self, ServerConfig};

use crate::ticket_key::create_private;

/// How long a certificate that we make is good for. Apple's systems take none that is good for more than 825 days, and
/// Safari none of more than 398 days without complaint; new ones cost nothing.
const VALID: Duration = Duration::from_hours(390 * 24);

/// How long before its end a certificate is made anew.
const RENEW_BEFORE: Duration = Duration::from_hours(30 * 24);

/// The other side's clock may be behind ours by as much.
const CLOCK_SKEW: Duration = Duration::from_hours(24);

/// What every certificate covers.
const ALWAYS: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// How many names of earlier times stay covered.
const OLD_NAMES: usize = 24;

/// The file that a self-signed certificate and its key are kept in, together, so that they always match.
const FILE: &str = "certificate.pem";

/// A certificate with its key, ready to serve. Cheap to clone.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
    certificate: CertificateDer<'static>,
}

impl Tls {
    /// The certificate that the server keeps in this directory for these host names and addresses.
    ///
    /// It is made when there is none, when it does not cover all of the names, or when it is about to end; names that it
    /// covered before stay covered, so that moving between two networks does not make it anew each time. `localhost`,
    /// `127.0.0.1` and `::1` are always covered. The key is readable by its owner alone.
    ///
    /// Browsers show a warning for such a certificate once. [`fingerprint`](Self::fingerprint) is what a careful person
    /// compares there.
    ///
    /// # Errors
    ///
    /// [`TlsError`] when the directory cannot be used, or when a name is no host name.
    pub fn self_signed(directory: &Path, names: &[String]) -> Result<Self, TlsError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self_signed_at(directory, names, now)
    }

    /// A certificate chain and its key from PEM files, for example from a public authority.
    ///
    /// # Errors
    ///
    /// [`TlsError`] when a file cannot be read, holds something else, or when the key is not the certificate's.
    pub fn from_pem_files(certificates: &Path, key: &Path) -> Result<Self, TlsError> {
        let read = |path: &Path| fs::read(path).map_err(|error| TlsError::File(path.to_owned(), error));
        Self::from_pem(&read(certificates)?, &read(key)?)
    }

    /// The SHA-256 fingerprint of the certificate, as browsers show it: `AB:CD:...`.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let digest = Sha256::digest(&self.certificate);
        digest.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
    }

    /// The certificate in DER, for a client that is to trust it and nothing else.
    #[must_use]
    pub fn certificate_der(&self) -> &[u8] {
        &self.certificate
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        self.config.clone()
    }

    fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain = CertificateDer::pem_slice_iter(certificates)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| TlsError::Pem(error.to_string()))?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| TlsError::Pem(error.to_string()))?;
        let certificate = chain.first().cloned().ok_or_else(|| TlsError::Pem("there is no certificate".into()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), certificate })
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("fingerprint", &self.fingerprint()).finish_non_exhaustive()
    }
}

/// Why there is no certificate.
#[derive(Debug)]
pub enum TlsError {
    /// A file or directory could not be read or written.
    File(PathBuf, io::Error),
    /// This is no host name and no address.
    Name(String),
    /// A file holds no certificate or no key in PEM.
    Pem(String),
    /// The certificate could not be made: mostly a name that is no host name.
    Make(rcgen::Error),
    /// The certificate cannot be used: mostly a key that is not its own.
    Use(rustls::Error),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Name(name) => write!(f, "{name:?} is no host name and no address to make a certificate for"),
            Self::Pem(error) => write!(f, "the certificate or its key is not in PEM: {error}"),
            Self::Make(error) => write!(f, "the certificate could not be made: {error}"),
            Self::Use(error) => write!(f, "the certificate cannot be used: {error}"),
        }
    }
}

impl std::error::Error for TlsError {}

impl From<rcgen::Error> for TlsError {
    fn from(error: rcgen::Error) -> Self {
        Self::Make(error)
    }
}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> Self {
        Self::Use(error)
    }
}

fn self_signed_at(directory: &Path, names: &[String], now: Duration) -> Result<Tls, TlsError> {
    let path = directory.join(FILE);
    let at_path = |error| TlsError::File(path.clone(), error);
    let kept = match fs::read_to_string(&path) {
        Ok(text) => Kept::read(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(at_path(error)),
    };
    let mut wanted: Vec<String> = ALWAYS.map(str::to_owned).into();
    for name in names.iter().map(|name| normal(name)) {
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(TlsError::Name(name));
        }
        if !wanted.contains(&name) {
            wanted.push(name);
        }
    }
    let old = kept.as_ref().map(|kept| kept.names.clone()).unwrap_or_default();
    // Apps remember the key of a server, so it outlives its certificates.
    let key = kept.as_ref().and_then(Kept::key);
    let missing = wanted.iter().any(|name| !old.contains(name));
    if let Some(kept) = kept.filter(|kept| !missing && kept.ends > now + RENEW_BEFORE)
        && let Ok(tls) = Tls::from_pem(kept.pem.as_bytes(), kept.pem.as_bytes())
    {
        return Ok(tls);
    }
    // A laptop that has been in many networks: the oldest addresses make room.
    let mut covered: Vec<String> = old.into_iter().filter(|name| !wanted.contains(name)).collect();
    covered.drain(..covered.len().saturating_sub(OLD_NAMES));
    covered.append(&mut wanted);
    let kept = make(covered, now, key)?;
    let tls = Tls::from_pem(kept.pem.as_bytes(), kept.pem.as_bytes())?;
    fs::create_dir_all(directory).map_err(at_path)?;
    let draft = directory.join(format!("{FILE}.new"));
    // Left over where an earlier run was killed in between.
    let _absent: io::Result<()> = fs::remove_file(&draft);
    create_private(&draft)
        .and_then(|mut file| file.write_all(kept.write().as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&draft, &path))
        .map_err(at_path)?;
    Ok(tls)
}

/// What the file holds. PEM passes over text outside its blocks, so what we want to know of the certificate stands above it.
struct Kept {
    names: Vec<String>,
    ends: Duration,
    pem: String,
}

impl Kept {
    fn read(text: String) -> Option<Self> {
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key));
        let names = value("names: ")?.split(' ').map(str::to_owned).collect();
        let ends = Duration::from_secs(value("ends: ")?.parse().ok()?);
        Some(Self { names, ends, pem: text })
    }

    fn key(&self) -> Option<KeyPair> {
        let key = PrivateKeyDer::from_pem_slice(self.pem.as_bytes()).ok()?;
        KeyPair::try_from(&key).ok()
    }

    fn write(&self) -> String {
        format!("names: {}\nends: {}\n{}", self.names.join(" "), self.ends.as_secs(), self.pem)
    }
}

fn make(names: Vec<String>, now: Duration, key: Option<KeyPair>) -> Result<Kept, TlsError> {
    let ends = now + VALID;
    let date = |moment: Duration| {
        let seconds = i64::try_from(moment.as_secs()).unwrap_or(i64::MAX);
        time::OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| TlsError::Make(rcgen::Error::Time))
    };
    let mut params = CertificateParams::new(names.clone())?;
    params.not_before = date(now.saturating_sub(CLOCK_SKEW))?;
    params.not_after = date(ends)?;
    params.distinguished_name.push(DnType::CommonName, "Hutong");
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = key.map_or_else(KeyPair::generate, Ok)?;
    let certificate = params.self_signed(&key)?;
    Ok(Kept { names, ends, pem: certificate.pem() + &key.serialize_pem() })
}

/// Names without case, addresses in one form, so that the same one is not covered twice.
fn normal(name: &str) -> String {
    match name.parse::<IpAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => name.trim().trim_end_matches('.').to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_795_000_000);

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    fn kept(directory: &Path) -> Kept {
        Kept::read(fs::read_to_string(directory.join(FILE)).unwrap()).unwrap()
    }

    #[test]
    fn a_certificate_is_kept_until_it_is_about_to_end() {
        let directory = tempfile::tempdir().unwrap();
        let names = names(&["192.0.2.1"]);
        let made = self_signed_at(directory.path(), &names, NOW).unwrap().fingerprint();
        let almost = NOW + VALID - RENEW_BEFORE - Duration::from_secs(1);
        assert_eq!(self_signed_at(directory.path(), &names, almost).unwrap().fingerprint(), made);
        let renewed = self_signed_at(directory.path(), &names, almost + Duration::from_secs(1)).unwrap();
        assert_ne!(renewed.fingerprint(), made);
    }

    #[test]
    fn a_new_name_makes_a_new_certificate_that_covers_the_old_ones_too() {
        let directory = tempfile::tempdir().unwrap();
        let home = self_signed_at(directory.path(), &names(&["192.0.2.1"]), NOW).unwrap().fingerprint();
        let key = kept(directory.path()).key().unwrap();
        let work =
            self_signed_at(directory.path(), &names(&["198.51.100.7", "Laptop.LOCAL."]), NOW).unwrap().fingerprint();
        assert_ne!(home, work);
        assert_eq!(kept(directory.path()).key().unwrap().public_key_raw(), key.public_key_raw());
        for list in [&["192.0.2.1"][..], &["198.51.100.7"], &["laptop.local"], &["0:0:0:0:0:0:0:1"], &[]] {
            assert_eq!(self_signed_at(directory.path(), &names(list), NOW).unwrap().fingerprint(), work, "{list:?}");
        }
        assert_eq!(
            kept(directory.path()).names,
            ["192.0.2.1", "localhost", "127.0.0.1", "::1", "198.51.100.7", "laptop.local"]
        );
    }

    #[test]
    fn a_laptop_that_sees_many_networks_keeps_the_newest_names() {
        let directory = tempfile::tempdir().unwrap();
        for number in 0..OLD_NAMES + 5 {
            self_signed_at(directory.path(), &names(&[&format!("192.0.2.{number}")]), NOW).unwrap();
        }
        let names = kept(directory.path()).names;
        assert_eq!(names.len(), OLD_NAMES + ALWAYS.len() + 1);
        assert!(!names.contains(&"192.0.2.0".to_owned()));
        assert_eq!(names.last().unwrap(), &format!("192.0.2.{}", OLD_NAMES + 4));
    }

    #[test]
    fn a_damaged_file_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let names = names(&[]);
        self_signed_at(directory.path(), &names, NOW).unwrap();
        let path = directory.path().join(FILE);
        let whole = fs::read_to_string(&path).unwrap();
        for damaged in [String::new(), whole[..whole.len() / 2].to_owned(), whole.replace("ends: ", "ends: x")] {
            fs::write(&path, damaged).unwrap();
            self_signed_at(directory.path(), &names, NOW).unwrap();
            assert_eq!(kept(directory.path()).names, ALWAYS);
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_key_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        self_signed_at(&directory.path().join("made/too"), &names(&[]), NOW).unwrap();
        let file = directory.path().join("made/too").join(FILE);
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_is_no_name_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["互通.local", "", " ", "two names"] {
            assert!(self_signed_at(directory.path(), &names(&[name]), NOW).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_key_that_is_not_the_certificates_is_an_error() {
        let (one, other) = (make(names(&["a"]), NOW, None).unwrap(), make(names(&["a"]), NOW, None).unwrap());
        assert!(Tls::from_pem(one.pem.as_bytes(), one.pem.as_bytes()).is_ok());
        assert!(matches!(Tls::from_pem(one.pem.as_bytes(), other.pem.as_bytes()), Err(TlsError::Use(_))));
        assert!(matches!(Tls::from_pem(b"", b""), Err(TlsError::Pem(_))));
    }
}
