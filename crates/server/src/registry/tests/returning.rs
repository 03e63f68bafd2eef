//! Lost connections, reloaded pages, a restarted server: who is still in a call comes back into it, and nobody else.

use std::time::Duration;

use hutong_core::{CallPhase, Command, Input, Notice, Session};
use hutong_protocol::{CancelReason, ClientMessage, EndReason, MediaKind, ServerMessage, Ticket, UserState, limits};

use super::world::World;
use crate::registry::{ConnId, Effect};

const MOMENT: Duration = Duration::from_millis(1);

/// Cuts a person's connection and lets both ends notice, without letting it come back yet.
fn lose(world: &mut World, who: usize) {
    world.people[who].cut_off = true;
    world.cut(who);
    world.settle();
    assert_eq!(world.state(who), UserState::Offline);
}

#[test]
fn a_call_goes_on_while_one_connection_is_lost() {
    let mut world = World::in_call(3);
    let token = world.token(1);
    lose(&mut world, 1);
    assert_eq!(world.state(0), UserState::InCall);
    assert_eq!((world.phase(0), world.phase(1)), (Some(CallPhase::Connected), Some(CallPhase::Connected)));
    world.people[1].cut_off = false;
    world.live_on(Duration::from_secs(20));
    assert_eq!(world.token(1), token, "the ticket keeps the token");
    assert_eq!((world.state(0), world.state(1)), (UserState::InCall, UserState::InCall));
    assert_eq!((world.phase(0), world.phase(1)), (Some(CallPhase::Connected), Some(CallPhase::Connected)));
    world.check_agreement();
}

#[test]
fn both_connections_are_lost_and_it_takes_both_claims() {
    let mut world = World::in_call(3);
    lose(&mut world, 0);
    lose(&mut world, 1);
    world.people[0].cut_off = false;
    world.live_on(Duration::from_secs(5));
    world.live_on(Duration::from_secs(11));
    assert_eq!(world.state(0), UserState::Connecting, "one claim alone puts nobody into the call");
    world.calls(2, 0);
    let told = &world.people[2].client.view().notice;
    assert!(matches!(told, Some(Notice::CannotCall { state: UserState::Connecting, .. })), "{told:?}");
    world.people[1].cut_off = false;
    world.live_on(Duration::from_secs(12));
    assert_eq!((world.state(0), world.state(1)), (UserState::InCall, UserState::InCall));
    world.check_agreement();
}

#[test]
fn an_unclaimed_call_has_ended_after_30_seconds() {
    assert_eq!(limits::CLAIM, Duration::from_secs(30));
    let mut world = World::in_call(2);
    world.cut(1);
    world.deliver_to_server(1);
    world.people[1].cut_off = true;
    world.deliver_to_client(1);
    world.pass(limits::CLAIM - MOMENT);
    assert_eq!(world.state(0), UserState::InCall);
    world.pass(MOMENT);
    world.settle();
    assert_eq!((world.call(0), world.call(1)), (None, None));
    let told = &world.people[0].client.view().notice;
    assert!(matches!(told, Some(Notice::CallEnded { reason: EndReason::Gone, .. })), "{told:?}");
    assert_eq!(world.state(0), UserState::Online);
}

#[test]
fn a_call_survives_a_restart_of_the_server() {
    let mut world = World::in_call(4);
    world.calls(2, 3);
    world.settle();
    world.command(3, Command::Accept { media: hutong_protocol::MediaKind::Voice });
    world.settle();
    let tokens: Vec<_> = (0..4).map(|who| world.token(who)).collect();
    world.restart_server();
    world.live_on(Duration::from_secs(25));
    assert_eq!(tokens, (0..4).map(|who| world.token(who)).collect::<Vec<_>>());
    for who in 0..4 {
        assert_eq!((world.state(who), world.phase(who)), (UserState::InCall, Some(CallPhase::Connected)), "{who}");
    }
    world.check_agreement();
}

#[test]
fn a_call_of_a_restarted_server_ends_when_only_one_comes_back() {
    let mut world = World::in_call(2);
    world.people[1].cut_off = true;
    world.restart_server();
    world.live_on(Duration::from_secs(10));
    assert_eq!(world.state(0), UserState::Connecting);
    world.live_on(Duration::from_secs(40));
    assert_eq!((world.state(0), world.call(0)), (UserState::Online, None));
}

#[test]
fn hanging_up_while_the_other_is_away_ends_the_call_for_both() {
    let mut world = World::in_call(2);
    lose(&mut world, 1);
    world.command(0, Command::HangUp);
    world.settle();
    assert_eq!(world.state(0), UserState::Online);
    world.people[1].cut_off = false;
    world.live_on(Duration::from_secs(20));
    assert_eq!((world.call(1), world.state(1)), (None, UserState::Online));
    world.check_agreement();
}

#[test]
fn a_cancel_made_while_away_is_sent_after_coming_back() {
    let mut world = World::in_call(2);
    lose(&mut world, 1);
    world.command(1, Command::HangUp);
    world.settle();
    assert_eq!(world.state(0), UserState::InCall);
    world.people[1].cut_off = false;
    world.live_on(Duration::from_secs(20));
    let told = &world.people[0].client.view().notice;
    assert!(matches!(told, Some(Notice::CallEnded { reason: EndReason::Hangup, .. })), "{told:?}");
    assert_eq!((world.state(0), world.state(1)), (UserState::Online, UserState::Online));
    world.check_agreement();
}

#[test]
fn a_cancel_that_was_lost_with_the_connection_is_sent_after_coming_back() {
    for let_go_before in [false, true] {
        let mut world = World::in_call(2);
        world.command(1, Command::HangUp);
        if let_go_before {
            world.report(1);
            assert_eq!(world.call(1), None);
        }
        world.cut(1);
        world.live_on(Duration::from_secs(5));
        assert_eq!((world.call(0), world.call(1)), (None, None));
        let told = &world.people[0].client.view().notice;
        assert!(matches!(told, Some(Notice::CallEnded { reason: EndReason::Hangup, .. })), "{told:?}");
        assert_eq!((world.state(0), world.state(1)), (UserState::Online, UserState::Online));
        assert_eq!(world.people[1].saved.as_ref().and_then(|saved| saved.call), None);
        world.check_agreement();
    }
}

#[test]
fn logging_out_ends_the_call_at_once() {
    let mut world = World::in_call(2);
    let conn = world.registry.state.users.get(world.token(1).unwrap()).and_then(|record| record.conn).unwrap();
    world.registry.received(world.now, conn, ClientMessage::LogOut);
    world.settle();
    let told = &world.people[0].client.view().notice;
    assert!(matches!(told, Some(Notice::CallEnded { reason: EndReason::Gone, .. })), "{told:?}");
    assert_eq!((world.state(0), world.call(0)), (UserState::Online, None));
    assert_eq!(world.registry.calls_known(), 0);
}

#[test]
fn a_cancel_that_the_server_has_heard_is_not_sent_again() {
    let mut world = World::in_call(2);
    world.command(1, Command::HangUp);
    world.settle();
    lose(&mut world, 1);
    assert_eq!(world.people[1].saved.as_ref().and_then(|saved| saved.call), None);
}

#[test]
fn a_reloaded_page_logs_in_again_and_cancels_its_call() {
    let mut world = World::in_call(2);
    let token = world.token(1);
    world.reload(1);
    world.settle();
    assert_eq!(world.token(1), token);
    assert_eq!((world.call(0), world.call(1)), (None, None));
    assert_eq!((world.state(0), world.state(1)), (UserState::Online, UserState::Online));
    assert_eq!(world.people[1].saved.as_ref().and_then(|saved| saved.call), None);
    world.check_agreement();
}

#[test]
fn a_reloaded_interface_finds_its_session_and_its_dead_call_is_cancelled() {
    let mut world = World::in_call(2);
    world.people[1].engine = Default::default();
    world.input(1, Input::InterfaceReloaded);
    world.settle();
    assert!(matches!(world.people[1].client.view().session, Session::LoggedIn { .. }));
    assert_eq!((world.call(0), world.call(1)), (None, None));
    world.check_agreement();

    world.calls(0, 1);
    world.settle();
    world.input(1, Input::InterfaceReloaded);
    assert_eq!(world.phase(1), Some(CallPhase::Incoming), "a ring goes on: nothing of it was in the interface");
}

#[test]
fn a_lost_connection_before_confirm_ends_the_call() {
    for lost in [0, 1] {
        let mut world = World::logged_in(2);
        world.calls(0, 1);
        world.settle();
        lose(&mut world, lost);
        assert_eq!((world.call(0), world.call(1)), (None, None));
        assert_eq!(world.state(1 - lost), UserState::Online);
    }
}

#[test]
fn the_same_user_elsewhere_puts_the_old_connection_out_and_they_do_not_fight() {
    let mut world = World::logged_in(2);
    let ticket = world.people[0].saved.clone().unwrap().ticket;
    let tab = ConnId(500);
    world.registry.received(
        world.now,
        tab,
        ClientMessage::Hello { name: "person 0".into(), resume: Some(ticket), secret: None },
    );
    let mut effects = std::iter::from_fn(|| world.registry.poll_effect()).collect::<Vec<_>>();
    let welcome = effects.pop();
    assert!(matches!(welcome, Some(Effect::Welcome { to, .. }) if to == tab));
    let code = match effects.pop() {
        Some(Effect::Close { code, .. }) => code,
        other => panic!("{other:?}"),
    };
    world.input(0, Input::Message(ServerMessage::Refused { code, message: String::new() }));
    assert!(matches!(world.people[0].client.view().session, Session::Replaced { .. }));
    world.live_on(Duration::from_secs(60));
    assert!(
        matches!(world.people[0].client.view().session, Session::Replaced { .. }),
        "it does not come back by itself"
    );
}

#[test]
fn a_forged_or_foreign_ticket_gets_nothing() {
    let mut world = World::in_call(3);
    let call = *world.registry.state.calls.keys().next().unwrap();
    let members = [world.token(0).unwrap(), world.token(1).unwrap()];
    let real = world.registry.state.signer.call(world.now, call, members);
    let altered = Ticket::new(&real.as_str().replace("c1.", "c1.1"));
    let conn = world.registry.state.users.get(world.token(2).unwrap()).and_then(|record| record.conn).unwrap();
    for ticket in [real, altered, Ticket::new(""), Ticket::new("c1.1.2.3.4.5")] {
        world.registry.received(world.now, conn, ClientMessage::Claim { ticket });
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

/// Person 1 comes back as far as hello, then person 2 calls; the claim is still on its way.
fn come_back_and_be_called(world: &mut World) {
    world.people[1].cut_off = false;
    let mut waited = 0;
    while world.state(1) == UserState::Offline {
        world.pass(Duration::from_millis(10));
        world.deliver_to_server(1);
        waited += 1;
        assert!(waited < 2_000);
    }
    while world.deliver_to_client(2) {}
    world.pass(limits::PRESENCE_GATHER);
    while world.deliver_to_client(2) {}
    world.calls(2, 1);
    world.report(2);
    world.deliver_to_server(2);
    assert_eq!(world.state(1), UserState::Connecting, "it is rung");
}

#[test]
fn a_ring_between_coming_back_and_claiming_gives_way_to_the_call() {
    let mut world = World::in_call(3);
    lose(&mut world, 1);
    come_back_and_be_called(&mut world);
    world.settle();
    assert_eq!(
        (world.state(0), world.state(1), world.state(2)),
        (UserState::InCall, UserState::InCall, UserState::Online)
    );
    let told = &world.people[2].client.view().notice;
    assert!(matches!(told, Some(Notice::CallEnded { reason: EndReason::Busy, .. })), "{told:?}");
    world.check_agreement();
}

#[test]
fn a_ring_between_coming_back_and_a_claim_of_what_is_over_does_not_ring_on_unseen() {
    let mut world = World::in_call(3);
    lose(&mut world, 1);
    world.command(0, Command::HangUp);
    world.settle();
    come_back_and_be_called(&mut world);
    world.settle();
    assert_eq!((world.call(1), world.call(2)), (None, None));
    assert_eq!((world.state(1), world.state(2)), (UserState::Online, UserState::Online));
    world.check_agreement();
}

#[test]
fn a_call_that_its_last_claimant_cancels_is_forgotten_at_once() {
    let mut world = World::in_call(2);
    world.cut(0);
    world.deliver_to_server(0);
    world.deliver_to_client(0);
    world.command(0, Command::HangUp);
    world.command(1, Command::HangUp);
    world.live_on(Duration::from_secs(3));
    assert_eq!((world.state(0), world.state(1)), (UserState::Online, UserState::Online));
    assert_eq!(world.registry.calls_known(), 0, "it is not kept for the rest of the 30 s");
}

#[test]
fn a_call_that_is_over_when_its_last_member_goes_is_forgotten_too() {
    let mut world = World::logged_in(2);
    let (ana, bo) = (ConnId(0), ConnId(1));
    let (now, to) = (world.now, world.token(1).unwrap());
    let registry = &mut world.registry;
    registry.received(now, ana, ClientMessage::Offering { to, media: MediaKind::Video });
    let call = *registry.state.calls.keys().next().unwrap();
    registry.received(now, bo, ClientMessage::Confirm { call, sdp: String::new() });
    // Its deadline is that of CALLING, and later that of Bo's letting go: the one of Ana's claim is behind both.
    registry.disconnected(now, ana);
    registry.received(now, bo, ClientMessage::Cancel { call, reason: CancelReason::Hangup });
    registry.disconnected(now, bo);
    registry.check();
    for seconds in 0..=limits::CLAIM.as_secs() {
        registry.tick(now + Duration::from_secs(seconds));
    }
    assert_eq!(registry.calls_known(), 0);
}
