//! Opening a WebSocket from a source address of its own, plain or in TLS.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use tokio::{
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, DigitallySignedStruct, SignatureScheme,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        crypto::CryptoProvider,
        pki_types::{CertificateDer, ServerName, UnixTime},
    },
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{client::IntoClientRequest as _, http::HeaderValue, protocol::WebSocketConfig},
};
use tokio_util::either::Either;

/// A client's WebSocket, plain or in TLS.
pub type Socket = WebSocketStream<Either<TcpStream, Box<TlsStream<TcpStream>>>>;

/// Clients that share a source address. An address has 28,000 ports for one server, and a server may limit what comes from one.
const CLIENTS_AN_ADDRESS: u32 = 50;

/// How long opening may take: a server that is busy with thousands of others lets one wait.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where and how a server is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// On loopback.
    pub address: SocketAddr,
    /// Whether in TLS.
    pub tls: bool,
}

/// Opens a WebSocket for the client of this number.
///
/// # Errors
///
/// When the server does not take it within a minute.
pub async fn open(target: Target, tls: &Tls, number: u32, path: &str, subprotocol: Option<&str>) -> Result<Socket> {
    timeout(PATIENCE, try_open(target, tls, number, path, subprotocol)).await.context("not opened within a minute")?
}

async fn try_open(target: Target, tls: &Tls, number: u32, path: &str, subprotocol: Option<&str>) -> Result<Socket> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(IpAddr::V4(source(number)), 0)).context("no port for a client")?;
    let stream = socket.connect(target.address).await.context("not connected")?;
    stream.set_nodelay(true)?;
    // A generator that ends leaves no ports behind that wait for packets under way.
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    let stream = if target.tls {
        let name = ServerName::from(target.address.ip());
        Either::Right(Box::new(tls.0.connect(name, stream).await.context("no TLS")?))
    } else {
        Either::Left(stream)
    };
    let scheme = if target.tls { "wss" } else { "ws" };
    let mut request = format!("{scheme}://{}{path}", target.address).into_client_request()?;
    if let Some(name) = subprotocol {
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_str(name)?);
    }
    // Rosters of ten thousand are one message.
    let config = WebSocketConfig::default()
        .read_buffer_size(4 * 1024)
        .write_buffer_size(0)
        .max_message_size(Some(64 << 20))
        .max_frame_size(Some(64 << 20));
    let (socket, _response) = client_async_with_config(request, stream, Some(config)).await.context("no WebSocket")?;
    Ok(socket)
}

/// All of 127.0.0.0/8 is this machine.
fn source(number: u32) -> Ipv4Addr {
    let place = number / CLIENTS_AN_ADDRESS;
    Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 1, 0, 1)) + place / 250 * 256 + place % 250)
}

/// What connections in TLS share. Every certificate is taken: what is measured is our own server on this machine.
#[derive(Clone)]
pub struct Tls(TlsConnector);

impl Tls {
    /// The client's side of TLS.
    ///
    /// # Errors
    ///
    /// When the versions and the cryptography do not fit each other.
    pub fn new() -> Result<Self> {
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(TakesAll(provider)))
            .with_no_client_auth();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }
}

#[derive(Debug)]
struct TakesAll(Arc<CryptoProvider>);

impl ServerCertVerifier for TakesAll {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, tokio_rustls::rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, tokio_rustls::rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        tokio_rustls::rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, tokio_rustls::rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        tokio_rustls::rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_stay_on_this_machine_and_end_in_no_zero() {
        for number in [0, 49, 50, 12_500, 100_000, 2_000_000] {
            let [first, .., last] = source(number).octets();
            assert!(first == 127 && (1..=250).contains(&last), "{}", source(number));
        }
        assert_ne!(source(49), source(50));
        assert_ne!(source(12_499), source(12_500));
    }
}
