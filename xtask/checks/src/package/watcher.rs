//! A client of a Hutong server that logs in and sees who is online. A test that an app reached its login page needs no more.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use tungstenite::client::IntoClientRequest as _;
use tungstenite::http::HeaderValue;
use tungstenite::{Message, WebSocket};

/// How long the other side may take for anything.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longer answers are none to what is asked here.
const LONGEST: u64 = 1 << 20;

/// What a GET of `path` is answered with, header and body.
///
/// # Errors
///
/// Where nobody answers within ten seconds.
pub fn get(address: SocketAddr, path: &str) -> Result<String> {
    let mut stream = connect(address)?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.take(LONGEST).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Logged in.
#[derive(Debug)]
pub struct Watcher(WebSocket<TcpStream>);

impl Watcher {
    /// Logs in as `name`.
    ///
    /// # Errors
    ///
    /// Where the server cannot be reached or does not upgrade.
    pub fn log_in(address: SocketAddr, name: &str) -> Result<Self> {
        let mut request = format!("ws://{address}/ws").into_client_request()?;
        request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("hutong.v1"));
        let (mut socket, _) =
            tungstenite::client(request, connect(address)?).map_err(|error| anyhow!("no WebSocket: {error}"))?;
        socket.send(Message::text(serde_json::json!({ "type": "hello", "name": name }).to_string()))?;
        Ok(Self(socket))
    }

    /// Waits until a message has `text` in it, for `limit` at most.
    ///
    /// # Errors
    ///
    /// Where no such message came.
    pub fn wait_for(&mut self, text: &str, limit: Duration) -> Result<()> {
        let end = Instant::now() + limit;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            ensure!(!left.is_zero(), "no message says {text}");
            self.0.get_ref().set_read_timeout(Some(left))?;
            let message = self.0.read().with_context(|| format!("no message says {text}"))?;
            if message.to_text().is_ok_and(|message| message.contains(text)) {
                return Ok(());
            }
        }
    }
}

fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream =
        TcpStream::connect_timeout(&address, PATIENCE).with_context(|| format!("nobody listens on {address}"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}
