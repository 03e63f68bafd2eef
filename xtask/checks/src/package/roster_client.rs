//! Minimal client of the server: logs in and reads presence messages.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use tungstenite::client::IntoClientRequest as _;
use tungstenite::http::HeaderValue;
use tungstenite::{Message, WebSocket};

/// Timeout of connecting, reading and writing.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Size limit of an HTTP response.
const MAX_RESPONSE: u64 = 1 << 20;

/// Sends a GET request, and returns headers and body of the response.
///
/// # Errors
///
/// There is no response within ten seconds.
pub fn get(address: SocketAddr, path: &str) -> Result<String> {
    let mut stream = connect(address)?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut response = Vec::new();
    stream.take(MAX_RESPONSE).read_to_end(&mut response)?;
    Ok(String::from_utf8_lossy(&response).into_owned())
}

/// A logged-in client.
#[derive(Debug)]
pub struct RosterClient(WebSocket<TcpStream>);

impl RosterClient {
    /// Logs in as `name`.
    ///
    /// # Errors
    ///
    /// The server cannot be reached, or rejects the WebSocket.
    pub fn log_in(address: SocketAddr, name: &str) -> Result<Self> {
        let mut request = format!("ws://{address}/ws").into_client_request()?;
        request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("hutong.v1"));
        let (mut socket, _) = tungstenite::client(request, connect(address)?)
            .map_err(|error| anyhow!("WebSocket handshake failed: {error}"))?;
        socket.send(Message::text(serde_json::json!({ "type": "hello", "name": name }).to_string()))?;
        Ok(Self(socket))
    }

    /// Waits for a message that contains `text`, for `limit` at most.
    ///
    /// # Errors
    ///
    /// No such message arrived.
    pub fn wait_for(&mut self, text: &str, limit: Duration) -> Result<()> {
        let end = Instant::now() + limit;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            ensure!(!left.is_zero(), "the server sent no message that contains {text}");
            self.0.get_ref().set_read_timeout(Some(left))?;
            let message = self.0.read().with_context(|| format!("the server sent no message that contains {text}"))?;
            if message.to_text().is_ok_and(|message| message.contains(text)) {
                return Ok(());
            }
        }
    }
}

fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream =
        TcpStream::connect_timeout(&address, TIMEOUT).with_context(|| format!("cannot connect to {address}"))?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    Ok(stream)
}
