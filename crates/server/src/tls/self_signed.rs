//! Self-signed certificates: generated, stored in a directory, and renewed before they expire.

use std::{
    fs, io,
    net::IpAddr,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hutong_durable_file as durable_file;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};
use rustls_pki_types::{PrivateKeyDer, pem::PemObject};

use super::{certified_key::CertifiedKey, error::TlsError};

/// Validity of a generated certificate. Apple rejects server certificates of more than 825 days, and Safari complains above
/// 398 days.
const VALIDITY: Duration = Duration::from_hours(390 * 24);

/// How long before its expiry a certificate is renewed.
const RENEW_BEFORE: Duration = Duration::from_hours(30 * 24);

/// The validity begins earlier by this much, for clients whose clock is behind ours.
const CLOCK_SKEW: Duration = Duration::from_hours(24);

/// Names that every certificate covers.
const DEFAULT_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Earlier names that stay covered. Bounds the certificate of a laptop that visits many networks.
const MAX_OLD_NAMES: usize = 24;

/// File for the certificate and its key. One file, so that the two always match.
const FILE_NAME: &str = "certificate.pem";

/// Damaged files that are kept.
const MAX_UNREADABLE: usize = 3;

/// Loads the certificate from this directory, or generates one. See [`Tls::self_signed`](super::Tls::self_signed).
pub(crate) fn load(directory: &Path, names: &[String]) -> Result<CertifiedKey, TlsError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    load_at(directory, names, now)
}

fn load_at(directory: &Path, names: &[String], now: Duration) -> Result<CertifiedKey, TlsError> {
    let path = directory.join(FILE_NAME);
    let at_path = |error| TlsError::File(path.clone(), error);
    let stored = match fs::read_to_string(&path) {
        Ok(text) => StoredCert::parse(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(at_path(error)),
    };
    let mut wanted: Vec<String> = DEFAULT_NAMES.map(str::to_owned).into();
    for name in names.iter().map(|name| normalize(name)) {
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(TlsError::Name(name));
        }
        if !wanted.contains(&name) {
            wanted.push(name);
        }
    }
    let old = stored.as_ref().map(|stored| stored.names.clone()).unwrap_or_default();
    // Apps pin the key of a server, so new certificates keep it.
    let key = stored.as_ref().and_then(StoredCert::key);
    if key.is_none() && fs::metadata(&path).is_ok_and(|file| file.len() > 0) {
        set_aside(&path);
    }
    let missing = wanted.iter().any(|name| !old.contains(name));
    if let Some(stored) = stored.filter(|stored| !missing && stored.expires > now + RENEW_BEFORE)
        && let Ok(certified) = CertifiedKey::from_pem(stored.pem.as_bytes(), stored.pem.as_bytes())
    {
        return Ok(certified);
    }
    let mut covered: Vec<String> = old.into_iter().filter(|name| !wanted.contains(name)).collect();
    covered.drain(..covered.len().saturating_sub(MAX_OLD_NAMES));
    covered.append(&mut wanted);
    let generated = generate(covered, now, key)?;
    let certified = CertifiedKey::from_pem(generated.pem.as_bytes(), generated.pem.as_bytes())?;
    fs::create_dir_all(directory).map_err(at_path)?;
    durable_file::replace(&path, generated.to_text().as_bytes()).map_err(at_path)?;
    Ok(certified)
}

/// Keeps a damaged file, which may still hold the key that clients have pinned, for a person to repair.
fn set_aside(path: &Path) {
    match durable_file::set_aside(path, "unreadable", MAX_UNREADABLE) {
        Ok(kept) => tracing::error!(?kept, "certificate file is damaged; a new certificate with a new key replaces it"),
        Err(error) => tracing::error!(%error, "damaged certificate file cannot be kept; a new one replaces it"),
    }
}

/// Content of the file: two header lines, then certificate and key. PEM parsers ignore text outside the blocks.
struct StoredCert {
    names: Vec<String>,
    /// Since the Unix epoch.
    expires: Duration,
    pem: String,
}

impl StoredCert {
    fn parse(text: String) -> Option<Self> {
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key));
        let names = value("names: ")?.split(' ').map(str::to_owned).collect();
        let expires = Duration::from_secs(value("ends: ")?.parse().ok()?);
        Some(Self { names, expires, pem: text })
    }

    fn key(&self) -> Option<KeyPair> {
        let key = PrivateKeyDer::from_pem_slice(self.pem.as_bytes()).ok()?;
        KeyPair::try_from(&key).ok()
    }

    fn to_text(&self) -> String {
        format!("names: {}\nends: {}\n{}", self.names.join(" "), self.expires.as_secs(), self.pem)
    }
}

fn generate(names: Vec<String>, now: Duration, key: Option<KeyPair>) -> Result<StoredCert, TlsError> {
    let expires = now + VALIDITY;
    let date = |moment: Duration| {
        let seconds = i64::try_from(moment.as_secs()).unwrap_or(i64::MAX);
        time::OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| TlsError::Generate(rcgen::Error::Time))
    };
    let mut params = CertificateParams::new(names.clone())?;
    params.not_before = date(now.saturating_sub(CLOCK_SKEW))?;
    params.not_after = date(expires)?;
    params.distinguished_name.push(DnType::CommonName, "Hutong");
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = key.map_or_else(KeyPair::generate, Ok)?;
    let certificate = params.self_signed(&key)?;
    Ok(StoredCert { names, expires, pem: certificate.pem() + &key.serialize_pem() })
}

/// Lowercases names and canonicalizes addresses, so that none is covered twice.
fn normalize(name: &str) -> String {
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

    fn stored(directory: &Path) -> StoredCert {
        StoredCert::parse(fs::read_to_string(directory.join(FILE_NAME)).unwrap()).unwrap()
    }

    #[test]
    fn a_certificate_is_reused_until_it_is_about_to_expire() {
        let directory = tempfile::tempdir().unwrap();
        let names = names(&["192.0.2.1"]);
        let generated = load_at(directory.path(), &names, NOW).unwrap().fingerprint();
        let almost = NOW + VALIDITY - RENEW_BEFORE - Duration::from_secs(1);
        assert_eq!(load_at(directory.path(), &names, almost).unwrap().fingerprint(), generated);
        let renewed = load_at(directory.path(), &names, almost + Duration::from_secs(1)).unwrap();
        assert_ne!(renewed.fingerprint(), generated);
    }

    #[test]
    fn a_certificate_for_a_new_name_also_covers_the_old_names() {
        let directory = tempfile::tempdir().unwrap();
        let home = load_at(directory.path(), &names(&["192.0.2.1"]), NOW).unwrap().fingerprint();
        let key = stored(directory.path()).key().unwrap();
        let work = load_at(directory.path(), &names(&["198.51.100.7", "Laptop.LOCAL."]), NOW).unwrap().fingerprint();
        assert_ne!(home, work);
        assert_eq!(stored(directory.path()).key().unwrap().public_key_raw(), key.public_key_raw());
        for list in [&["192.0.2.1"][..], &["198.51.100.7"], &["laptop.local"], &["0:0:0:0:0:0:0:1"], &[]] {
            assert_eq!(load_at(directory.path(), &names(list), NOW).unwrap().fingerprint(), work, "{list:?}");
        }
        assert_eq!(
            stored(directory.path()).names,
            ["192.0.2.1", "localhost", "127.0.0.1", "::1", "198.51.100.7", "laptop.local"]
        );
    }

    #[test]
    fn only_the_newest_of_many_old_names_stay_covered() {
        let directory = tempfile::tempdir().unwrap();
        for number in 0..MAX_OLD_NAMES + 5 {
            load_at(directory.path(), &names(&[&format!("192.0.2.{number}")]), NOW).unwrap();
        }
        let names = stored(directory.path()).names;
        assert_eq!(names.len(), MAX_OLD_NAMES + DEFAULT_NAMES.len() + 1);
        assert!(!names.contains(&"192.0.2.0".to_owned()));
        assert_eq!(names.last().unwrap(), &format!("192.0.2.{}", MAX_OLD_NAMES + 4));
    }

    #[test]
    fn a_damaged_file_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let names = names(&[]);
        load_at(directory.path(), &names, NOW).unwrap();
        let path = directory.path().join(FILE_NAME);
        let whole = fs::read_to_string(&path).unwrap();
        let (half, undated) = (whole[..whole.len() / 2].to_owned(), whole.replace("ends: ", "ends: x"));
        for damaged in [String::new(), half.clone(), undated.clone()] {
            fs::write(&path, damaged).unwrap();
            load_at(directory.path(), &names, NOW).unwrap();
            assert_eq!(stored(directory.path()).names, DEFAULT_NAMES);
        }
        for (number, damaged) in [(1, half), (2, undated)] {
            let kept = directory.path().join(format!("{FILE_NAME}.unreadable-{number}"));
            assert_eq!(fs::read_to_string(kept).unwrap(), damaged, "the pinned key may be in it");
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_key_file_is_readable_by_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        load_at(&directory.path().join("new/directory"), &names(&[]), NOW).unwrap();
        let file = directory.path().join("new/directory").join(FILE_NAME);
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn an_invalid_name_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["互通.local", "", " ", "two names"] {
            assert!(load_at(directory.path(), &names(&[name]), NOW).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_key_that_does_not_match_the_certificate_is_an_error() {
        let (one, other) = (generate(names(&["a"]), NOW, None).unwrap(), generate(names(&["a"]), NOW, None).unwrap());
        assert!(CertifiedKey::from_pem(one.pem.as_bytes(), one.pem.as_bytes()).is_ok());
        assert!(matches!(CertifiedKey::from_pem(one.pem.as_bytes(), other.pem.as_bytes()), Err(TlsError::Unusable(_))));
        assert!(matches!(CertifiedKey::from_pem(b"", b""), Err(TlsError::Pem(_))));
    }
}
