//! http and https on one port.

use hutong_protocol::{ClientMessage, UserState};
use hutong_server::Tls;
use tokio::{io::AsyncReadExt, io::AsyncWriteExt, net::TcpStream};

use crate::common::{TestClient, http_request, http_request_over, start_server_with, tls_connect, with_timeout};

fn certificate() -> (tempfile::TempDir, Tls) {
    let directory = tempfile::tempdir().unwrap();
    let tls = Tls::self_signed(directory.path(), &["hutong.test".to_owned()]).unwrap();
    (directory, tls)
}

#[tokio::test]
async fn http_and_https_are_answered_on_one_port() {
    let (_directory, tls) = certificate();
    let server = start_server_with(|options| options.tls = Some(tls.clone())).await;
    let address = server.local_addr();
    assert_eq!(http_request(address, "GET /healthz", &[]).await.text(), "ok");
    for name in ["localhost", "127.0.0.1", "hutong.test"] {
        let stream = tls_connect(address, &tls, name).await.unwrap();
        assert_eq!(http_request_over(stream, name, "GET /healthz", &[]).await.text(), "ok");
    }
    assert!(tls_connect(address, &tls, "other.test").await.is_err());
}

#[tokio::test]
async fn a_user_on_tls_can_call_a_user_on_plain_http() {
    let (_directory, tls) = certificate();
    let server = start_server_with(|options| options.tls = Some(tls.clone())).await;
    let address = server.local_addr();
    let (mut ana, _) = TestClient::login(address, "Ana").await;
    let stream = tls_connect(address, &tls, "localhost").await.unwrap();
    let origin = format!("https://localhost:{}", address.port());
    let headers = [("sec-websocket-protocol", "hutong.v1"), ("origin", &*origin)];
    let url = format!("wss://localhost:{}/ws", address.port());
    let mut bo = TestClient::open_over(Box::new(stream), &url, &headers).await.unwrap();
    bo.send(&ClientMessage::Hello { name: "Bo".into(), resume: None, secret: None, replace: false }).await;
    let login = bo.expect_welcome().await;
    ana.wait_for_state(login.me.token, UserState::Online).await;
    crate::common::call_and_hang_up(&mut ana, &mut bo, login.me.token).await;
}

#[tokio::test]
async fn the_server_survives_an_invalid_tls_handshake() {
    let (_directory, tls) = certificate();
    let server = start_server_with(|options| options.tls = Some(tls)).await;
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    stream.write_all(&[0x16, 0xff, 0xff, 0xff, 0xff, 0, 0]).await.unwrap();
    let mut rest = Vec::new();
    let _alert = with_timeout("end of the connection", stream.read_to_end(&mut rest)).await;
    assert_eq!(http_request(server.local_addr(), "GET /healthz", &[]).await.text(), "ok");
}

#[tokio::test]
async fn a_tls_handshake_without_a_certificate_is_a_bad_request() {
    let server = start_server_with(|_| {}).await;
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    stream.write_all(&[0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0, b'\r', b'\n', b'\r', b'\n']).await.unwrap();
    let mut rest = Vec::new();
    with_timeout("end of the connection", stream.read_to_end(&mut rest)).await.unwrap();
    assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 400"), "{}", String::from_utf8_lossy(&rest));
}
