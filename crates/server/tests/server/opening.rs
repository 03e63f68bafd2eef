//! Who may open the WebSocket, and what they are told who may not.

use hutong_protocol::{ClientMessage, RefusedCode};
use tokio_tungstenite::tungstenite::{Error, protocol::frame::coding::CloseCode};

use crate::common::{Client, http, server, server_with};

#[tokio::test]
async fn our_subprotocol_is_confirmed() {
    let server = server().await;
    let client = Client::open(server.local_addr()).await;
    assert_eq!(client.response.headers()["sec-websocket-protocol"], "hutong.v1");
}

#[tokio::test]
async fn another_version_is_told_to_update() {
    let server = server().await;
    // Browsers drop a socket of which none of their subprotocols is confirmed, and would never hear why.
    let mut client = Client::open_with(server.local_addr(), &[("sec-websocket-protocol", "hutong.v7")]).await.unwrap();
    assert_eq!(client.response.headers()["sec-websocket-protocol"], "hutong.v7");
    client.is_refused(RefusedCode::Version, CloseCode::Policy).await;

    // Without any, the handshake succeeds everywhere.
    let mut client = Client::open_with(server.local_addr(), &[]).await.unwrap();
    client.is_refused(RefusedCode::Version, CloseCode::Policy).await;
}

#[tokio::test]
async fn pages_of_other_origins_are_kept_out() {
    let server = server_with(|options| options.allow_origins = vec!["https://partner.example".into()]).await;
    let address = server.local_addr();
    let ours = format!("http://{address}");
    for origin in [&ours, "tauri://localhost", "http://tauri.localhost", "https://partner.example"] {
        let headers = [("sec-websocket-protocol", "hutong.v1"), ("origin", origin)];
        let mut client = Client::open_with(address, &headers).await.unwrap();
        client.send(&ClientMessage::Hello { name: origin.into(), resume: None, secret: None }).await;
        client.welcome().await;
    }
    for origin in ["https://evil.example", "http://localhost:1", "null"] {
        let headers = [("sec-websocket-protocol", "hutong.v1"), ("origin", origin)];
        match Client::open_with(address, &headers).await {
            Err(Error::Http(response)) => assert_eq!(response.status(), 403, "{origin}"),
            other => panic!("{origin}: {:?}", other.map(|_| "opened")),
        }
    }
}

#[tokio::test]
async fn a_request_that_is_no_handshake_is_told_what_is_served_here() {
    let server = server().await;
    let answer = http(server.local_addr(), "GET /ws", &[]).await;
    assert_eq!((answer.status, answer.header("upgrade")), (426, Some("websocket")));
    let old = ["connection: upgrade", "upgrade: websocket", "sec-websocket-version: 8", "sec-websocket-key: x"];
    let answer = http(server.local_addr(), "GET /ws", &old).await;
    assert_eq!((answer.status, answer.header("sec-websocket-version")), (426, Some("13")));
    assert_eq!(http(server.local_addr(), "POST /ws", &["content-length: 0"]).await.status, 426);
}

#[tokio::test]
async fn a_request_has_a_head_of_some_kilobytes_and_no_more() {
    let server = server().await;
    let line = |bytes| format!("cookie: {}", "x".repeat(bytes));
    assert_eq!(http(server.local_addr(), "GET /healthz", &[&line(8_000)]).await.status, 200);
    assert_eq!(http(server.local_addr(), "GET /healthz", &[&line(40_000)]).await.status, 431);
}
