//! Raw sockets for protocol violations that a WebSocket library would not permit.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use hutong_protocol::{ClientMessage, SUBPROTOCOL};
use socket2::{SockFilter, SockRef};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpSocket, TcpStream},
};
use tokio_rustls::rustls::{self, ClientConfig, ClientConnection, RootCertStore, pki_types::ServerName};

use crate::common::{LoginReply, TestClient, with_timeout};

/// Head of a WebSocket upgrade request, without the final empty line.
pub const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
     sec-websocket-version: 13\r\nsec-websocket-key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nsec-websocket-protocol: hutong.v1\r\n";

/// Connects from one of 250 loopback addresses. One address alone would run out of ephemeral ports.
pub async fn connect(address: SocketAddr, number: usize) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    let from = u8::try_from(number % 250).unwrap() + 1;
    socket.bind(([127, 0, 0, from], 0).into()).unwrap();
    with_timeout("TCP connect", socket.connect(address)).await.unwrap()
}

/// Logs in with a tiny receive buffer, so that unread messages soon queue in the server.
pub async fn login_with_small_buffer(address: SocketAddr, name: &str) -> (TestClient, LoginReply) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = socket.connect(address).await.unwrap();
    let headers = [("sec-websocket-protocol", SUBPROTOCOL)];
    let mut client = TestClient::open_over(Box::new(stream), &format!("ws://{address}/ws"), &headers).await.unwrap();
    client.send(&ClientMessage::Hello { name: name.into(), resume: None, secret: None, replace: false }).await;
    let login = client.expect_welcome().await;
    (client, login)
}

/// Logs in on a raw socket.
pub async fn raw_login(address: SocketAddr, name: &str) -> TcpStream {
    let mut stream = with_timeout("TCP connect", TcpStream::connect(address)).await.unwrap();
    stream.write_all(format!("{HANDSHAKE}\r\n").as_bytes()).await.unwrap();
    let hello =
        serde_json::to_string(&ClientMessage::Hello { name: name.into(), resume: None, secret: None, replace: false })
            .unwrap();
    stream.write_all(&frame(0x81, hello.as_bytes())).await.unwrap();
    stream
}

/// Encodes a client frame with this first byte (RFC 6455, section 5.2), masked with zeros.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match u8::try_from(payload.len()) {
        Ok(length @ ..=125) => frame.push(0x80 | length),
        _ => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// Simulates a client that lost power: attaches a socket filter that drops every packet to it, so nothing is acknowledged or reset.
pub fn vanish(stream: &TcpStream) {
    /// BPF instruction `ret`, here with 0 bytes to keep of each packet.
    const BPF_RET: u16 = 0x06;
    SockRef::from(stream).attach_filter(&[SockFilter::new(BPF_RET, 0, 0, 0)]).unwrap();
}

/// Makes closing the socket send RST, which avoids a minute in `TIME_WAIT`.
pub fn reset_on_close(stream: &TcpStream) {
    SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
}

/// Bytes of a TLS `ClientHello`.
pub fn client_hello() -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut hello = Vec::new();
    connection.write_tls(&mut hello).unwrap();
    hello
}
