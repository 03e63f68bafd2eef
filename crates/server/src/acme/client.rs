//! Speaks https to an authority: one connection for each request, all of it bounded.

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

/// How long one request may take, from the name's lookup to the last byte of the answer.
const REQUEST: Duration = Duration::from_secs(30);

/// The largest answer that is taken. A long chain is ten kilobytes.
const ANSWER: usize = 1024 * 1024;

/// What instant-acme asks the authority with. Cheap to clone.
#[derive(Clone)]
pub(super) struct Client(TlsConnector);

impl Client {
    /// One that trusts the public roots, or those of this PEM file and no others.
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

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>> {
        let connector = self.0.clone();
        Box::pin(async move {
            let answered = timeout(REQUEST, ask(connector, request)).await;
            let response = answered.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()));
            let (parts, body) = response.map_err(instant_acme::Error::Other)?.into_parts();
            Ok(BytesResponse { parts, body: Box::new(body) })
        })
    }
}

type Failed = Box<dyn Error + Send + Sync>;

async fn ask(connector: TlsConnector, mut request: Request<BodyWrapper<Bytes>>) -> Result<Response<Bytes>, Failed> {
    let uri = request.uri().clone();
    let host = uri.host().filter(|_| uri.scheme_str() == Some("https")).ok_or("it names a place that is no https")?;
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
        let body = Limited::new(body, ANSWER).collect().await?.to_bytes();
        Ok(Response::from_parts(parts, body))
    };
    tokio::pin!(exchange);
    tokio::select! {
        answer = &mut exchange => answer,
        // Over before its answer was read to the end: what is there already is read, or it is an error.
        ended = connection => {
            ended?;
            exchange.await
        }
    }
}
