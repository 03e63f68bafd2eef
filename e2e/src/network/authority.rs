//! A certificate authority that programs in a namespace trust.

use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use tempfile::TempDir;
use tokio::process::Command;

use crate::{Context, Result, ensure, paths};

/// A certificate authority, its certificate for one host name, and what makes programs trust it and find the host.
#[derive(Debug)]
pub struct Authority {
    folder: TempDir,
    host: String,
}

impl Authority {
    /// Makes an authority and its certificate for a host name with these addresses.
    ///
    /// # Errors
    ///
    /// Returns an error when a file cannot be written, or without NSS's `certutil`.
    pub async fn new(host: &str, addresses: &[IpAddr]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("hutong-e2e-").tempdir()?;
        let authority = Self { folder, host: host.to_owned() };
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "Authority of an end-to-end test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate()?;
        fs::write(authority.root_file(), params.self_signed(&key)?.pem())?;
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate()?;
        fs::write(
            authority.certificate_file(),
            CertificateParams::new([host.to_owned()])?.signed_by(&key, &issuer)?.pem(),
        )?;
        fs::write(authority.key_file(), key.serialize_pem())?;
        let hosts: String = addresses.iter().map(|address| format!("{address} {host}\n")).collect();
        fs::write(authority.hosts_file(), format!("127.0.0.1 localhost\n{hosts}"))?;
        // Chromium asks a name server for hosts of TURN servers. It tries the hosts file once that has refused, not before.
        fs::write(authority.resolver_file(), "nameserver 127.0.0.1\n")?;
        authority.add_to_browsers().await?;
        Ok(authority)
    }

    /// Host name of the certificate.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The host's certificate (PEM).
    #[must_use]
    pub fn certificate_file(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    /// The key of the host's certificate (PEM).
    #[must_use]
    pub fn key_file(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    /// The authority's certificate (PEM), as OpenSSL and rustls read it from `SSL_CERT_FILE`.
    pub(super) fn root_file(&self) -> PathBuf {
        self.folder.path().join("root.pem")
    }

    /// A home directory in which Chromium finds the authority.
    pub(super) fn home(&self) -> &Path {
        self.folder.path()
    }

    /// A hosts(5) file with the host's addresses.
    pub(super) fn hosts_file(&self) -> PathBuf {
        self.folder.path().join("hosts")
    }

    /// A resolver(5) file that names no reachable server.
    pub(super) fn resolver_file(&self) -> PathBuf {
        self.folder.path().join("resolv.conf")
    }

    async fn add_to_browsers(&self) -> Result<()> {
        let database = self.home().join(".pki/nssdb");
        fs::create_dir_all(&database)?;
        let database = format!("sql:{}", database.display());
        let certutil = paths::installed_program(&["certutil"], "`apt-get install libnss3-tools`")?;
        let root = self.root_file();
        for arguments in [
            vec!["-N".into(), "--empty-password".into()],
            vec![
                "-A".into(),
                "-t".into(),
                "C,,".into(),
                "-n".into(),
                "hutong".into(),
                "-i".into(),
                root.into_os_string(),
            ],
        ] {
            let output = Command::new(&certutil).args(["-d", &database]).args(&arguments).output().await;
            let output = output.context("running certutil")?;
            ensure!(output.status.success(), "certutil: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }
}
