//! Integration test: the relay benchmark's clients exchange streams through the real server, and count every packet.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail")]

use std::time::{Duration, SystemTime};

use hutong_load::relay::{Endpoint, Traffic, TurnClient};
use hutong_protocol::Token;
use hutong_server::{Options, Server, TurnCredential, TurnOptions, TurnSecret};

const TIMEOUT: Duration = Duration::from_secs(20);

async fn start_server() -> (Server, TurnSecret) {
    let secret = TurnSecret::parse("the-shared-secret-of-this-test").unwrap();
    let server = Server::bind(Options {
        turn: Some(TurnOptions { listen: vec![([127, 0, 0, 1], 0).into()], ..TurnOptions::default() }),
        turn_secret: Some(secret.clone()),
        ..Options::listen_on(([127, 0, 0, 1], 0).into())
    })
    .await
    .unwrap();
    (server, secret)
}

fn credential(secret: &TurnSecret, user: u64) -> TurnCredential {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    secret.issue(Token(user), now + Duration::from_secs(60))
}

#[tokio::test]
async fn both_streams_of_a_pair_arrive_through_the_relay() {
    let (server, secret) = start_server().await;
    let address = server.turn_addresses()[0];
    let one = TurnClient::allocate(address, credential(&secret, 1)).await.unwrap();
    let other = TurnClient::allocate(address, credential(&secret, 2)).await.unwrap();
    assert_ne!(one.relayed(), other.relayed());
    let traffic = Traffic::start(Endpoint::pair([one, other]).await.unwrap().into());
    let several_bursts = async {
        while traffic.counts().received < 60 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(TIMEOUT, several_bursts).await.unwrap();
    let counts = traffic.stop().await;
    assert!(counts.sent >= 60 && counts.sent == counts.received, "{counts:?}");
    assert!(counts.received_megabits() > 0.5 && counts.loss() == 0.0, "{counts:?}");
    server.shutdown().await;
}

#[tokio::test]
async fn refused_requests_are_errors() {
    let (server, secret) = start_server().await;
    let address = server.turn_addresses()[0];
    let stranger = TurnSecret::parse("another-secret-of-some-length").unwrap();
    let error = TurnClient::allocate(address, credential(&stranger, 1)).await.unwrap_err();
    assert!(error.to_string().contains("error 401"), "{error}");
    // The relay is closed: it reaches its own relayed addresses only.
    let client = TurnClient::allocate(address, credential(&secret, 1)).await.unwrap();
    let error = client.bind(([192, 0, 2, 1], 9).into()).await.unwrap_err();
    assert!(error.to_string().contains("error 403"), "{error}");
    server.shutdown().await;
}
