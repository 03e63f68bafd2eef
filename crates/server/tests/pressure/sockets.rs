//! Sockets that behave as no well-meaning client's do.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use hutong_protocol::{ClientMessage, SUBPROTOCOL};
use socket2::{SockFilter, SockRef};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpSocket, TcpStream},
};
use tokio_rustls::rustls::{self, ClientConfig, ClientConnection, RootCertStore, pki_types::ServerName};

use crate::common::{Client, Login, soon};

/// A request for the WebSocket, as far as the last line.
pub const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
     sec-websocket-version: 13\r\nsec-websocket-key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nsec-websocket-protocol: hutong.v1\r\n";

/// Connects from one of 250 addresses of loopback, since one address has ports for some ten thousand connections only.
pub async fn connect(address: SocketAddr, number: usize) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    let from = u8::try_from(number % 250).unwrap() + 1;
    socket.bind(([127, 0, 0, from], 0).into()).unwrap();
    soon("connecting", socket.connect(address)).await.unwrap()
}

/// A user for whom its own system takes in next to nothing, so that what it does not read soon waits in the server.
pub async fn narrow_login(address: SocketAddr, name: &str) -> (Client, Login) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = socket.connect(address).await.unwrap();
    let headers = [("sec-websocket-protocol", SUBPROTOCOL)];
    let mut client = Client::open_over(Box::new(stream), &format!("ws://{address}/ws"), &headers).await.unwrap();
    client.send(&ClientMessage::Hello { name: name.into(), resume: None, secret: None }).await;
    let login = client.welcome().await;
    (client, login)
}

/// A user on a socket of its own: for what a WebSocket library would not send.
pub async fn raw_login(address: SocketAddr, name: &str) -> TcpStream {
    let mut stream = soon("connecting", TcpStream::connect(address)).await.unwrap();
    stream.write_all(format!("{HANDSHAKE}\r\n").as_bytes()).await.unwrap();
    let hello = serde_json::to_string(&ClientMessage::Hello { name: name.into(), resume: None, secret: None }).unwrap();
    stream.write_all(&frame(0x81, hello.as_bytes())).await.unwrap();
    stream
}

/// A frame of a client with this first byte (RFC 6455, section 5.2), masked with zeros.
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

/// From now on nothing that is sent to this socket arrives, and so nothing is acknowledged or refused either: as if its machine had
/// lost its power. The kernel throws away whatever a filter takes nothing of.
pub fn vanish(stream: &TcpStream) {
    const TAKE: u16 = 0x06;
    SockRef::from(stream).attach_filter(&[SockFilter::new(TAKE, 0, 0, 0)]).unwrap();
}

/// Closing it then breaks the connection at once (RST) and leaves nothing behind, where an ordinary end leaves its port taken for a
/// minute.
pub fn will_break(stream: &TcpStream) {
    SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
}

/// What a client says first in TLS.
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
