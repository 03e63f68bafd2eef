//! Logins and calls between real clients, from OFFERING to the end.

use std::time::Duration;

use hutong_core::{CallDirection, CallOutcome, CallPhase, CallRecord, Command, MediaProblem, Notice, SessionView};
use hutong_protocol::{ClientMessage, EndReason, MediaKind, Name, RefusedCode, UserState, limits};

use super::world::RegistryWorld;
use UserState::{Connecting, Ending, InCall, Offline, Online};

const VIDEO: MediaKind = MediaKind::Video;

fn outcomes(world: &RegistryWorld, of: usize) -> Vec<CallOutcome> {
    world.participants[of].records.iter().map(|record| record.outcome).collect()
}

fn state_in_roster(world: &RegistryWorld, by: usize, of: usize) -> UserState {
    let token = world.token(of).unwrap();
    world.participants[by].client.view().users.get(&token).map_or(Offline, |user| user.state)
}

#[test]
fn logins_and_logouts_appear_in_every_roster() {
    let mut world = RegistryWorld::logged_in(3);
    world.check_agreement();
    assert_eq!((state_in_roster(&world, 0, 1), state_in_roster(&world, 1, 2)), (Online, Online));
    let gone = world.token(2).unwrap();
    world.command(2, Command::LogOut);
    world.deliver_all();
    assert!(!world.participants[0].client.view().users.contains_key(&gone));
    world.command(2, Command::LogIn { name: "person 2".into(), secret: None });
    world.deliver_all();
    assert!(
        matches!(world.participants[2].client.view().session, SessionView::LoggedIn { .. }),
        "logout frees the name"
    );
    assert_ne!(world.token(2), Some(gone), "a new login has a new token");
}

#[test]
fn a_call_passes_through_all_states() {
    let mut world = RegistryWorld::logged_in(3);
    world.start_call(0, 1);
    assert_eq!(world.phase(0), Some(CallPhase::Acquiring), "devices are acquired before OFFERING is sent");
    world.deliver_all();
    assert_eq!((world.phase(0), world.phase(1)), (Some(CallPhase::Ringing), Some(CallPhase::Incoming)));
    assert_eq!((state_in_roster(&world, 2, 0), state_in_roster(&world, 2, 1)), (Connecting, Connecting));

    world.command(1, Command::Accept { media: VIDEO });
    world.deliver_all();
    assert_eq!((world.phase(0), world.phase(1)), (Some(CallPhase::Connected), Some(CallPhase::Connected)));
    assert_eq!((state_in_roster(&world, 2, 0), state_in_roster(&world, 2, 1)), (InCall, InCall));
    world.check_agreement();

    world.command(0, Command::HangUp);
    while world.deliver_to_server(0) {}
    assert_eq!((world.state(0), world.state(1)), (Ending, Ending), "until both clients have released the call");
    world.deliver_all();
    assert_eq!((state_in_roster(&world, 2, 0), state_in_roster(&world, 2, 1)), (Online, Online));
    assert_eq!((world.call(0), world.call(1)), (None, None));
    let notice = &world.participants[1].client.view().notice;
    assert!(matches!(notice, Some(Notice::CallEnded { reason: EndReason::Hangup, .. })), "{notice:?}");
    assert_eq!(world.participants[0].client.view().notice, None, "no notice for the user who hung up");
}

#[test]
fn a_ringing_call_can_be_declined_and_cancelled() {
    let mut world = RegistryWorld::logged_in(2);
    world.start_call(0, 1);
    world.deliver_all();
    world.command(1, Command::Decline);
    world.deliver_all();
    let notice = &world.participants[0].client.view().notice;
    assert!(matches!(notice, Some(Notice::CallEnded { reason: EndReason::Declined, .. })), "{notice:?}");
    assert_eq!((world.state(0), world.state(1)), (Online, Online));

    world.start_call(0, 1);
    world.deliver_all();
    world.command(0, Command::HangUp);
    world.deliver_all();
    assert_eq!(world.participants[1].client.view().notice, None, "a missed call is listed instead");
    assert_eq!(outcomes(&world, 0), [CallOutcome::Declined, CallOutcome::Cancelled]);
    assert_eq!(outcomes(&world, 1), [CallOutcome::Declined, CallOutcome::Unanswered]);
    assert!(world.participants[1].records[1].is_missed());
    assert_eq!((world.state(0), world.state(1)), (Online, Online));
    world.check_agreement();
}

#[test]
fn a_call_cancelled_before_the_server_answers_stops_ringing() {
    let mut world = RegistryWorld::logged_in(2);
    world.start_call(0, 1);
    world.deliver_media_event(0);
    assert_eq!(world.phase(0), Some(CallPhase::Offering));
    world.command(0, Command::HangUp);
    world.deliver_all();
    assert_eq!((world.call(0), world.call(1)), (None, None));
    assert_eq!((world.state(0), world.state(1)), (Online, Online));
}

#[test]
fn a_user_in_a_call_learns_who_tried_to_call_and_is_not_pressed() {
    let mut world = RegistryWorld::in_call(4);
    for caller in [2, 3] {
        world.start_call(caller, 0);
        world.deliver_all();
        assert_eq!((world.call(caller), world.phase(0)), (None, Some(CallPhase::Connected)));
    }
    let missed = |index: usize| CallRecord {
        with: Name::new(&format!("person {index}")).unwrap(),
        direction: CallDirection::Incoming,
        media: VIDEO,
        outcome: CallOutcome::WhileBusy,
    };
    assert_eq!(world.participants[0].records, [missed(2), missed(3)]);
    assert_eq!(outcomes(&world, 2), [], "the caller reads a notice");
    for _ in 0..20 {
        world.start_call(2, 0);
        world.deliver_all();
    }
    let from_2 = world.participants[0].records.iter().filter(|record| **record == missed(2)).count();
    assert_eq!(from_2, limits::CALLS_TO_ONE_USER as usize);
    let notice = &world.participants[2].client.view().notice;
    assert!(matches!(notice, Some(Notice::CannotCall { state: InCall, .. })), "{notice:?}");

    // Who is free does not miss a call by a message that says so.
    let (token, before) = (world.token(3).unwrap(), world.participants[3].records.len());
    let conn = world.registry.user_conn(world.token(2).unwrap()).unwrap();
    world.registry.handle_message(world.now, conn, ClientMessage::Missed { to: token, media: VIDEO });
    world.deliver_all();
    assert_eq!(world.participants[3].records.len(), before);
}

#[test]
fn every_call_has_one_record_on_each_side() {
    type End = fn(&mut RegistryWorld);
    let cases: [(End, CallOutcome, CallOutcome); 5] = [
        (
            |world| {
                world.command(1, Command::Accept { media: VIDEO });
                world.deliver_all();
                world.command(0, Command::HangUp);
            },
            CallOutcome::Answered,
            CallOutcome::Answered,
        ),
        (|world| world.command(1, Command::Decline), CallOutcome::Declined, CallOutcome::Declined),
        (|world| world.command(0, Command::HangUp), CallOutcome::Cancelled, CallOutcome::Unanswered),
        (
            |world| world.run_for(limits::RING_TIMEOUT + Duration::from_secs(1)),
            CallOutcome::Unanswered,
            CallOutcome::Unanswered,
        ),
        (|world| world.command(0, Command::LogOut), CallOutcome::Cancelled, CallOutcome::Unanswered),
    ];
    for (index, (end, caller, callee)) in cases.into_iter().enumerate() {
        let mut world = RegistryWorld::logged_in(2);
        world.start_call(0, 1);
        world.deliver_all();
        end(&mut world);
        world.deliver_all();
        assert_eq!((outcomes(&world, 0), outcomes(&world, 1)), (vec![caller], vec![callee]), "case {index}");
    }
}

#[test]
fn busy_users_can_neither_call_nor_be_called() {
    let mut world = RegistryWorld::in_call(4);
    world.start_call(2, 0);
    let notice = &world.participants[2].client.view().notice;
    assert!(matches!(notice, Some(Notice::CannotCall { state: InCall, .. })), "{notice:?}");
    assert_eq!(world.call(2), None);

    world.start_call(2, 3);
    world.deliver_all();
    world.command(0, Command::HangUp);
    world.deliver_all();
    world.start_call(0, 3);
    let notice = &world.participants[0].client.view().notice;
    assert!(matches!(notice, Some(Notice::CannotCall { state: Connecting, .. })), "{notice:?}");
    assert_eq!(world.phase(3), Some(CallPhase::Incoming), "the first call still rings");
}

#[test]
fn the_server_refuses_a_second_caller_whose_roster_was_outdated() {
    let mut world = RegistryWorld::logged_in(3);
    world.start_call(0, 2);
    world.start_call(1, 2);
    world.deliver_all();
    assert_eq!(world.phase(0), Some(CallPhase::Ringing));
    assert_eq!(world.call(1), None);
    let notice = &world.participants[1].client.view().notice;
    assert!(matches!(notice, Some(Notice::CannotCall { state: Connecting, .. })), "{notice:?}");
    world.check_agreement();
}

#[test]
fn without_camera_permission_no_call_starts_and_a_voice_call_is_proposed() {
    let mut world = RegistryWorld::logged_in(2);
    world.participants[0].media_problem = Some(MediaProblem::CameraDenied);
    world.start_call(0, 1);
    world.deliver_all();
    assert_eq!((world.call(0), world.call(1)), (None, None));
    let notice = world.participants[0].client.view().notice.clone();
    let Some(Notice::Media { problem: MediaProblem::CameraDenied, voice_instead: Some(with), again: None }) = notice
    else {
        panic!("{notice:?}");
    };
    world.participants[0].media_problem = None;
    world.command(0, Command::Call { to: with.token, media: MediaKind::Voice });
    world.deliver_all();
    assert_eq!(world.phase(0), Some(CallPhase::Ringing));

    let mut world = RegistryWorld::logged_in(2);
    world.participants[0].media_problem = Some(MediaProblem::MicrophoneDenied);
    world.start_call(0, 1);
    world.deliver_all();
    let notice = &world.participants[0].client.view().notice;
    assert!(matches!(notice, Some(Notice::Media { voice_instead: None, .. })), "{notice:?}");
    assert_eq!(world.state(1), Online);
}

#[test]
fn a_target_without_a_camera_may_accept_with_voice() {
    let mut world = RegistryWorld::logged_in(2);
    world.start_call(0, 1);
    world.deliver_all();
    world.participants[1].media_problem = Some(MediaProblem::CameraMissing);
    world.command(1, Command::Accept { media: VIDEO });
    world.deliver_all();
    assert_eq!(world.phase(1), Some(CallPhase::Incoming));
    world.participants[1].media_problem = None;
    world.command(1, Command::Accept { media: MediaKind::Voice });
    world.deliver_all();
    assert_eq!((world.phase(0), world.phase(1)), (Some(CallPhase::Connected), Some(CallPhase::Connected)));
    world.check_agreement();
}

#[test]
fn names_are_compared_by_key_and_held_for_a_disconnected_user() {
    let mut world = RegistryWorld::logged_in(2);
    world.command(1, Command::LogOut);
    world.command(1, Command::LogIn { name: "PERSON\u{3000}0".into(), secret: None });
    world.deliver_all();
    let refused = |world: &RegistryWorld| match &world.participants[1].client.view().session {
        SessionView::Refused { code, .. } => Some(*code),
        _ => None,
    };
    assert_eq!(refused(&world), Some(RefusedCode::NameTaken));
    world.participants[0].network_down = true;
    world.break_connection(0);
    world.deliver_all();
    assert_eq!(world.state(0), Offline);
    world.command(1, Command::LogIn { name: "person 0".into(), secret: None });
    world.deliver_all();
    assert_eq!(refused(&world), Some(RefusedCode::NameTaken));
    world.advance(Duration::from_secs(31));
    world.command(1, Command::LogIn { name: "person 0".into(), secret: None });
    world.deliver_all();
    assert_eq!(refused(&world), None);

    world.participants[0].network_down = false;
    world.run_for(Duration::from_secs(20));
    let session = &world.participants[0].client.view().session;
    assert!(matches!(session, SessionView::Refused { code: RefusedCode::NameTaken, .. }), "{session:?}");
}

#[test]
fn after_an_invalid_name_the_user_can_log_in_with_another() {
    let mut world = RegistryWorld::new(1);
    for (name, expected) in [("", true), ("\u{202e}x", true), ("ok", false)] {
        world.command(0, Command::LogIn { name: name.into(), secret: None });
        world.deliver_all();
        let refused = matches!(
            world.participants[0].client.view().session,
            SessionView::Refused { code: RefusedCode::NameInvalid, .. }
        );
        assert_eq!(refused, expected, "{name:?}");
    }
}

#[test]
fn tokens_are_unique_timestamps_below_2_to_the_53() {
    let world = RegistryWorld::logged_in(4);
    let tokens: std::collections::BTreeSet<_> = (0..4).filter_map(|index| world.token(index)).collect();
    assert_eq!(tokens.len(), 4);
    for token in tokens {
        assert!(token.0 < 1 << 53 && token.0 >= 1_795_435_200_000_000, "{token}");
    }
}
