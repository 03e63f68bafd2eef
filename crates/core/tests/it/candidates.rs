//! Trickle ICE from the first candidate to the last: none is lost, and none comes before its description.

use crate::common::{Bench, CALL, candidate, description, making_offer, media, ringing, sent};
use hutong_core::{MediaCommand, MediaEvent};
use hutong_protocol::{ClientMessage, SdpKind, ServerMessage, Ticket, limits};

fn theirs(bench: &mut Bench, number: usize) -> Vec<MediaCommand> {
    media(&bench.message(ServerMessage::Candidate { call: CALL, candidate: candidate(number) }))
}

fn ours(bench: &mut Bench, number: usize) -> Vec<ClientMessage> {
    let peer = bench.peer();
    sent(&bench.media(MediaEvent::LocalCandidate { peer, candidate: candidate(number) }))
}

#[test]
fn the_callers_engine_gets_candidates_after_the_offer_that_they_belong_to() {
    let mut bench = ringing();
    assert_eq!(theirs(&mut bench, 1), []);
    assert_eq!(theirs(&mut bench, 2), []);
    let confirm = ServerMessage::Confirm { call: CALL, sdp: "v=0".into(), ticket: Ticket::new("t") };
    let commands = media(&bench.message(confirm));
    assert!(matches!(commands[0], MediaCommand::Answer { .. }), "{commands:?}");
    let peer = bench.peer();
    let held = [1, 2].map(|number| MediaCommand::AddCandidate { peer, candidate: candidate(number) });
    assert_eq!(commands[1..], held);
    assert_eq!(theirs(&mut bench, 3).len(), 1, "from then on at once");
}

#[test]
fn the_targets_engine_gets_candidates_after_the_answer() {
    let mut bench = making_offer();
    let offer = description(&bench, SdpKind::Offer);
    bench.media(offer);
    assert_eq!(theirs(&mut bench, 1), []);
    let calling = ServerMessage::Calling { call: CALL, sdp: "v=0".into(), ticket: Ticket::new("t") };
    let commands = media(&bench.message(calling));
    assert!(matches!(commands[0], MediaCommand::Remote { kind: SdpKind::Answer, .. }), "{commands:?}");
    assert!(matches!(commands[1], MediaCommand::AddCandidate { .. }), "{commands:?}");
    assert_eq!(theirs(&mut bench, 2).len(), 1);
}

#[test]
fn our_candidates_follow_the_description_that_they_belong_to() {
    let mut bench = making_offer();
    assert_eq!(ours(&mut bench, 1), []);
    let offer = description(&bench, SdpKind::Offer);
    let messages = sent(&bench.media(offer));
    assert!(matches!(messages[0], ClientMessage::Confirm { .. }), "{messages:?}");
    assert_eq!(messages[1], ClientMessage::Candidate { call: CALL, candidate: candidate(1) });
    assert_eq!(ours(&mut bench, 2).len(), 1);

    let mut bench = ringing();
    bench.message(ServerMessage::Confirm { call: CALL, sdp: "v=0".into(), ticket: Ticket::new("t") });
    assert_eq!(ours(&mut bench, 1), []);
    let answer = description(&bench, SdpKind::Answer);
    let messages = sent(&bench.media(answer));
    assert!(matches!(messages[0], ClientMessage::Calling { .. }), "{messages:?}");
    assert_eq!(messages.len(), 2);
}

#[test]
fn a_flood_of_candidates_is_held_within_bounds() {
    let mut bench = ringing();
    for number in 0..10_000 {
        theirs(&mut bench, number);
    }
    let confirm = ServerMessage::Confirm { call: CALL, sdp: "v=0".into(), ticket: Ticket::new("t") };
    assert_eq!(media(&bench.message(confirm)).len(), 1 + limits::CANDIDATES_HELD);
}

#[test]
fn what_belongs_to_another_call_or_peer_is_passed_over() {
    let mut bench = ringing();
    let stray = ServerMessage::Candidate { call: hutong_protocol::CallId(5), candidate: candidate(1) };
    assert_eq!(bench.message(stray), []);
    let old = hutong_core::PeerId(bench.peer().0 + 1);
    assert_eq!(bench.media(MediaEvent::LocalCandidate { peer: old, candidate: candidate(1) }), []);
    assert_eq!(bench.media(MediaEvent::Closed { peer: old }), []);
}
