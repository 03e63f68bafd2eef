//! ICE servers whose credentials the server renews: later calls and the running call get them.

use std::time::Duration;

use hutong_core::{Command, Input, MediaCommand, MediaEvent, Output, SocketEvent, WithoutMicrophone};
use hutong_protocol::{EndReason, IceServer, MediaKind, ServerMessage, Token};

use crate::common::{CALL, ClientHarness, flowing, making_offer, media, welcome};

/// A relay's servers; the user name has the time at which the credential expires.
fn servers(expiry: u32) -> Vec<IceServer> {
    let (urls, username) = (vec!["turn:relay.example".into()], Some(format!("{expiry}:1")));
    vec![IceServer { urls, username, credential: Some("secret".into()) }]
}

fn renewal(expiry: u32) -> ServerMessage {
    ServerMessage::IceServers { ice_servers: servers(expiry) }
}

/// Ana's WebSocket was lost; the outputs are those after a `welcome` with these servers.
fn log_in_again(harness: &mut ClientHarness, ice_servers: Vec<IceServer>) -> Vec<Output> {
    harness.input(Input::Socket(SocketEvent::Closed));
    harness.input(Input::CheckConnection);
    harness.input(Input::Socket(SocketEvent::Opened));
    let mut welcome = welcome();
    if let ServerMessage::Welcome { ice_servers: named, .. } = &mut welcome {
        *named = ice_servers;
    }
    harness.message(welcome)
}

#[test]
fn a_later_call_uses_the_renewed_servers() {
    let mut harness = ClientHarness::with_ice_servers(servers(1));
    assert_eq!(media(&harness.message(renewal(2))), [], "there is no connection");
    let outputs = harness.input(Input::Command(Command::Call { to: Token(2), media: MediaKind::Voice }));
    let peer = harness.peer();
    assert_eq!(
        media(&outputs),
        [MediaCommand::Acquire {
            peer,
            media: MediaKind::Voice,
            without_microphone: WithoutMicrophone::Fail,
            ice_servers: servers(2)
        }]
    );
}

#[test]
fn the_connection_of_a_call_gets_renewed_servers_once() {
    for mut harness in [making_offer(), flowing()] {
        let peer = harness.peer();
        let expected = MediaCommand::SetIceServers { peer, ice_servers: servers(2) };
        assert_eq!(media(&harness.message(renewal(2))), [expected]);
        assert_eq!(media(&harness.message(renewal(2))), [], "the connection has them");
    }
}

#[test]
fn a_resumed_session_brings_new_servers_before_the_ice_restart() {
    let mut harness = flowing();
    let peer = harness.peer();
    harness.input(Input::AddressLost);
    let mut outputs = log_in_again(&mut harness, servers(2));
    outputs.extend(harness.message(ServerMessage::Claimed { call: CALL }));
    outputs.extend(harness.tick_at(Duration::from_secs(10)));
    assert_eq!(
        media(&outputs),
        [MediaCommand::SetIceServers { peer, ice_servers: servers(2) }, MediaCommand::RestartIce { peer }]
    );
    let outputs = log_in_again(&mut harness, servers(2));
    assert_eq!(media(&outputs), [], "the connection has them");
}

#[test]
fn a_connection_that_is_closing_gets_no_servers() {
    let mut harness = flowing();
    let peer = harness.peer();
    harness.message(ServerMessage::Ended { call: CALL, reason: EndReason::Hangup });
    assert_eq!(media(&harness.message(renewal(2))), []);
    harness.media(MediaEvent::Closed { peer });
    assert_eq!(media(&harness.message(renewal(3))), []);
}
