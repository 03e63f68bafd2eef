//! The protocol's deadlines, each checked to the millisecond.

use std::time::Duration;

use hutong_core::{CallFailure, CallPhase, CallRecord, Command, Connectivity, Input, MediaEvent, Notice, PathsTried};
use hutong_protocol::{EndReason, MediaKind, UserState, limits};

use super::world::RegistryWorld;

const MILLISECOND: Duration = Duration::from_millis(1);
const VIDEO: MediaKind = MediaKind::Video;

fn end_reason(world: &RegistryWorld, index: usize) -> Option<EndReason> {
    match world.participants[index].client.view().notice {
        Some(Notice::CallEnded { reason, .. }) => Some(reason),
        _ => None,
    }
}

/// Asserts that both users are in state `before` until the deadline, when the call ends for this reason.
fn assert_ends_after(world: &mut RegistryWorld, deadline: Duration, before: UserState, end: EndReason) {
    world.advance(deadline - MILLISECOND);
    assert_eq!((world.state(0), world.state(1)), (before, before), "a millisecond before {deadline:?}");
    world.advance(MILLISECOND);
    assert_eq!((world.state(0), world.state(1)), (UserState::Ending, UserState::Ending), "after {deadline:?}");
    world.deliver_all();
    // A missed call has no notice: it is listed.
    let is_missed = world.participants[1].records.last().is_some_and(CallRecord::is_missed);
    assert_eq!(is_missed, end == EndReason::Unanswered);
    assert_eq!((end_reason(world, 0), end_reason(world, 1)), (Some(end), (!is_missed).then_some(end)));
    assert_eq!((world.state(0), world.state(1)), (UserState::Online, UserState::Online));
    world.check_agreement();
}

#[test]
fn an_unanswered_call_ends_after_45_seconds() {
    let mut world = RegistryWorld::logged_in(2);
    world.start_call(0, 1);
    world.deliver_media_event(0);
    world.deliver_to_server(0);
    assert_eq!(limits::RING_TIMEOUT, Duration::from_secs(45));
    assert_ends_after(&mut world, limits::RING_TIMEOUT, UserState::Connecting, EndReason::Unanswered);
}

#[test]
fn confirm_is_due_30_seconds_after_accept() {
    let mut world = RegistryWorld::logged_in(2);
    world.start_call(0, 1);
    world.deliver_all();
    world.advance(limits::RING_TIMEOUT - Duration::from_secs(1));
    // The permission dialog stays open.
    world.command(1, Command::Accept { media: VIDEO });
    world.deliver_to_server(1);
    assert_eq!(limits::CONFIRM_TIMEOUT, Duration::from_secs(30));
    assert_ends_after(&mut world, limits::CONFIRM_TIMEOUT, UserState::Connecting, EndReason::Timeout);
}

#[test]
fn calling_is_due_15_seconds_after_confirm() {
    let mut world = RegistryWorld::logged_in(2);
    world.start_call(0, 1);
    world.deliver_all();
    world.command(1, Command::Accept { media: VIDEO });
    world.deliver_media_event(1);
    world.deliver_media_event(1);
    while world.deliver_to_server(1) {}
    while world.deliver_to_client(0) {}
    assert_eq!((world.state(0), world.state(1)), (UserState::InCall, UserState::InCall));
    assert_eq!(limits::CALLING_TIMEOUT, Duration::from_secs(15));
    assert_ends_after(&mut world, limits::CALLING_TIMEOUT, UserState::InCall, EndReason::Timeout);
}

#[test]
fn a_call_without_media_fails_after_18_seconds_for_both() {
    let mut world = RegistryWorld::logged_in(2);
    world.start_call(0, 1);
    world.deliver_all();
    world.command(1, Command::Accept { media: VIDEO });
    for _ in 0..20 {
        for index in 0..2 {
            world.deliver_to_server(index);
            world.deliver_to_client(index);
            let next = world.participants[index].engine.events.front();
            if !matches!(next, Some(MediaEvent::Connectivity { .. })) {
                world.deliver_media_event(index);
            }
        }
    }
    assert_eq!((world.phase(0), world.phase(1)), (Some(CallPhase::Connecting), Some(CallPhase::Connecting)));
    assert_eq!(limits::MEDIA_TIMEOUT, Duration::from_secs(18));
    world.advance(limits::MEDIA_TIMEOUT - MILLISECOND);
    assert_eq!(world.phase(0), Some(CallPhase::Connecting));
    world.advance(MILLISECOND);
    world.deliver_all();
    assert_eq!((world.call(0), world.call(1)), (None, None));
    assert!(world.participants.iter().all(|person| {
        let failure = CallFailure::NoPath { tried: PathsTried::Nothing };
        matches!(&person.client.view().notice, Some(Notice::CallFailed { failure: shown, .. }) if *shown == failure)
    }));
}

#[test]
fn members_of_an_ended_call_are_online_after_2_seconds() {
    let mut world = RegistryWorld::in_call(2);
    world.command(0, Command::HangUp);
    while world.deliver_to_server(0) {}
    assert_eq!(limits::ENDING_TIMEOUT, Duration::from_secs(2));
    world.registry.tick(world.now + limits::ENDING_TIMEOUT - MILLISECOND);
    assert_eq!((world.state(0), world.state(1)), (UserState::Ending, UserState::Ending));
    world.registry.tick(world.now + limits::ENDING_TIMEOUT);
    assert_eq!((world.state(0), world.state(1)), (UserState::Online, UserState::Online));
    world.registry.check();
}

#[test]
fn a_client_whose_engine_never_closes_its_peer_leaves_the_call_after_2_seconds() {
    let mut world = RegistryWorld::in_call(2);
    world.command(0, Command::HangUp);
    world.participants[0].engine.events.clear();
    world.advance(limits::ENDING_TIMEOUT - MILLISECOND);
    assert_eq!(world.phase(0), Some(CallPhase::Ending));
    world.advance(MILLISECOND);
    assert_eq!(world.call(0), None);
}

#[test]
fn interrupted_media_restarts_ice_and_the_call_fails_after_25_seconds() {
    let mut world = RegistryWorld::in_call(2);
    let peer = world.call(0).and_then(|call| call.peer).unwrap();
    world.participants[1].engine.peers.clear();
    world.input(0, Input::Media(MediaEvent::Connectivity { peer, state: Connectivity::Disconnected }));
    assert_eq!(world.phase(0), Some(CallPhase::Reconnecting));
    world.advance(Duration::from_secs(2));
    assert!(
        world.participants[0].engine.events.iter().any(|report| matches!(report, MediaEvent::LocalDescription { .. })),
        "ICE is restarted"
    );
    world.participants[0].engine.events.clear();
    world.advance(Duration::from_secs(23) - MILLISECOND);
    assert_eq!(world.phase(0), Some(CallPhase::Reconnecting));
    world.advance(MILLISECOND);
    assert_eq!(world.phase(0), Some(CallPhase::Ending));
}
