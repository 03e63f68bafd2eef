//! Where the numbers are read: an HTTP listener of its own, apart from what clients reach.
//!
//! The numbers tell when how many people call each other, which is nobody's business on the public port; a proxy that passes
//! everything on would publish them; and whoever asks makes the server work.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::{encoding::prometheus_text, registry::Registry};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinHandle,
    time::timeout,
};

use super::Now;
use crate::web;

/// Who may read at the same time; one more waits.
const READERS: usize = 8;

/// How long a reader may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long the listener rests after an error of the system's.
const REST: Duration = Duration::from_millis(500);

/// The task that answers `/metrics`. Dropping it closes the socket.
#[derive(Debug)]
pub(crate) struct Endpoint {
    task: JoinHandle<()>,
    pub(crate) address: SocketAddr,
}

impl Endpoint {
    pub(crate) fn start(socket: TcpListener, address: SocketAddr, mut registry: Registry, now: Now) -> Self {
        registry.register_collector(Box::new(now));
        let all = Registry::default();
        #[cfg(target_os = "linux")]
        let all = super::process::registered(all);
        let task = tokio::spawn(accept(socket, Arc::new([registry, all])));
        Self { task, address }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(socket: TcpListener, registries: Arc<[Registry; 2]>) {
    let readers = Arc::new(Semaphore::new(READERS));
    // Closed never, so an error cannot be.
    while let Ok(reader) = readers.clone().acquire_owned().await {
        match socket.accept().await {
            Ok((stream, _)) => {
                let registries = registries.clone();
                tokio::spawn(async move {
                    // Whoever does not read goes without.
                    let _unread: Result<(), _> = timeout(PATIENCE, serve(stream, registries)).await;
                    drop(reader);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept who reads the metrics at the moment");
                tokio::time::sleep(REST).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, registries: Arc<[Registry; 2]>) {
    let answer = service_fn(move |request| {
        let registries = registries.clone();
        async move { Ok::<_, Infallible>(respond(&request, &registries[..])) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), answer);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a reader of the metrics was lost");
    }
}

fn respond(request: &Request<Incoming>, registries: &[Registry]) -> Response<Full<Bytes>> {
    if request.uri().path() != "/metrics" {
        return web::plain(StatusCode::NOT_FOUND, "The numbers are at /metrics.\n");
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return web::plain(StatusCode::METHOD_NOT_ALLOWED, "Only GET and HEAD are answered here.\n");
    }
    let mut text = String::new();
    for registry in registries {
        if let Err(error) = prometheus_text::encode(&mut text, registry) {
            tracing::error!(%error, "the metrics could not be written");
            return web::plain(StatusCode::INTERNAL_SERVER_ERROR, "The metrics could not be written.\n");
        }
    }
    let mut response = Response::new(Full::new(Bytes::from(text)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(prometheus_text::CONTENT_TYPE));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
