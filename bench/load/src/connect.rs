//! Opens client `WebSocket`s, plain or over TLS, from many loopback source addresses.

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

/// A client's `WebSocket`, plain or over TLS.
pub type LoadSocket = WebSocketStream<Either<TcpStream, Box<TlsStream<TcpStream>>>>;

/// Clients per source address. An address has 28,000 ephemeral ports for one server, and a server may limit the
/// connections of an address.
const CLIENTS_PER_ADDRESS: u32 = 50;

/// Time limit for opening: a server busy with thousands of handshakes delays each.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Address of a server and whether it uses TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetAddress {
    /// The loopback address.
    pub address: SocketAddr,
    /// Whether the server uses TLS.
    pub tls: bool,
}

/// Opens a `WebSocket` for the client with this number.
///
/// # Errors
///
/// Returns an error when the server does not accept it within a minute.
pub async fn open(
    target: TargetAddress,
    tls: &ClientTls,
    number: u32,
    path: &str,
    subprotocol: Option<&str>,
) -> Result<LoadSocket> {
    timeout(TIMEOUT, try_open(target, tls, number, path, subprotocol))
        .await
        .context("the server did not accept the WebSocket within a minute")?
}

async fn try_open(
    target: TargetAddress,
    tls: &ClientTls,
    number: u32,
    path: &str,
    subprotocol: Option<&str>,
) -> Result<LoadSocket> {
    let socket = TcpSocket::new_v4()?;
    socket
        .bind(SocketAddr::new(IpAddr::V4(source_address(number)), 0))
        .context("cannot bind a client's source address")?;
    let stream = socket.connect(target.address).await.context("cannot connect to the server")?;
    stream.set_nodelay(true)?;
    // No TIME_WAIT: ports must be reusable at once after a run.
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    let stream = if target.tls {
        let name = ServerName::from(target.address.ip());
        Either::Right(Box::new(tls.0.connect(name, stream).await.context("the TLS handshake failed")?))
    } else {
        Either::Left(stream)
    };
    let scheme = if target.tls { "wss" } else { "ws" };
    let mut request = format!("{scheme}://{}{path}", target.address).into_client_request()?;
    if let Some(name) = subprotocol {
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_str(name)?);
    }
    // A roster of ten thousand users is one message.
    let config = WebSocketConfig::default()
        .read_buffer_size(4 * 1024)
        .write_buffer_size(0)
        .max_message_size(Some(64 << 20))
        .max_frame_size(Some(64 << 20));
    let (socket, _response) =
        client_async_with_config(request, stream, Some(config)).await.context("the WebSocket handshake failed")?;
    Ok(socket)
}

/// Source address of a client: all of 127.0.0.0/8 is this machine.
fn source_address(number: u32) -> Ipv4Addr {
    let index = number / CLIENTS_PER_ADDRESS;
    Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 1, 0, 1)) + index / 250 * 256 + index % 250)
}

/// TLS client configuration. It accepts every certificate: the server is our own on this machine.
#[derive(Clone)]
pub struct ClientTls(TlsConnector);

impl ClientTls {
    /// Creates the configuration.
    ///
    /// # Errors
    ///
    /// Returns an error when the provider does not support the TLS versions.
    pub fn new() -> Result<Self> {
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AcceptAnyCertificate(provider)))
            .with_no_client_auth();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }
}

#[derive(Debug)]
struct AcceptAnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAnyCertificate {
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
    fn source_addresses_are_loopback_and_do_not_end_in_zero() {
        for number in [0, 49, 50, 12_500, 100_000, 2_000_000] {
            let [first, .., last] = source_address(number).octets();
            assert!(first == 127 && (1..=250).contains(&last), "{}", source_address(number));
        }
        assert_ne!(source_address(49), source_address(50));
        assert_ne!(source_address(12_499), source_address(12_500));
    }
}
