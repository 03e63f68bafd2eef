//! HTTPS client for the ACME authority: one connection per request, with bounded time and response size.

use std::{error::Error, future::Future, io, path::Path, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::{
    Request, Response, Uri,
    client::conn::http1,
    header::{self, HeaderValue},
};
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, HttpClient};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{
    TlsConnector,
    rustls::{self, ClientConfig, RootCertStore},
};

use crate::tls::TlsError;

/// Timeout of one request, from the DNS lookup to the last byte of the response.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Largest accepted response in bytes. A long certificate chain has ten kilobytes.
const MAX_RESPONSE: usize = 1024 * 1024;

/// HTTP transport of instant-acme. Cheap to clone.
#[derive(Clone)]
pub(super) struct AcmeHttpClient(TlsConnector);

impl AcmeHttpClient {
    /// A client that trusts the public roots, or only those in this PEM file.
    pub(super) fn new(roots: Option<&Path>) -> Result<Self, TlsError> {
        let mut trusted = RootCertStore::empty();
        match roots {
            None => trusted.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Some(path) => {
                let text = std::fs::read(path).map_err(|error| TlsError::File(path.to_owned(), error))?;
                for root in CertificateDer::pem_slice_iter(&text) {
                    trusted.add(root.map_err(|error| TlsError::Pem(error.to_string()))?)?;
                }
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(trusted)
            .with_no_client_auth();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }
}

impl HttpClient for AcmeHttpClient {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>> {
        let connector = self.0.clone();
        Box::pin(async move {
            let sent = timeout(REQUEST_TIMEOUT, send(connector, request)).await;
            let response = sent.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()));
            let (parts, body) = response.map_err(instant_acme::Error::Other)?.into_parts();
            Ok(BytesResponse { parts, body: Box::new(body) })
        })
    }
}

type BoxError = Box<dyn Error + Send + Sync>;

async fn send(connector: TlsConnector, mut request: Request<BodyWrapper<Bytes>>) -> Result<Response<Bytes>, BoxError> {
    let uri = request.uri().clone();
    let host = uri.host().filter(|_| uri.scheme_str() == Some("https")).ok_or("not an https URL")?;
    let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let authority = HeaderValue::from_str(uri.authority().map_or(host, |authority| authority.as_str()))?;
    request.headers_mut().insert(header::HOST, authority);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = Uri::try_from(path)?;

    let stream = TcpStream::connect((bare.as_str(), uri.port_u16().unwrap_or(443))).await?;
    let stream = connector.connect(ServerName::try_from(bare)?, stream).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async {
        let (parts, body) = sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, MAX_RESPONSE).collect().await?.to_bytes();
        Ok(Response::from_parts(parts, body))
    };
    tokio::pin!(exchange);
    tokio::select! {
        response = &mut exchange => response,
        // The connection may end before the response is read to its end. Its buffered rest is read, or reading it fails.
        ended = connection => {
            ended?;
            exchange.await
        }
    }
}
