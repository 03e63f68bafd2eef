//! Lost connections, reloaded pages and restarted servers: members rejoin their call with a valid ticket.

use std::time::Duration;

use hutong_core::{CallPhase, Command, Input, Notice, SessionView};
use hutong_protocol::{
    CallTicket, CancelReason, ClientMessage, EndReason, MediaKind, ServerMessage, UserState, limits,
};

use super::world::RegistryWorld;
use crate::registry::{ConnId, Effect};

const MILLISECOND: Duration = Duration::from_millis(1);

/// Breaks a participant's connection, lets both ends notice, and keeps the network down.
fn disconnect(world: &mut RegistryWorld, index: usize) {
    world.participants[index].network_down = true;
    world.break_connection(index);
    world.deliver_all();
    assert_eq!(world.state(index), UserState::Offline);
}

#[test]
fn a_call_continues_while_one_member_is_disconnected() {
    let mut world = RegistryWorld::in_call(3);
    let token = world.token(1);
    disconnect(&mut world, 1);
    assert_eq!(world.state(0), UserState::InCall);
    assert_eq!((world.phase(0), world.phase(1)), (Some(CallPhase::Connected), Some(CallPhase::Connected)));
    world.participants[1].network_down = false;
    world.run_for(Duration::from_secs(20));
    assert_eq!(world.token(1), token, "the ticket keeps the token");
    assert_eq!((world.state(0), world.state(1)), (UserState::InCall, UserState::InCall));
    assert_eq!((world.phase(0), world.phase(1)), (Some(CallPhase::Connected), Some(CallPhase::Connected)));
    world.check_agreement();
}

#[test]
fn when_both_connections_are_lost_the_call_needs_both_claims() {
    let mut world = RegistryWorld::in_call(3);
    disconnect(&mut world, 0);
    disconnect(&mut world, 1);
    world.participants[0].network_down = false;
    world.run_for(Duration::from_secs(5));
    world.run_for(Duration::from_secs(11));
    assert_eq!(world.state(0), UserState::Connecting, "after one claim nobody is in the call yet");
    world.start_call(2, 0);
    let notice = &world.participants[2].client.view().notice;
    assert!(matches!(notice, Some(Notice::CannotCall { state: UserState::Connecting, .. })), "{notice:?}");
    world.participants[1].network_down = false;
    world.run_for(Duration::from_secs(12));
    assert_eq!((world.state(0), world.state(1)), (UserState::InCall, UserState::InCall));
    world.check_agreement();
}

#[test]
fn an_unclaimed_call_ends_after_30_seconds() {
    assert_eq!(limits::CLAIM_WINDOW, Duration::from_secs(30));
    let mut world = RegistryWorld::in_call(2);
    world.break_connection(1);
    world.deliver_to_server(1);
    world.participants[1].network_down = true;
    world.deliver_to_client(1);
    world.advance(limits::CLAIM_WINDOW - MILLISECOND);
    assert_eq!(world.state(0), UserState::InCall);
    world.advance(MILLISECOND);
    world.deliver_all();
    assert_eq!((world.call(0), world.call(1)), (None, None));
    let notice = &world.participants[0].client.view().notice;
    assert!(matches!(notice, Some(Notice::CallEnded { reason: EndReason::Gone, .. })), "{notice:?}");
    assert_eq!(world.state(0), UserState::Online);
}

#[test]
fn a_call_survives_a_restart_of_the_server() {
    let mut world = RegistryWorld::in_call(4);
    world.start_call(2, 3);
    world.deliver_all();
    world.command(3, Command::Accept { media: hutong_protocol::MediaKind::Voice });
    world.deliver_all();
    let tokens: Vec<_> = (0..4).map(|index| world.token(index)).collect();
    world.restart_server();
    world.run_for(Duration::from_secs(25));
    assert_eq!(tokens, (0..4).map(|index| world.token(index)).collect::<Vec<_>>());
    for index in 0..4 {
        assert_eq!(
            (world.state(index), world.phase(index)),
            (UserState::InCall, Some(CallPhase::Connected)),
            "{index}"
        );
    }
    world.check_agreement();
}

#[test]
fn after_a_restart_the_call_ends_when_only_one_member_claims_it() {
    let mut world = RegistryWorld::in_call(2);
    world.participants[1].network_down = true;
    world.restart_server();
    world.run_for(Duration::from_secs(10));
    assert_eq!(world.state(0), UserState::Connecting);
    world.run_for(Duration::from_secs(40));
    assert_eq!((world.state(0), world.call(0)), (UserState::Online, None));
}

#[test]
fn hanging_up_while_the_other_member_is_disconnected_ends_the_call_for_both() {
    let mut world = RegistryWorld::in_call(2);
    disconnect(&mut world, 1);
    world.command(0, Command::HangUp);
    world.deliver_all();
    assert_eq!(world.state(0), UserState::Online);
    world.participants[1].network_down = false;
    world.run_for(Duration::from_secs(20));
    assert_eq!((world.call(1), world.state(1)), (None, UserState::Online));
    world.check_agreement();
}

#[test]
fn a_hangup_while_disconnected_is_sent_after_reconnecting() {
    let mut world = RegistryWorld::in_call(2);
    disconnect(&mut world, 1);
    world.command(1, Command::HangUp);
    world.deliver_all();
    assert_eq!(world.state(0), UserState::InCall);
    world.participants[1].network_down = false;
    world.run_for(Duration::from_secs(20));
    let notice = &world.participants[0].client.view().notice;
    assert!(matches!(notice, Some(Notice::CallEnded { reason: EndReason::Hangup, .. })), "{notice:?}");
    assert_eq!((world.state(0), world.state(1)), (UserState::Online, UserState::Online));
    world.check_agreement();
}

#[test]
fn a_cancel_lost_with_the_connection_is_sent_again_after_reconnecting() {
    for released_before in [false, true] {
        let mut world = RegistryWorld::in_call(2);
        world.command(1, Command::HangUp);
        if released_before {
            world.deliver_media_event(1);
            assert_eq!(world.call(1), None);
        }
        world.break_connection(1);
        world.run_for(Duration::from_secs(5));
        assert_eq!((world.call(0), world.call(1)), (None, None));
        let notice = &world.participants[0].client.view().notice;
        assert!(matches!(notice, Some(Notice::CallEnded { reason: EndReason::Hangup, .. })), "{notice:?}");
        assert_eq!((world.state(0), world.state(1)), (UserState::Online, UserState::Online));
        assert_eq!(world.participants[1].saved.as_ref().and_then(|saved| saved.call), None);
        world.check_agreement();
    }
}

#[test]
fn logout_ends_the_call_at_once() {
    let mut world = RegistryWorld::in_call(2);
    let conn = world.registry.state.users.get(world.token(1).unwrap()).and_then(|record| record.conn).unwrap();
    world.registry.handle_message(world.now, conn, ClientMessage::LogOut);
    world.deliver_all();
    let notice = &world.participants[0].client.view().notice;
    assert!(matches!(notice, Some(Notice::CallEnded { reason: EndReason::Gone, .. })), "{notice:?}");
    assert_eq!((world.state(0), world.call(0)), (UserState::Online, None));
    assert_eq!(world.registry.known_calls(), 0);
}

#[test]
fn a_cancel_that_the_server_received_is_not_sent_again() {
    let mut world = RegistryWorld::in_call(2);
    world.command(1, Command::HangUp);
    world.deliver_all();
    disconnect(&mut world, 1);
    assert_eq!(world.participants[1].saved.as_ref().and_then(|saved| saved.call), None);
}

#[test]
fn a_reloaded_page_resumes_its_session_and_cancels_its_call() {
    let mut world = RegistryWorld::in_call(2);
    let token = world.token(1);
    world.reload_page(1);
    world.deliver_all();
    assert_eq!(world.token(1), token);
    assert_eq!((world.call(0), world.call(1)), (None, None));
    assert_eq!((world.state(0), world.state(1)), (UserState::Online, UserState::Online));
    assert_eq!(world.participants[1].saved.as_ref().and_then(|saved| saved.call), None);
    world.check_agreement();
}

#[test]
fn a_reloaded_interface_keeps_its_session_and_cancels_its_established_call() {
    let mut world = RegistryWorld::in_call(2);
    world.participants[1].engine = Default::default();
    world.input(1, Input::PageReloaded);
    world.deliver_all();
    assert!(matches!(world.participants[1].client.view().session, SessionView::LoggedIn { .. }));
    assert_eq!((world.call(0), world.call(1)), (None, None));
    world.check_agreement();

    world.start_call(0, 1);
    world.deliver_all();
    world.input(1, Input::PageReloaded);
    assert_eq!(
        world.phase(1),
        Some(CallPhase::Incoming),
        "an incoming call keeps ringing: the interface held no state of it"
    );
}

#[test]
fn losing_the_connection_before_confirm_ends_the_call() {
    for lost in [0, 1] {
        let mut world = RegistryWorld::logged_in(2);
        world.start_call(0, 1);
        world.deliver_all();
        disconnect(&mut world, lost);
        assert_eq!((world.call(0), world.call(1)), (None, None));
        assert_eq!(world.state(1 - lost), UserState::Online);
    }
}

#[test]
fn a_second_login_replaces_the_first_connection_which_does_not_reconnect() {
    let mut world = RegistryWorld::logged_in(2);
    let ticket = world.participants[0].saved.clone().unwrap().ticket;
    let tab = ConnId(500);
    world.registry.handle_message(
        world.now,
        tab,
        ClientMessage::Hello { name: "person 0".into(), resume: Some(ticket), secret: None, replace: false },
    );
    let mut effects = std::iter::from_fn(|| world.registry.poll_effect()).collect::<Vec<_>>();
    let welcome = effects.pop();
    assert!(matches!(welcome, Some(Effect::Welcome { to, .. }) if to == tab));
    let code = match effects.pop() {
        Some(Effect::Close { code, .. }) => code,
        other => panic!("{other:?}"),
    };
    world.input(0, Input::Message(ServerMessage::Refused { code, message: String::new() }));
    assert!(matches!(world.participants[0].client.view().session, SessionView::Replaced { .. }));
    world.run_for(Duration::from_secs(60));
    assert!(
        matches!(world.participants[0].client.view().session, SessionView::Replaced { .. }),
        "the replaced client does not reconnect"
    );
}

#[test]
fn claims_with_forged_or_foreign_tickets_are_refused() {
    let mut world = RegistryWorld::in_call(3);
    let call = *world.registry.state.calls.keys().next().unwrap();
    let members = [world.token(0).unwrap(), world.token(1).unwrap()];
    let real = world.registry.state.signer.call(world.now, call, members);
    let altered = CallTicket::new(&real.as_str().replace("c1.", "c1.1"));
    let conn = world.registry.state.users.get(world.token(2).unwrap()).and_then(|record| record.conn).unwrap();
    for ticket in [real, altered, CallTicket::new(""), CallTicket::new("c1.1.2.3.4.5")] {
        world.registry.handle_message(world.now, conn, ClientMessage::Claim { ticket });
        let answer = world.registry.poll_effect();
        assert!(
            matches!(&answer, Some(Effect::Send { to, message: ServerMessage::Error { code, .. } })
                if *to == conn && *code == hutong_protocol::ErrorCode::TicketInvalid),
            "{answer:?}"
        );
        world.registry.check();
    }
    assert_eq!(world.state(2), UserState::Online);
    assert_eq!((world.state(0), world.state(1)), (UserState::InCall, UserState::InCall));
}

/// Participant 1 logs in again, and participant 2 calls it before its claim arrives.
fn reconnect_and_be_called(world: &mut RegistryWorld) {
    world.participants[1].network_down = false;
    let mut waited = 0;
    while world.state(1) == UserState::Offline {
        world.advance(Duration::from_millis(10));
        world.deliver_to_server(1);
        waited += 1;
        assert!(waited < 2_000);
    }
    while world.deliver_to_client(2) {}
    world.advance(limits::PRESENCE_BATCH_DELAY);
    while world.deliver_to_client(2) {}
    world.start_call(2, 1);
    world.deliver_media_event(2);
    world.deliver_to_server(2);
    assert_eq!(world.state(1), UserState::Connecting, "the call rings");
}

#[test]
fn a_claim_replaces_a_call_that_rang_after_the_login() {
    let mut world = RegistryWorld::in_call(3);
    disconnect(&mut world, 1);
    reconnect_and_be_called(&mut world);
    world.deliver_all();
    assert_eq!(
        (world.state(0), world.state(1), world.state(2)),
        (UserState::InCall, UserState::InCall, UserState::Online)
    );
    let notice = &world.participants[2].client.view().notice;
    assert!(matches!(notice, Some(Notice::CallEnded { reason: EndReason::Busy, .. })), "{notice:?}");
    world.check_agreement();
}

#[test]
fn a_ringing_call_ends_when_a_claim_after_the_login_finds_its_call_ended() {
    let mut world = RegistryWorld::in_call(3);
    disconnect(&mut world, 1);
    world.command(0, Command::HangUp);
    world.deliver_all();
    reconnect_and_be_called(&mut world);
    world.deliver_all();
    assert_eq!((world.call(1), world.call(2)), (None, None));
    assert_eq!((world.state(1), world.state(2)), (UserState::Online, UserState::Online));
    world.check_agreement();
}

#[test]
fn an_ended_call_is_removed_when_its_last_possible_claimant_cancels() {
    let mut world = RegistryWorld::in_call(2);
    world.break_connection(0);
    world.deliver_to_server(0);
    world.deliver_to_client(0);
    world.command(0, Command::HangUp);
    world.command(1, Command::HangUp);
    world.run_for(Duration::from_secs(3));
    assert_eq!((world.state(0), world.state(1)), (UserState::Online, UserState::Online));
    assert_eq!(world.registry.known_calls(), 0, "the record is not kept for the rest of the 30 s");
}

#[test]
fn an_ended_call_is_removed_after_its_last_member_disconnects() {
    let mut world = RegistryWorld::logged_in(2);
    let (ana, bo) = (ConnId(0), ConnId(1));
    let (now, to) = (world.now, world.token(1).unwrap());
    let registry = &mut world.registry;
    registry.handle_message(now, ana, ClientMessage::Offering { to, media: MediaKind::Video });
    let call = *registry.state.calls.keys().next().unwrap();
    registry.handle_message(now, bo, ClientMessage::Confirm { call, sdp: String::new() });
    // The call's scheduled deadlines, CALLING and then Bo's release, are before that of Ana's claim.
    registry.handle_disconnect(now, ana);
    registry.handle_message(now, bo, ClientMessage::Cancel { call, reason: CancelReason::Hangup });
    registry.handle_disconnect(now, bo);
    registry.check();
    for seconds in 0..=limits::CLAIM_WINDOW.as_secs() {
        registry.tick(now + Duration::from_secs(seconds));
    }
    assert_eq!(registry.known_calls(), 0);
}
