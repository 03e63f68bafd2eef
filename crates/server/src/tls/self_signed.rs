//! The certificate that a server makes and keeps itself.

use std::{
    fs, io,
    io::Write,
    net::IpAddr,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};
use rustls_pki_types::{PrivateKeyDer, pem::PemObject};

use super::{certified_key::CertifiedKey, error::TlsError};
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

/// The certificate that is kept in this directory, or a new one: see [`Tls::self_signed`](super::Tls::self_signed).
pub(crate) fn load(directory: &Path, names: &[String]) -> Result<CertifiedKey, TlsError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    load_at(directory, names, now)
}

fn load_at(directory: &Path, names: &[String], now: Duration) -> Result<CertifiedKey, TlsError> {
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
        && let Ok(certified) = CertifiedKey::from_pem(kept.pem.as_bytes(), kept.pem.as_bytes())
    {
        return Ok(certified);
    }
    // A laptop that has been in many networks: the oldest addresses make room.
    let mut covered: Vec<String> = old.into_iter().filter(|name| !wanted.contains(name)).collect();
    covered.drain(..covered.len().saturating_sub(OLD_NAMES));
    covered.append(&mut wanted);
    let kept = make(covered, now, key)?;
    let certified = CertifiedKey::from_pem(kept.pem.as_bytes(), kept.pem.as_bytes())?;
    fs::create_dir_all(directory).map_err(at_path)?;
    let draft = directory.join(format!("{FILE}.new"));
    // Left over where an earlier run was killed in between.
    let _absent: io::Result<()> = fs::remove_file(&draft);
    create_private(&draft)
        .and_then(|mut file| file.write_all(kept.write().as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&draft, &path))
        .map_err(at_path)?;
    Ok(certified)
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
        let made = load_at(directory.path(), &names, NOW).unwrap().fingerprint();
        let almost = NOW + VALID - RENEW_BEFORE - Duration::from_secs(1);
        assert_eq!(load_at(directory.path(), &names, almost).unwrap().fingerprint(), made);
        let renewed = load_at(directory.path(), &names, almost + Duration::from_secs(1)).unwrap();
        assert_ne!(renewed.fingerprint(), made);
    }

    #[test]
    fn a_new_name_makes_a_new_certificate_that_covers_the_old_ones_too() {
        let directory = tempfile::tempdir().unwrap();
        let home = load_at(directory.path(), &names(&["192.0.2.1"]), NOW).unwrap().fingerprint();
        let key = kept(directory.path()).key().unwrap();
        let work = load_at(directory.path(), &names(&["198.51.100.7", "Laptop.LOCAL."]), NOW).unwrap().fingerprint();
        assert_ne!(home, work);
        assert_eq!(kept(directory.path()).key().unwrap().public_key_raw(), key.public_key_raw());
        for list in [&["192.0.2.1"][..], &["198.51.100.7"], &["laptop.local"], &["0:0:0:0:0:0:0:1"], &[]] {
            assert_eq!(load_at(directory.path(), &names(list), NOW).unwrap().fingerprint(), work, "{list:?}");
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
            load_at(directory.path(), &names(&[&format!("192.0.2.{number}")]), NOW).unwrap();
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
        load_at(directory.path(), &names, NOW).unwrap();
        let path = directory.path().join(FILE);
        let whole = fs::read_to_string(&path).unwrap();
        for damaged in [String::new(), whole[..whole.len() / 2].to_owned(), whole.replace("ends: ", "ends: x")] {
            fs::write(&path, damaged).unwrap();
            load_at(directory.path(), &names, NOW).unwrap();
            assert_eq!(kept(directory.path()).names, ALWAYS);
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_key_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        load_at(&directory.path().join("made/too"), &names(&[]), NOW).unwrap();
        let file = directory.path().join("made/too").join(FILE);
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_is_no_name_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["互通.local", "", " ", "two names"] {
            assert!(load_at(directory.path(), &names(&[name]), NOW).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_key_that_is_not_the_certificates_is_an_error() {
        let (one, other) = (make(names(&["a"]), NOW, None).unwrap(), make(names(&["a"]), NOW, None).unwrap());
        assert!(CertifiedKey::from_pem(one.pem.as_bytes(), one.pem.as_bytes()).is_ok());
        assert!(matches!(CertifiedKey::from_pem(one.pem.as_bytes(), other.pem.as_bytes()), Err(TlsError::Use(_))));
        assert!(matches!(CertifiedKey::from_pem(b"", b""), Err(TlsError::Pem(_))));
    }
}
