//! Where the numbers are read: an HTTP listener of its own, apart from what clients reach.
//!
//! The numbers tell when how many people call each other, which is nobody's business on the public port; a proxy that passes
//! everything on would publish them; and whoever asks makes the server work.

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

/// Who may read at the same time; one more waits.
const READERS: usize = 8;

/// How long a reader may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long the listener rests after an error of the system's.
const REST: Duration = Duration::from_millis(500);

/// What requests are answered with.
pub(crate) type Answer = dyn Fn(&Request<Incoming>) -> Response<Full<Bytes>> + Send + Sync;

/// Has requests on this socket answered, for ever.
pub(crate) async fn serve(socket: TcpListener, answer: Arc<Answer>) {
    let readers = Arc::new(Semaphore::new(READERS));
    // Closed never, so an error cannot be.
    while let Ok(reader) = readers.clone().acquire_owned().await {
        match socket.accept().await {
            Ok((stream, _)) => {
                let answer = answer.clone();
                tokio::spawn(async move {
                    // Whoever does not read goes without.
                    let _unread: Result<(), _> = timeout(PATIENCE, serve_one(stream, answer)).await;
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

async fn serve_one(stream: TcpStream, answer: Arc<Answer>) {
    let answer = service_fn(move |request| ready(Ok::<_, Infallible>(answer(&request))));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), answer);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a reader of the metrics was lost");
    }
}
