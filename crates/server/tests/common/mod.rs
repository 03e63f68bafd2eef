//! Test servers on free loopback ports, and WebSocket and HTTP clients on real sockets. Every wait has a timeout.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test helpers, of which each test binary uses a part"
)]

pub mod log;
#[cfg(target_os = "linux")]
pub mod program;
pub mod test_ca;

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};
use hutong_protocol::{
    CallId, ClientMessage, ErrorCode, MediaKind, RefusedCode, SUBPROTOCOL, ServerMessage, SessionTicket, Token, User,
    UserState, decode_server,
};
use hutong_server::{Options, Server, Tls};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        self, ClientConfig, RootCertStore,
        pki_types::{CertificateDer, ServerName},
    },
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message,
        client::IntoClientRequest,
        http::{HeaderValue, Response},
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

/// Timeout of a wait. Longer than any step takes on a busy machine.
pub const TIMEOUT: Duration = Duration::from_secs(20);

/// Starts a server with the default options on a free port.
pub async fn start_server() -> Server {
    start_server_with(|_| {}).await
}

/// Starts a server with changed options on a free port.
pub async fn start_server_with(change: impl FnOnce(&mut Options)) -> Server {
    let mut options = Options::listen_on(([127, 0, 0, 1], 0).into());
    change(&mut options);
    Server::bind(options).await.unwrap()
}

/// Awaits the future, and panics after [`TIMEOUT`].
pub async fn with_timeout<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(TIMEOUT, future).await.unwrap_or_else(|_| panic!("timed out: {what}"))
}

/// Stream of a client: TCP, TLS or in memory.
pub trait AsyncStream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> AsyncStream for T {}

/// WebSocket client that speaks the protocol.
pub struct TestClient {
    pub socket: WebSocketStream<Box<dyn AsyncStream>>,
    pub response: Response<Option<Vec<u8>>>,
}

/// Content of the `welcome` message.
#[derive(Clone, Debug)]
pub struct LoginReply {
    pub me: User,
    pub ticket: SessionTicket,
    pub users: Vec<User>,
}

impl TestClient {
    /// Opens a WebSocket with our subprotocol.
    pub async fn open(address: SocketAddr) -> Self {
        Self::open_with_headers(address, &[("sec-websocket-protocol", SUBPROTOCOL)]).await.unwrap()
    }

    /// Opens a WebSocket with these request headers.
    pub async fn open_with_headers(
        address: SocketAddr,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, tungstenite::Error> {
        let stream = TcpStream::connect(address).await.unwrap();
        Self::open_over(Box::new(stream), &format!("ws://{address}/ws"), headers).await
    }

    /// Opens a WebSocket over an in-memory pipe, for tests with a paused clock.
    pub async fn open_in_memory(server: &Server) -> Self {
        let stream = server.connect_in_memory().unwrap();
        Self::open_over(Box::new(stream), "ws://localhost/ws", &[("sec-websocket-protocol", SUBPROTOCOL)])
            .await
            .unwrap()
    }

    /// Opens a WebSocket over an existing stream.
    pub async fn open_over(
        stream: Box<dyn AsyncStream>,
        url: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, tungstenite::Error> {
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, HeaderValue::from_str(value).unwrap());
        }
        let opened = with_timeout("WebSocket handshake", tokio_tungstenite::client_async(request, stream)).await;
        opened.map(|(socket, response)| Self { socket, response })
    }

    /// Opens a WebSocket and logs in.
    pub async fn login(address: SocketAddr, name: &str) -> (Self, LoginReply) {
        Self::open(address).await.log_in(name).await
    }

    /// Logs in on an open WebSocket.
    pub async fn log_in(self, name: &str) -> (Self, LoginReply) {
        let mut client = self;
        client.send(&ClientMessage::Hello { name: name.into(), resume: None, secret: None, replace: false }).await;
        let login = client.expect_welcome().await;
        (client, login)
    }

    pub async fn expect_welcome(&mut self) -> LoginReply {
        match self.receive().await {
            ServerMessage::Welcome { me, ticket, users, .. } => LoginReply { me, ticket, users },
            other => panic!("expected welcome, received {}: {other:?}", other.kind()),
        }
    }

    pub async fn send(&mut self, message: &ClientMessage) {
        self.send_text(&serde_json::to_string(message).unwrap()).await;
    }

    pub async fn send_text(&mut self, text: &str) {
        with_timeout("send", self.socket.send(Message::text(text))).await.unwrap();
    }

    /// Receives the next message.
    pub async fn receive(&mut self) -> ServerMessage {
        loop {
            let message = with_timeout("next message", self.socket.next()).await;
            match message.expect("connection is open").expect("no transport error") {
                Message::Text(text) => return decode_server(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("expected a message, received {other:?}"),
            }
        }
    }

    /// Skips messages until one matches.
    pub async fn wait_for<T>(&mut self, mut wanted: impl FnMut(ServerMessage) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(self.receive().await) {
                return found;
            }
        }
    }

    /// Waits for a presence message that shows this user in this state.
    pub async fn wait_for_state(&mut self, token: Token, state: UserState) {
        self.wait_for(|message| match message {
            ServerMessage::Presence { changes, .. } => {
                changes.iter().any(|user| user.token == token && user.state == state).then_some(())
            }
            _ => None,
        })
        .await;
    }

    /// Skips presence messages, and returns code and subject of the next error.
    pub async fn next_error(&mut self) -> (ErrorCode, Option<String>) {
        self.wait_for(|message| match message {
            ServerMessage::Error { code, about, .. } => Some((code, about)),
            ServerMessage::Presence { .. } => None,
            other => panic!("expected an error, received {other:?}"),
        })
        .await
    }

    /// Waits for the close. Returns the code of the last `refused`, and the close frame.
    pub async fn wait_for_close(&mut self) -> (Option<RefusedCode>, Option<CloseFrame>) {
        let mut refused = None;
        loop {
            match with_timeout("close frame", self.socket.next()).await {
                Some(Ok(Message::Text(text))) => {
                    if let ServerMessage::Refused { code, .. } = decode_server(&text).unwrap() {
                        refused = Some(code);
                    }
                }
                Some(Ok(Message::Close(frame))) => return (refused, frame),
                Some(Ok(_)) => {}
                Some(Err(error)) => panic!("connection broke: {error}"),
                None => return (refused, None),
            }
        }
    }

    /// Waits for a `refused` with this code, and a close frame with this close code and the same reason.
    pub async fn expect_refused(&mut self, code: RefusedCode, close: CloseCode) {
        let (refused, frame) = self.wait_for_close().await;
        assert_eq!(refused, Some(code));
        let frame = frame.expect("close frame with a reason");
        assert_eq!((frame.code, frame.reason.as_str()), (close, code.as_str()));
    }
}

/// Sets up a call and hangs up. Both clients have to be online.
pub async fn call_and_hang_up(source: &mut TestClient, target: &mut TestClient, to: Token) -> CallId {
    let call = set_up_call(source, target, to).await;
    source.send(&ClientMessage::Cancel { call, reason: hutong_protocol::CancelReason::Hangup }).await;
    for client in [&mut *target, &mut *source] {
        client.send(&ClientMessage::Released { call }).await;
    }
    call
}

/// Sets up a call, from OFFERING to CALLING.
pub async fn set_up_call(source: &mut TestClient, target: &mut TestClient, to: Token) -> CallId {
    source.send(&ClientMessage::Offering { to, media: MediaKind::Video }).await;
    let call = source
        .wait_for(|message| match message {
            ServerMessage::Ringing { call, to: target } if target == to => Some(call),
            ServerMessage::Error { code, .. } => panic!("expected ringing, received error {code}"),
            _ => None,
        })
        .await;
    target
        .wait_for(|message| {
            matches!(message, ServerMessage::Offering { call: offered, .. } if offered == call).then_some(())
        })
        .await;
    target.send(&ClientMessage::Accept { call, media: MediaKind::Video }).await;
    source.wait_for(|message| matches!(message, ServerMessage::Accepted { .. }).then_some(())).await;
    target.send(&ClientMessage::Confirm { call, sdp: "v=0 offer".into() }).await;
    source
        .wait_for(|message| matches!(message, ServerMessage::Confirm { sdp, .. } if sdp == "v=0 offer").then_some(()))
        .await;
    source.send(&ClientMessage::Calling { call, sdp: "v=0 answer".into() }).await;
    target
        .wait_for(|message| matches!(message, ServerMessage::Calling { sdp, .. } if sdp == "v=0 answer").then_some(()))
        .await;
    call
}

/// A received HTTP response.
#[derive(Debug)]
pub struct HttpResponse {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl HttpResponse {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// Logs out, and waits until the server has handled it.
pub async fn log_out(mut client: TestClient) {
    client.send(&ClientMessage::LogOut).await;
    client.send(&ClientMessage::Ping).await;
    client.next_error().await;
}

/// Sends an HTTP request on a new connection. `request` is method and path, `headers` are further header lines.
pub async fn http_request(address: SocketAddr, request: &str, headers: &[&str]) -> HttpResponse {
    let stream = with_timeout("TCP connect", TcpStream::connect(address)).await.unwrap();
    http_request_over(stream, &address.to_string(), request, headers).await
}

/// Sends an HTTP request over an existing stream.
pub async fn http_request_over(
    mut stream: impl AsyncStream,
    host: &str,
    request: &str,
    headers: &[&str],
) -> HttpResponse {
    let mut text = format!("{request} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    for header in headers {
        text.push_str(header);
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    with_timeout("send request", stream.write_all(text.as_bytes())).await.unwrap();
    let mut response = Vec::new();
    // The server may end a TLS connection without close_notify, which is an error here. The response is complete all the same.
    let _ended = with_timeout("response", stream.read_to_end(&mut response)).await;
    let end = response.windows(4).position(|window| window == b"\r\n\r\n").expect("HTTP response head");
    let head = String::from_utf8(response[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    HttpResponse { status, headers, body: response[end + 4..].to_vec() }
}

/// Connects by TLS, trusting only the server's own certificate.
pub async fn tls_connect(address: SocketAddr, tls: &Tls, name: &str) -> std::io::Result<TlsStream<TcpStream>> {
    tls_connect_trusting(address, &tls.certificate_der().unwrap(), name).await
}

/// Connects by TLS, trusting only this root certificate (DER).
pub async fn tls_connect_trusting(
    address: SocketAddr,
    root: &[u8],
    name: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(root.to_vec())).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    with_timeout("TLS handshake", TlsConnector::from(Arc::new(config)).connect(name, stream)).await
}
