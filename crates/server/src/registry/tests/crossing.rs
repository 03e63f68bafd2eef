//! Two people call each other at once: they get one call.

use hutong_core::{CallPhase, Command, Notice};

use super::world::World;

fn both_are_in_one_call(world: &World) {
    assert_eq!((world.phase(0), world.phase(1)), (Some(CallPhase::Connected), Some(CallPhase::Connected)));
    assert_eq!(world.registry.calls_known(), 1);
    assert_eq!((&world.people[0].client.view().notice, &world.people[1].client.view().notice), (&None, &None));
    world.check_agreement();
}

#[test]
fn when_both_offers_are_under_way_the_first_stands() {
    for first in [0, 1] {
        let mut world = World::logged_in(2);
        world.calls(0, 1);
        world.calls(1, 0);
        world.report(0);
        world.report(1);
        world.deliver_to_server(first);
        world.deliver_to_server(1 - first);
        world.settle();
        both_are_in_one_call(&world);
    }
}

#[test]
fn when_one_is_still_asked_for_permission_that_is_a_yes_too() {
    let mut world = World::logged_in(2);
    world.calls(0, 1);
    world.calls(1, 0);
    world.report(0);
    world.deliver_to_server(0);
    world.deliver_to_client(1);
    assert_eq!(world.phase(1), Some(CallPhase::Accepting));
    world.settle();
    both_are_in_one_call(&world);
}

#[test]
fn a_third_one_comes_too_late() {
    let mut world = World::logged_in(3);
    world.calls(0, 1);
    world.calls(1, 0);
    world.calls(2, 0);
    world.settle();
    assert_eq!((world.phase(0), world.phase(1)), (Some(CallPhase::Connected), Some(CallPhase::Connected)));
    assert!(matches!(world.people[2].client.view().notice, Some(Notice::CannotCall { .. })));
    world.check_agreement();
}

#[test]
fn a_ring_from_somebody_else_goes_before_an_own_offer_that_will_be_refused() {
    let mut world = World::logged_in(3);
    world.calls(2, 0);
    world.calls(0, 1);
    world.report(2);
    world.report(0);
    world.deliver_to_server(2);
    world.settle();
    assert_eq!((world.phase(0), world.phase(2)), (Some(CallPhase::Incoming), Some(CallPhase::Ringing)));
    assert_eq!(world.call(1), None);
    assert!(world.people[0].engine.live.is_empty(), "the devices of the own try are let go");
    world.check_agreement();
}

#[test]
fn both_hang_up_at_once() {
    let mut world = World::in_call(2);
    world.command(0, Command::HangUp);
    world.command(1, Command::HangUp);
    world.settle();
    assert_eq!((world.call(0), world.call(1)), (None, None));
    assert_eq!((&world.people[0].client.view().notice, &world.people[1].client.view().notice), (&None, &None));
    world.check_agreement();
}

#[test]
fn giving_up_and_accepting_cross() {
    let mut world = World::logged_in(2);
    world.calls(0, 1);
    world.settle();
    world.command(0, Command::HangUp);
    world.command(1, Command::Accept { media: hutong_protocol::MediaKind::Video });
    world.report(1);
    world.report(1);
    world.settle();
    assert_eq!((world.call(0), world.call(1)), (None, None));
    assert!(world.people[1].engine.live.is_empty());
    world.check_agreement();
}

#[test]
fn a_call_that_this_client_knows_nothing_of_is_cancelled_at_once() {
    use hutong_core::Input;
    use hutong_protocol::{CallId, ServerMessage, Ticket, UserState};
    let mut world = World::logged_in(2);
    let (caller, target) = (world.token(0).unwrap(), world.token(1).unwrap());
    let offering = hutong_protocol::ClientMessage::Offering { to: target, media: hutong_protocol::MediaKind::Video };
    let conn = world.registry.state.users.get(caller).and_then(|record| record.conn).unwrap();
    world.registry.received(world.now, conn, offering);
    while world.registry.poll_effect().is_some() {}
    let call = *world.registry.state.calls.keys().next().unwrap();
    world.input(0, Input::Message(ServerMessage::Ringing { call, to: target }));
    world.settle();
    assert_eq!((world.state(0), world.state(1)), (UserState::Online, UserState::Online));

    // The same for what is over, and for what never was: no call appears here.
    let sdp = String::new();
    let confirm = ServerMessage::Confirm { call: CallId(5), sdp, ticket: Ticket::new("") };
    world.input(0, Input::Message(confirm));
    world.settle();
    assert_eq!(world.call(0), None);
    world.check_agreement();
}
