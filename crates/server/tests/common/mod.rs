//! A server on a free port of loopback, and clients that talk to it over real sockets. Every wait is bounded.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "only tests are in here, and each uses a part"
)]

pub mod authority;
pub mod log;
#[cfg(target_os = "linux")]
pub mod program;

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};
use hutong_protocol::{
    CallId, ClientMessage, ErrorCode, MediaKind, RefusedCode, SUBPROTOCOL, ServerMessage, Ticket, Token, User,
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

/// Longer than anything takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A server with the default options, on a free port.
pub async fn server() -> Server {
    server_with(|_| {}).await
}

/// A server with other options, on a free port.
pub async fn server_with(change: impl FnOnce(&mut Options)) -> Server {
    let mut options = Options::listen_on(([127, 0, 0, 1], 0).into());
    change(&mut options);
    Server::bind(options).await.unwrap()
}

/// Waits, but not for ever.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("waited too long for {what}"))
}

/// Both ends of a connection that may be in TLS.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// A WebSocket as a client sees it.
pub struct Client {
    pub socket: WebSocketStream<Box<dyn Io>>,
    pub response: Response<Option<Vec<u8>>>,
}

/// What a login was answered with.
#[derive(Clone, Debug)]
pub struct Login {
    pub me: User,
    pub ticket: Ticket,
    pub users: Vec<User>,
}

impl Client {
    /// Opens a WebSocket as our own clients do.
    pub async fn open(address: SocketAddr) -> Self {
        Self::open_with(address, &[("sec-websocket-protocol", SUBPROTOCOL)]).await.unwrap()
    }

    /// Opens a WebSocket with these headers.
    pub async fn open_with(address: SocketAddr, headers: &[(&'static str, &str)]) -> Result<Self, tungstenite::Error> {
        let stream = TcpStream::connect(address).await.unwrap();
        Self::open_over(Box::new(stream), &format!("ws://{address}/ws"), headers).await
    }

    /// Opens a WebSocket without a socket below it, for tests with a paused clock.
    pub async fn open_in_memory(server: &Server) -> Self {
        let stream = server.connect_in_memory().unwrap();
        Self::open_over(Box::new(stream), "ws://localhost/ws", &[("sec-websocket-protocol", SUBPROTOCOL)])
            .await
            .unwrap()
    }

    /// Opens a WebSocket over a connection that is there already.
    pub async fn open_over(
        stream: Box<dyn Io>,
        url: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, tungstenite::Error> {
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, HeaderValue::from_str(value).unwrap());
        }
        let opened = soon("the handshake", tokio_tungstenite::client_async(request, stream)).await;
        opened.map(|(socket, response)| Self { socket, response })
    }

    /// Opens a WebSocket and logs in.
    pub async fn login(address: SocketAddr, name: &str) -> (Self, Login) {
        Self::open(address).await.log_in(name).await
    }

    /// Logs in on a WebSocket that is open.
    pub async fn log_in(self, name: &str) -> (Self, Login) {
        let mut client = self;
        client.send(&ClientMessage::Hello { name: name.into(), resume: None, secret: None }).await;
        let login = client.welcome().await;
        (client, login)
    }

    pub async fn welcome(&mut self) -> Login {
        match self.receive().await {
            ServerMessage::Welcome { me, ticket, users, .. } => Login { me, ticket, users },
            other => panic!("a {} where welcome was due: {other:?}", other.kind()),
        }
    }

    pub async fn send(&mut self, message: &ClientMessage) {
        self.send_text(&serde_json::to_string(message).unwrap()).await;
    }

    pub async fn send_text(&mut self, text: &str) {
        soon("sending", self.socket.send(Message::text(text))).await.unwrap();
    }

    /// The next message, whatever it is.
    pub async fn receive(&mut self) -> ServerMessage {
        loop {
            let message = soon("a message", self.socket.next()).await;
            match message.expect("the connection is open").expect("the connection is whole") {
                Message::Text(text) => return decode_server(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?} where a message was due"),
            }
        }
    }

    /// The first message that is what is looked for; others are passed over.
    pub async fn wait_for<T>(&mut self, mut wanted: impl FnMut(ServerMessage) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(self.receive().await) {
                return found;
            }
        }
    }

    /// Waits until this user is told to be in this state.
    pub async fn sees(&mut self, token: Token, state: UserState) {
        self.wait_for(|message| match message {
            ServerMessage::Presence { changes, .. } => {
                changes.iter().any(|user| user.token == token && user.state == state).then_some(())
            }
            _ => None,
        })
        .await;
    }

    /// The next error, with what it is about; presence is passed over.
    pub async fn error(&mut self) -> (ErrorCode, Option<String>) {
        self.wait_for(|message| match message {
            ServerMessage::Error { code, about, .. } => Some((code, about)),
            ServerMessage::Presence { .. } => None,
            other => panic!("{other:?} where an error was due"),
        })
        .await
    }

    /// Waits for the end: the last `refused`, and the close frame.
    pub async fn end(&mut self) -> (Option<RefusedCode>, Option<CloseFrame>) {
        let mut refused = None;
        loop {
            match soon("the end", self.socket.next()).await {
                Some(Ok(Message::Text(text))) => {
                    if let ServerMessage::Refused { code, .. } = decode_server(&text).unwrap() {
                        refused = Some(code);
                    }
                }
                Some(Ok(Message::Close(frame))) => return (refused, frame),
                Some(Ok(_)) => {}
                Some(Err(error)) => panic!("the connection broke: {error}"),
                None => return (refused, None),
            }
        }
    }

    /// Waits to be refused with this code, and closed with it as the reason.
    pub async fn is_refused(&mut self, code: RefusedCode, close: CloseCode) {
        let (refused, frame) = self.end().await;
        assert_eq!(refused, Some(code));
        let frame = frame.expect("a close frame with a reason");
        assert_eq!((frame.code, frame.reason.as_str()), (close, code.as_str()));
    }
}

/// Sets up a call from OFFERING to CALLING, and hangs up. Both clients are logged in and online.
pub async fn call_and_hang_up(source: &mut Client, target: &mut Client, to: Token) -> CallId {
    let call = set_up_call(source, target, to).await;
    source.send(&ClientMessage::Cancel { call, reason: hutong_protocol::CancelReason::Hangup }).await;
    for client in [&mut *target, &mut *source] {
        client.send(&ClientMessage::Released { call }).await;
    }
    call
}

/// Sets up a call from OFFERING to CALLING.
pub async fn set_up_call(source: &mut Client, target: &mut Client, to: Token) -> CallId {
    source.send(&ClientMessage::Offering { to, media: MediaKind::Video }).await;
    let call = source
        .wait_for(|message| match message {
            ServerMessage::Ringing { call, to: rung } if rung == to => Some(call),
            ServerMessage::Error { code, .. } => panic!("{code} where ringing was due"),
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

/// An HTTP answer, as it came.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// One HTTP request on its own connection. `head` is the request line's method and path, then further header lines.
pub async fn http(address: SocketAddr, request: &str, headers: &[&str]) -> Answer {
    let stream = soon("connecting", TcpStream::connect(address)).await.unwrap();
    http_over(stream, &address.to_string(), request, headers).await
}

/// The same over a connection that is there already.
pub async fn http_over(mut stream: impl Io, host: &str, request: &str, headers: &[&str]) -> Answer {
    let mut text = format!("{request} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    for header in headers {
        text.push_str(header);
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    soon("sending", stream.write_all(text.as_bytes())).await.unwrap();
    let mut answer = Vec::new();
    // A TLS connection that ends without saying so is an error, but what came is whole if the length says so.
    let _ended = soon("an answer", stream.read_to_end(&mut answer)).await;
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("an HTTP answer");
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    Answer { status, headers, body: answer[end + 4..].to_vec() }
}

/// Connects as a client that trusts this certificate and no other.
pub async fn tls_connect(address: SocketAddr, tls: &Tls, name: &str) -> std::io::Result<TlsStream<TcpStream>> {
    tls_connect_trusting(address, &tls.certificate_der().unwrap(), name).await
}

/// Connects as a client that trusts this authority (in DER) and no other.
pub async fn tls_connect_trusting(
    address: SocketAddr,
    authority: &[u8],
    name: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(authority.to_vec())).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    soon("the TLS handshake", TlsConnector::from(Arc::new(config)).connect(name, stream)).await
}
