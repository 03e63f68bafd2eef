//! Upgrade to a WebSocket: subprotocol, origin, and rejected requests.

use hutong_protocol::{ClientMessage, RefusedCode};
use tokio_tungstenite::tungstenite::{Error, protocol::frame::coding::CloseCode};

use crate::common::{TestClient, http_request, start_server, start_server_with};

#[tokio::test]
async fn our_subprotocol_is_confirmed() {
    let server = start_server().await;
    let client = TestClient::open(server.local_addr()).await;
    assert_eq!(client.response.headers()["sec-websocket-protocol"], "hutong.v1");
}

#[tokio::test]
async fn another_protocol_version_is_refused_with_version() {
    let server = start_server().await;
    // Browsers drop a socket without a confirmed subprotocol before they read the reason. So the server confirms it.
    let mut client =
        TestClient::open_with_headers(server.local_addr(), &[("sec-websocket-protocol", "hutong.v7")]).await.unwrap();
    assert_eq!(client.response.headers()["sec-websocket-protocol"], "hutong.v7");
    client.expect_refused(RefusedCode::Version, CloseCode::Policy).await;

    // Without a subprotocol the handshake succeeds everywhere.
    let mut client = TestClient::open_with_headers(server.local_addr(), &[]).await.unwrap();
    client.expect_refused(RefusedCode::Version, CloseCode::Policy).await;
}

#[tokio::test]
async fn pages_of_other_origins_cannot_open_the_websocket() {
    let server = start_server_with(|options| options.allow_origins = vec!["https://partner.example".into()]).await;
    let address = server.local_addr();
    let own_origin = format!("http://{address}");
    for origin in [&own_origin, "tauri://localhost", "http://tauri.localhost", "https://partner.example"] {
        let headers = [("sec-websocket-protocol", "hutong.v1"), ("origin", origin)];
        let mut client = TestClient::open_with_headers(address, &headers).await.unwrap();
        client.send(&ClientMessage::Hello { name: origin.into(), resume: None, secret: None, replace: false }).await;
        client.expect_welcome().await;
    }
    for origin in ["https://evil.example", "http://localhost:1", "null"] {
        let headers = [("sec-websocket-protocol", "hutong.v1"), ("origin", origin)];
        match TestClient::open_with_headers(address, &headers).await {
            Err(Error::Http(response)) => assert_eq!(response.status(), 403, "{origin}"),
            other => panic!("{origin}: {:?}", other.map(|_| "opened")),
        }
    }
}

#[tokio::test]
async fn a_request_without_a_valid_handshake_gets_upgrade_required() {
    let server = start_server().await;
    let response = http_request(server.local_addr(), "GET /ws", &[]).await;
    assert_eq!((response.status, response.header("upgrade")), (426, Some("websocket")));
    let old = ["connection: upgrade", "upgrade: websocket", "sec-websocket-version: 8", "sec-websocket-key: x"];
    let response = http_request(server.local_addr(), "GET /ws", &old).await;
    assert_eq!((response.status, response.header("sec-websocket-version")), (426, Some("13")));
    assert_eq!(http_request(server.local_addr(), "POST /ws", &["content-length: 0"]).await.status, 426);
}

#[tokio::test]
async fn a_large_request_head_is_rejected() {
    let server = start_server().await;
    let line = |bytes| format!("cookie: {}", "x".repeat(bytes));
    assert_eq!(http_request(server.local_addr(), "GET /healthz", &[&line(8_000)]).await.status, 200);
    assert_eq!(http_request(server.local_addr(), "GET /healthz", &[&line(40_000)]).await.status, 431);
}
