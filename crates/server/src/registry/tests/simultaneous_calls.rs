//! Calls that cross: two users call each other, hang up or cancel at the same time.

use hutong_core::{CallPhase, Command, Notice};

use super::world::RegistryWorld;

fn assert_one_call(world: &RegistryWorld) {
    assert_eq!((world.phase(0), world.phase(1)), (Some(CallPhase::Connected), Some(CallPhase::Connected)));
    assert_eq!(world.registry.known_calls(), 1);
    assert_eq!(
        (&world.participants[0].client.view().notice, &world.participants[1].client.view().notice),
        (&None, &None)
    );
    world.check_agreement();
}

#[test]
fn when_both_users_send_offering_the_first_call_wins() {
    for first in [0, 1] {
        let mut world = RegistryWorld::logged_in(2);
        world.start_call(0, 1);
        world.start_call(1, 0);
        world.deliver_media_event(0);
        world.deliver_media_event(1);
        world.deliver_to_server(first);
        world.deliver_to_server(1 - first);
        world.deliver_all();
        assert_one_call(&world);
    }
}

#[test]
fn a_user_who_is_calling_the_caller_accepts_the_incoming_call() {
    let mut world = RegistryWorld::logged_in(2);
    world.start_call(0, 1);
    world.start_call(1, 0);
    world.deliver_media_event(0);
    world.deliver_to_server(0);
    world.deliver_to_client(1);
    assert_eq!(world.phase(1), Some(CallPhase::Accepting));
    world.deliver_all();
    assert_one_call(&world);
}

#[test]
fn a_third_caller_is_refused_when_two_users_call_each_other() {
    let mut world = RegistryWorld::logged_in(3);
    world.start_call(0, 1);
    world.start_call(1, 0);
    world.start_call(2, 0);
    world.deliver_all();
    assert_eq!((world.phase(0), world.phase(1)), (Some(CallPhase::Connected), Some(CallPhase::Connected)));
    assert!(matches!(world.participants[2].client.view().notice, Some(Notice::CannotCall { .. })));
    world.check_agreement();
}

#[test]
fn an_incoming_call_replaces_an_outgoing_call_that_the_server_will_refuse() {
    let mut world = RegistryWorld::logged_in(3);
    world.start_call(2, 0);
    world.start_call(0, 1);
    world.deliver_media_event(2);
    world.deliver_media_event(0);
    world.deliver_to_server(2);
    world.deliver_all();
    assert_eq!((world.phase(0), world.phase(2)), (Some(CallPhase::Incoming), Some(CallPhase::Ringing)));
    assert_eq!(world.call(1), None);
    assert!(world.participants[0].engine.peers.is_empty(), "the devices of the outgoing call are released");
    world.check_agreement();
}

#[test]
fn both_users_may_hang_up_at_the_same_time() {
    let mut world = RegistryWorld::in_call(2);
    world.command(0, Command::HangUp);
    world.command(1, Command::HangUp);
    world.deliver_all();
    assert_eq!((world.call(0), world.call(1)), (None, None));
    assert_eq!(
        (&world.participants[0].client.view().notice, &world.participants[1].client.view().notice),
        (&None, &None)
    );
    world.check_agreement();
}

#[test]
fn a_hangup_that_crosses_an_accept_ends_the_call() {
    let mut world = RegistryWorld::logged_in(2);
    world.start_call(0, 1);
    world.deliver_all();
    world.command(0, Command::HangUp);
    world.command(1, Command::Accept { media: hutong_protocol::MediaKind::Video });
    world.deliver_media_event(1);
    world.deliver_media_event(1);
    world.deliver_all();
    assert_eq!((world.call(0), world.call(1)), (None, None));
    assert!(world.participants[1].engine.peers.is_empty());
    world.check_agreement();
}

#[test]
fn a_client_cancels_a_call_that_it_does_not_know() {
    use hutong_core::Input;
    use hutong_protocol::{CallId, CallTicket, ServerMessage, UserState};
    let mut world = RegistryWorld::logged_in(2);
    let (caller, target) = (world.token(0).unwrap(), world.token(1).unwrap());
    let offering = hutong_protocol::ClientMessage::Offering { to: target, media: hutong_protocol::MediaKind::Video };
    let conn = world.registry.state.users.get(caller).and_then(|record| record.conn).unwrap();
    world.registry.handle_message(world.now, conn, offering);
    while world.registry.poll_effect().is_some() {}
    let call = *world.registry.state.calls.keys().next().unwrap();
    world.input(0, Input::Message(ServerMessage::Ringing { call, to: target }));
    world.deliver_all();
    assert_eq!((world.state(0), world.state(1)), (UserState::Online, UserState::Online));

    // Confirm for an unknown call creates no call either.
    let sdp = String::new();
    let confirm = ServerMessage::Confirm { call: CallId(5), sdp, ticket: CallTicket::new("") };
    world.input(0, Input::Message(confirm));
    world.deliver_all();
    assert_eq!(world.call(0), None);
    world.check_agreement();
}
