//! The protocol's deadlines, each to the moment.

use std::time::Duration;

use hutong_core::{CallPhase, Command, Connectivity, Input, MediaEvent, Notice};
use hutong_protocol::{EndReason, MediaKind, UserState, limits};

use super::world::World;

const MOMENT: Duration = Duration::from_millis(1);
const VIDEO: MediaKind = MediaKind::Video;

fn reason(world: &World, who: usize) -> Option<EndReason> {
    match world.people[who].client.view().notice {
        Some(Notice::CallEnded { reason, .. }) => Some(reason),
        _ => None,
    }
}

/// Just before the deadline the state is this; at it, the call ends for both for this reason, and all are online again.
fn ends_after(world: &mut World, deadline: Duration, before: UserState, why: EndReason) {
    world.pass(deadline - MOMENT);
    assert_eq!((world.state(0), world.state(1)), (before, before), "a moment before {deadline:?}");
    world.pass(MOMENT);
    assert_eq!((world.state(0), world.state(1)), (UserState::Ending, UserState::Ending), "after {deadline:?}");
    world.settle();
    assert_eq!((reason(world, 0), reason(world, 1)), (Some(why), Some(why)));
    assert_eq!((world.state(0), world.state(1)), (UserState::Online, UserState::Online));
    world.check_agreement();
}

#[test]
fn a_ring_lasts_45_seconds() {
    let mut world = World::logged_in(2);
    world.calls(0, 1);
    world.report(0);
    world.deliver_to_server(0);
    assert_eq!(limits::RING, Duration::from_secs(45));
    ends_after(&mut world, limits::RING, UserState::Connecting, EndReason::Unanswered);
}

#[test]
fn accepting_stops_the_ring_and_leaves_30_seconds_for_confirm() {
    let mut world = World::logged_in(2);
    world.calls(0, 1);
    world.settle();
    world.pass(limits::RING - Duration::from_secs(1));
    // The permission dialog is open, and nobody answers it.
    world.command(1, Command::Accept { media: VIDEO });
    world.deliver_to_server(1);
    assert_eq!(limits::CONFIRM, Duration::from_secs(30));
    ends_after(&mut world, limits::CONFIRM, UserState::Connecting, EndReason::Timeout);
}

#[test]
fn calling_comes_within_15_seconds_of_confirm() {
    let mut world = World::logged_in(2);
    world.calls(0, 1);
    world.settle();
    world.command(1, Command::Accept { media: VIDEO });
    world.report(1);
    world.report(1);
    while world.deliver_to_server(1) {}
    while world.deliver_to_client(0) {}
    assert_eq!((world.state(0), world.state(1)), (UserState::InCall, UserState::InCall));
    assert_eq!(limits::CALLING, Duration::from_secs(15));
    ends_after(&mut world, limits::CALLING, UserState::InCall, EndReason::Timeout);
}

#[test]
fn media_flows_within_30_seconds_or_the_call_has_failed() {
    let mut world = World::logged_in(2);
    world.calls(0, 1);
    world.settle();
    world.command(1, Command::Accept { media: VIDEO });
    for _ in 0..20 {
        for who in 0..2 {
            world.deliver_to_server(who);
            world.deliver_to_client(who);
            let next = world.people[who].engine.reports.front();
            if !matches!(next, Some(MediaEvent::Connectivity { .. })) {
                world.report(who);
            }
        }
    }
    assert_eq!((world.phase(0), world.phase(1)), (Some(CallPhase::Connecting), Some(CallPhase::Connecting)));
    assert_eq!(limits::MEDIA, Duration::from_secs(30));
    world.pass(limits::MEDIA - MOMENT);
    assert_eq!(world.phase(0), Some(CallPhase::Connecting));
    world.pass(MOMENT);
    world.settle();
    assert_eq!((world.call(0), world.call(1)), (None, None));
    assert!(world.people.iter().any(|person| {
        matches!(person.client.view().notice, Some(Notice::CallEnded { reason: EndReason::Failed, .. }))
    }));
}

#[test]
fn ending_lasts_two_seconds_at_most() {
    let mut world = World::in_call(2);
    world.command(0, Command::HangUp);
    while world.deliver_to_server(0) {}
    assert_eq!(limits::ENDING, Duration::from_secs(2));
    world.registry.tick(world.now + limits::ENDING - MOMENT);
    assert_eq!((world.state(0), world.state(1)), (UserState::Ending, UserState::Ending));
    world.registry.tick(world.now + limits::ENDING);
    assert_eq!((world.state(0), world.state(1)), (UserState::Online, UserState::Online));
    world.registry.check();
}

#[test]
fn a_client_whose_engine_never_lets_go_is_free_after_two_seconds() {
    let mut world = World::in_call(2);
    world.command(0, Command::HangUp);
    world.people[0].engine.reports.clear();
    world.pass(limits::ENDING - MOMENT);
    assert_eq!(world.phase(0), Some(CallPhase::Ending));
    world.pass(MOMENT);
    assert_eq!(world.call(0), None);
}

#[test]
fn media_that_stops_is_renewed_and_after_25_seconds_the_call_has_failed() {
    let mut world = World::in_call(2);
    let peer = world.call(0).and_then(|call| call.peer).unwrap();
    world.people[1].engine.live.clear();
    world.input(0, Input::Media(MediaEvent::Connectivity { peer, state: Connectivity::Disconnected }));
    assert_eq!(world.phase(0), Some(CallPhase::Reconnecting));
    world.pass(Duration::from_secs(2));
    assert!(
        world.people[0].engine.reports.iter().any(|report| matches!(report, MediaEvent::LocalDescription { .. })),
        "ICE is restarted"
    );
    world.people[0].engine.reports.clear();
    world.pass(Duration::from_secs(23) - MOMENT);
    assert_eq!(world.phase(0), Some(CallPhase::Reconnecting));
    world.pass(MOMENT);
    assert_eq!(world.phase(0), Some(CallPhase::Ending));
}
