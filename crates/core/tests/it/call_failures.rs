//! Calls whose network path or server goes away: ICE restarts, and the notices when a call cannot go on.

use std::time::Duration;

use hutong_core::{
    CallFailure, CallPhase, Command, Connectivity, Input, MediaCommand, MediaEvent, Notice, Output, PathsTried,
    SocketEvent,
};
use hutong_protocol::{
    CallTicket, ClientMessage, EndReason, ErrorCode, IceCandidate, IceServer, RefusedCode, SdpKind, ServerMessage,
    limits,
};

use crate::common::{
    CALL, ClientHarness, connectivity, description, established, flowing, making_offer, media, ringing, sent, welcome,
};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Media flows in a call that Ana made.
fn flowing_caller() -> ClientHarness {
    let mut harness = ringing();
    harness.message(ServerMessage::Confirm { call: CALL, sdp: "v=0".into(), ticket: CallTicket::new("call") });
    let answer = description(&harness, SdpKind::Answer);
    harness.media(answer);
    connectivity(&mut harness, Connectivity::Connected);
    harness
}

fn phase(harness: &ClientHarness) -> Option<CallPhase> {
    harness.client.view().call.as_ref().map(|call| call.phase)
}

fn failure(harness: &ClientHarness) -> Option<CallFailure> {
    match &harness.client.view().notice {
        Some(Notice::CallFailed { with, failure }) => {
            assert_eq!(with.as_str(), "Bo");
            Some(*failure)
        }
        _ => None,
    }
}

fn restarts(outputs: &[Output]) -> usize {
    media(outputs).iter().filter(|command| matches!(command, MediaCommand::RestartIce { .. })).count()
}

fn gather(harness: &mut ClientHarness, candidate: &str) {
    let candidate = IceCandidate {
        candidate: candidate.to_owned(),
        sdp_mid: Some("0".into()),
        sdp_m_line_index: None,
        username_fragment: None,
    };
    let peer = harness.peer();
    harness.media(MediaEvent::LocalCandidate { peer, candidate });
}

/// Ana is logged in again after her WebSocket was lost; the outputs are those after `welcome`.
fn log_in_again(harness: &mut ClientHarness) -> Vec<ClientMessage> {
    harness.input(Input::Socket(SocketEvent::Opened));
    sent(&harness.message(welcome()))
}

#[test]
fn a_lost_address_restarts_ice_at_once_and_only_once() {
    let mut harness = flowing();
    assert_eq!(restarts(&harness.input(Input::AddressLost)), 1);
    assert_eq!(phase(&harness), Some(CallPhase::Connected), "media may flow over another address");
    let offer = description(&harness, SdpKind::Offer);
    harness.media(offer);
    for second in 1..20 {
        harness.message(ServerMessage::Pong);
        assert_eq!(restarts(&harness.tick_at(seconds(second))), 0, "after {second} s");
    }
}

#[test]
fn a_restart_that_failed_for_lack_of_a_network_is_repeated_when_there_is_one() {
    let mut harness = flowing();
    assert_eq!(restarts(&harness.input(Input::AddressLost)), 1);
    harness.message(ServerMessage::Pong);
    assert_eq!(restarts(&harness.tick_at(seconds(3))), 0);
    assert_eq!(restarts(&harness.input(Input::CheckConnection)), 1, "another address");
}

#[test]
fn a_call_with_a_restart_due_survives_the_loss_of_the_connection() {
    let mut harness = flowing();
    for second in [1, 2, 3] {
        harness.now = seconds(second);
        harness.input(Input::Socket(SocketEvent::Closed));
        harness.input(Input::AddressLost);
        assert_eq!(phase(&harness), Some(CallPhase::Connected), "after {second} s");
        log_in_again(&mut harness);
    }
}

#[test]
fn a_lost_address_restarts_ice_once_the_server_has_the_call_back() {
    let mut harness = flowing();
    harness.input(Input::Socket(SocketEvent::Closed));
    assert_eq!(restarts(&harness.input(Input::AddressLost)), 0, "the server would not forward the offer");
    let messages = log_in_again(&mut harness);
    assert!(messages.iter().any(|message| matches!(message, ClientMessage::Claim { .. })), "{messages:?}");
    harness.message(ServerMessage::Claimed { call: CALL });
    // The callee waits for the caller's offer, in case both were away.
    assert_eq!(restarts(&harness.tick_at(limits::PRESENCE_BATCH_DELAY)), 0);
    assert_eq!(restarts(&harness.tick_at(seconds(1))), 1);
}

/// The impolite side ignores colliding offers, so without a new offer of its own the two would wait for each other.
#[test]
fn an_offer_without_an_answer_is_repeated_once_the_server_has_the_call_back() {
    for (is_answered, expected) in [(false, 1), (true, 0)] {
        let mut harness = flowing_caller();
        connectivity(&mut harness, Connectivity::Disconnected);
        harness.message(ServerMessage::Pong);
        assert_eq!(restarts(&harness.tick_at(seconds(2))), 1);
        let offer = description(&harness, SdpKind::Offer);
        assert!(matches!(sent(&harness.media(offer))[..], [ClientMessage::Description { .. }]));
        if is_answered {
            harness.message(ServerMessage::Description { call: CALL, kind: SdpKind::Answer, sdp: "v=0".into() });
        }
        // Checks from this side's new address succeed before the other side knows the offer.
        connectivity(&mut harness, Connectivity::Connected);
        harness.input(Input::Socket(SocketEvent::Closed));
        harness.input(Input::CheckConnection);
        log_in_again(&mut harness);
        harness.message(ServerMessage::Claimed { call: CALL });
        assert_eq!(restarts(&harness.tick_at(seconds(3))), expected, "answered: {is_answered}");
    }
}

#[test]
fn an_offer_that_did_not_reach_the_other_side_is_repeated_when_that_side_is_back() {
    let mut harness = flowing_caller();
    connectivity(&mut harness, Connectivity::Disconnected);
    harness.message(ServerMessage::Pong);
    harness.tick_at(seconds(2));
    let offer = description(&harness, SdpKind::Offer);
    harness.media(offer);
    harness.now = seconds(4);
    harness.message(ServerMessage::Claimed { call: CALL });
    assert_eq!(restarts(&harness.tick_at(seconds(5))), 1);
}

#[test]
fn an_offer_of_the_other_side_replaces_the_restart_of_this_one() {
    let mut harness = flowing();
    connectivity(&mut harness, Connectivity::Disconnected);
    harness.message(ServerMessage::Pong);
    harness.now = seconds(2);
    harness.message(ServerMessage::Description { call: CALL, kind: SdpKind::Offer, sdp: "v=0".into() });
    assert_eq!(restarts(&harness.tick_at(seconds(9))), 0);
    assert_eq!(restarts(&harness.tick_at(seconds(10))), 1);
}

#[test]
fn a_new_offer_waits_for_the_answer_to_the_last_one() {
    let mut harness = flowing();
    harness.input(Input::AddressLost);
    let offer = description(&harness, SdpKind::Offer);
    harness.media(offer);
    assert_eq!(restarts(&harness.input(Input::AddressLost)), 0);
    assert_eq!(restarts(&harness.tick_at(seconds(2))), 1);
}

#[test]
fn interrupted_media_checks_the_connection_to_the_server() {
    let mut harness = flowing();
    harness.now = seconds(5);
    assert_eq!(sent(&connectivity(&mut harness, Connectivity::Disconnected)), [ClientMessage::Ping]);
    assert_eq!(sent(&connectivity(&mut harness, Connectivity::Failed)), [], "one check is enough");
    let outputs = harness.tick_at(seconds(7));
    assert!(outputs.contains(&Output::Disconnect), "no answer within 2 s: {outputs:?}");
}

#[test]
fn an_interrupted_call_restarts_ice_at_once_when_the_network_may_have_changed() {
    let mut harness = flowing();
    connectivity(&mut harness, Connectivity::Disconnected);
    assert_eq!(phase(&harness), Some(CallPhase::Reconnecting));
    harness.message(ServerMessage::Pong);
    assert_eq!(restarts(&harness.tick_at(seconds(1))), 0);
    assert_eq!(restarts(&harness.input(Input::CheckConnection)), 1);
    harness.message(ServerMessage::Pong);
    assert_eq!(restarts(&harness.tick_at(seconds(8))), 0, "the restart takes its time");
    assert_eq!(restarts(&harness.tick_at(seconds(9))), 1);
}

#[test]
fn a_check_of_the_connection_does_not_disturb_a_call_whose_media_flows() {
    let mut harness = flowing();
    assert_eq!(restarts(&harness.input(Input::CheckConnection)), 0);
    assert_eq!(restarts(&harness.tick_at(seconds(5))), 0);
}

#[test]
fn interrupted_media_ends_the_call_after_25_s_with_a_notice() {
    let mut harness = flowing();
    connectivity(&mut harness, Connectivity::Failed);
    let mut count = 0;
    for second in 0..25 {
        // The server answers heartbeats.
        harness.message(ServerMessage::Pong);
        count += restarts(&harness.tick_at(seconds(second)));
        assert_eq!(phase(&harness), Some(CallPhase::Reconnecting), "after {second} s");
    }
    assert!((2..=4).contains(&count), "{count} restarts");
    harness.tick_at(seconds(25));
    assert_eq!((phase(&harness), failure(&harness)), (Some(CallPhase::Ending), Some(CallFailure::MediaLost)));
}

#[test]
fn a_call_without_a_path_ends_within_20_s_and_says_what_was_tried() {
    let host = "candidate:1 1 udp 2122260223 10.0.0.7 50000 typ host";
    let relayed = "candidate:3 1 udp 41885439 203.0.113.1 49160 typ relay raddr 10.0.0.7 rport 50000";
    for (relay, candidates, tried) in [
        (None, vec![], PathsTried::Nothing),
        (None, vec![host], PathsTried::Direct),
        (Some("turns:relay.example"), vec![host], PathsTried::DirectRelaySilent),
        (Some("turn:relay.example"), vec![host, relayed], PathsTried::DirectAndRelay),
    ] {
        let mut harness = ClientHarness::with_ice_servers(relay.map(|url| IceServer {
            urls: vec![url.into()],
            username: None,
            credential: None,
        }));
        harness.accept_call();
        let offer = description(&harness, SdpKind::Offer);
        harness.media(offer);
        for candidate in candidates {
            gather(&mut harness, candidate);
        }
        harness.message(ServerMessage::Calling { call: CALL, sdp: "v=0".into(), ticket: CallTicket::new("call") });
        connectivity(&mut harness, Connectivity::Failed);
        harness.tick_at(seconds(17));
        assert_eq!(phase(&harness), Some(CallPhase::Connecting));
        harness.tick_at(seconds(18));
        assert_eq!(phase(&harness), Some(CallPhase::Ending));
        assert_eq!(failure(&harness), Some(CallFailure::NoPath { tried }), "{relay:?}");
    }
}

#[test]
fn a_browser_that_blocks_private_addresses_is_named_as_the_cause() {
    let mut harness = established();
    let peer = harness.peer();
    gather(&mut harness, "candidate:1 1 udp 2122260223 10.0.0.7 50000 typ host");
    harness.media(MediaEvent::LocalNetworkBlocked { peer });
    harness.tick_at(seconds(18));
    assert_eq!(failure(&harness), Some(CallFailure::NoPath { tried: PathsTried::LocalNetworkBlocked }));
}

#[test]
fn the_other_side_of_a_failed_call_reads_what_it_sees_itself() {
    let interrupted = || {
        let mut harness = flowing();
        connectivity(&mut harness, Connectivity::Disconnected);
        harness
    };
    for (mut harness, at, reason, expected) in [
        (established(), 14, EndReason::Failed, Some(CallFailure::NoPath { tried: PathsTried::Nothing })),
        (established(), 2, EndReason::Failed, None),
        (interrupted(), 20, EndReason::Failed, Some(CallFailure::MediaLost)),
        (interrupted(), 20, EndReason::Hangup, None),
        (flowing(), 20, EndReason::Failed, None),
        (making_offer(), 2, EndReason::Failed, None),
    ] {
        harness.now = seconds(at);
        harness.message(ServerMessage::Ended { call: CALL, reason });
        assert_eq!(failure(&harness), expected, "{reason:?} after {at} s");
        assert!(harness.client.view().notice.is_some());
    }
}

#[test]
fn a_call_that_the_server_no_longer_knows_ends_with_a_notice() {
    // A restarted server with another ticket key.
    let mut harness = flowing();
    harness.input(Input::Socket(SocketEvent::Closed));
    harness.input(Input::CheckConnection);
    harness.input(Input::Socket(SocketEvent::Opened));
    harness.message(ServerMessage::Refused { code: RefusedCode::TicketInvalid, message: String::new() });
    assert_eq!(failure(&harness), Some(CallFailure::ServerLost));
    log_in_again(&mut harness);
    assert_eq!(failure(&harness), Some(CallFailure::ServerLost), "the notice stays");

    // A call that ended meanwhile.
    let mut harness = flowing();
    harness.input(Input::Socket(SocketEvent::Closed));
    harness.input(Input::CheckConnection);
    log_in_again(&mut harness);
    let (code, about) = (ErrorCode::NoCall, Some("claim".to_owned()));
    harness.message(ServerMessage::Error { code, message: String::new(), about, call: None });
    assert_eq!(failure(&harness), Some(CallFailure::ServerLost));
}

#[test]
fn a_call_that_is_not_established_ends_with_the_connection_to_the_server() {
    let mut harness = making_offer();
    harness.input(Input::Socket(SocketEvent::Closed));
    assert_eq!(failure(&harness), Some(CallFailure::ServerLost));
    harness.input(Input::Command(Command::DismissNotice));
    assert_eq!(harness.client.view().notice, None);
}
