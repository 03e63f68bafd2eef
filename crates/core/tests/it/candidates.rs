//! Trickle ICE: no candidate is lost, and none is forwarded before the description to which it belongs.

use crate::common::{CALL, ClientHarness, candidate, description, making_offer, media, ringing, sent};
use hutong_core::{MediaCommand, MediaEvent};
use hutong_protocol::{CallTicket, ClientMessage, SdpKind, ServerMessage, limits};

fn remote_candidate(harness: &mut ClientHarness, number: usize) -> Vec<MediaCommand> {
    media(&harness.message(ServerMessage::Candidate { call: CALL, candidate: candidate(number) }))
}

fn local_candidate(harness: &mut ClientHarness, number: usize) -> Vec<ClientMessage> {
    let peer = harness.peer();
    sent(&harness.media(MediaEvent::LocalCandidate { peer, candidate: candidate(number) }))
}

#[test]
fn the_callers_engine_gets_remote_candidates_after_the_offer() {
    let mut harness = ringing();
    assert_eq!(remote_candidate(&mut harness, 1), []);
    assert_eq!(remote_candidate(&mut harness, 2), []);
    let confirm = ServerMessage::Confirm { call: CALL, sdp: "v=0".into(), ticket: CallTicket::new("t") };
    let commands = media(&harness.message(confirm));
    assert!(matches!(commands[0], MediaCommand::CreateAnswer { .. }), "{commands:?}");
    let peer = harness.peer();
    let held = [1, 2].map(|number| MediaCommand::AddCandidate { peer, candidate: candidate(number) });
    assert_eq!(commands[1..], held);
    assert_eq!(remote_candidate(&mut harness, 3).len(), 1, "without delay after the offer");
}

#[test]
fn the_callees_engine_gets_remote_candidates_after_the_answer() {
    let mut harness = making_offer();
    let offer = description(&harness, SdpKind::Offer);
    harness.media(offer);
    assert_eq!(remote_candidate(&mut harness, 1), []);
    let calling = ServerMessage::Calling { call: CALL, sdp: "v=0".into(), ticket: CallTicket::new("t") };
    let commands = media(&harness.message(calling));
    assert!(matches!(commands[0], MediaCommand::SetRemoteDescription { kind: SdpKind::Answer, .. }), "{commands:?}");
    assert!(matches!(commands[1], MediaCommand::AddCandidate { .. }), "{commands:?}");
    assert_eq!(remote_candidate(&mut harness, 2).len(), 1);
}

#[test]
fn local_candidates_are_sent_after_their_description() {
    let mut harness = making_offer();
    assert_eq!(local_candidate(&mut harness, 1), []);
    let offer = description(&harness, SdpKind::Offer);
    let messages = sent(&harness.media(offer));
    assert!(matches!(messages[0], ClientMessage::Confirm { .. }), "{messages:?}");
    assert_eq!(messages[1], ClientMessage::Candidate { call: CALL, candidate: candidate(1) });
    assert_eq!(local_candidate(&mut harness, 2).len(), 1);

    let mut harness = ringing();
    harness.message(ServerMessage::Confirm { call: CALL, sdp: "v=0".into(), ticket: CallTicket::new("t") });
    assert_eq!(local_candidate(&mut harness, 1), []);
    let answer = description(&harness, SdpKind::Answer);
    let messages = sent(&harness.media(answer));
    assert!(matches!(messages[0], ClientMessage::Calling { .. }), "{messages:?}");
    assert_eq!(messages.len(), 2);
}

#[test]
fn the_number_of_held_candidates_is_bounded() {
    let mut harness = ringing();
    for number in 0..10_000 {
        remote_candidate(&mut harness, number);
    }
    let confirm = ServerMessage::Confirm { call: CALL, sdp: "v=0".into(), ticket: CallTicket::new("t") };
    assert_eq!(media(&harness.message(confirm)).len(), 1 + limits::MAX_HELD_CANDIDATES);
}

#[test]
fn messages_of_other_calls_and_reports_of_other_peers_are_ignored() {
    let mut harness = ringing();
    let stray = ServerMessage::Candidate { call: hutong_protocol::CallId(5), candidate: candidate(1) };
    assert_eq!(harness.message(stray), []);
    let old = hutong_core::PeerId(harness.peer().0 + 1);
    assert_eq!(harness.media(MediaEvent::LocalCandidate { peer: old, candidate: candidate(1) }), []);
    assert_eq!(harness.media(MediaEvent::Closed { peer: old }), []);
}
