//! Certificate authority for tests, and PEM files of its certificates.

use std::{fs, path::Path};

use hutong_server::Tls;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// Certificate authority that issues server certificates.
pub struct TestCa {
    /// The root certificate in DER, for TLS clients.
    pub certificate: Vec<u8>,
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// An issued certificate and its key, in PEM.
#[derive(Clone, Debug)]
pub struct IssuedCert {
    pub certificate: String,
    pub key: String,
}

impl TestCa {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "test authority");
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate: certificate.der().to_vec(), pem: certificate.pem(), issuer: Issuer::new(params, key) }
    }

    /// The root certificate in PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Issues a certificate for this name, with a new key.
    pub fn issue(&self, name: &str) -> IssuedCert {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        IssuedCert { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

impl IssuedCert {
    /// Writes certificate and key into this directory, and loads them as a server does.
    pub fn tls(&self, directory: &Path) -> Tls {
        let (certificate, key) = (directory.join("cert.pem"), directory.join("key.pem"));
        fs::write(&certificate, &self.certificate).unwrap();
        fs::write(&key, &self.key).unwrap();
        Tls::from_pem_files(&certificate, &key).unwrap()
    }
}
