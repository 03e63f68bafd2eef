//! HTTP listener for scrapes, on its own port.
//!
//! Not on the public port: the metrics reveal how many people call each other and when, a proxy that forwards every path would
//! publish them, and each scrape costs the server work.

use std::{convert::Infallible, future::ready, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};

/// Scrapes that are answered at once. Further connections wait.
const MAX_SCRAPES: usize = 8;

/// Time limit of a scrape, from accept to the last byte of the response.
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(20);

/// Pause after a failed accept, such as without free file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// Handler that builds the response to a request.
pub(crate) type MetricsHandler = dyn Fn(&Request<Incoming>) -> Response<Full<Bytes>> + Send + Sync;

/// Answers requests on this socket, forever.
pub(crate) async fn serve(socket: TcpListener, handler: Arc<MetricsHandler>) {
    let permits = Arc::new(Semaphore::new(MAX_SCRAPES));
    // Acquiring fails only on a closed semaphore, and this one is never closed.
    while let Ok(permit) = permits.clone().acquire_owned().await {
        match socket.accept().await {
            Ok((stream, _)) => {
                let handler = handler.clone();
                tokio::spawn(async move {
                    let _timed_out: Result<(), _> = timeout(SCRAPE_TIMEOUT, serve_one(stream, handler)).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection for metrics; retrying after a pause");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve_one(stream: TcpStream, handler: Arc<MetricsHandler>) {
    let service = service_fn(move |request| ready(Ok::<_, Infallible>(handler(&request))));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(SCRAPE_TIMEOUT)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "metrics connection failed; closed");
    }
}
