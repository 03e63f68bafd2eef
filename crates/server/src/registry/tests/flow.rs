//! The call flow as the plan has it, seen from both sides.

use std::time::Duration;

use hutong_core::{CallPhase, Command, MediaProblem, Notice, Session};
use hutong_protocol::{EndReason, MediaKind, RefusedCode, UserState};

use super::world::World;
use UserState::{Connecting, Ending, InCall, Offline, Online};

const VIDEO: MediaKind = MediaKind::Video;

fn seen(world: &World, by: usize, of: usize) -> UserState {
    let token = world.token(of).unwrap();
    world.people[by].client.view().users.get(&token).map_or(Offline, |user| user.state)
}

#[test]
fn everybody_sees_everybody_come_and_go() {
    let mut world = World::logged_in(3);
    world.check_agreement();
    assert_eq!((seen(&world, 0, 1), seen(&world, 1, 2)), (Online, Online));
    let gone = world.token(2).unwrap();
    world.command(2, Command::LogOut);
    world.settle();
    assert!(!world.people[0].client.view().users.contains_key(&gone));
    world.command(2, Command::LogIn { name: "person 2".into(), secret: None });
    world.settle();
    assert!(matches!(world.people[2].client.view().session, Session::LoggedIn { .. }), "log-out frees the name");
    assert_ne!(world.token(2), Some(gone), "a new login has a new token");
}

#[test]
fn a_call_goes_through_the_states_of_the_plan() {
    let mut world = World::logged_in(3);
    world.calls(0, 1);
    assert_eq!(world.phase(0), Some(CallPhase::Acquiring), "permission comes first");
    world.settle();
    assert_eq!((world.phase(0), world.phase(1)), (Some(CallPhase::Ringing), Some(CallPhase::Incoming)));
    assert_eq!((seen(&world, 2, 0), seen(&world, 2, 1)), (Connecting, Connecting));

    world.command(1, Command::Accept { media: VIDEO });
    world.settle();
    assert_eq!((world.phase(0), world.phase(1)), (Some(CallPhase::Connected), Some(CallPhase::Connected)));
    assert_eq!((seen(&world, 2, 0), seen(&world, 2, 1)), (InCall, InCall));
    world.check_agreement();

    world.command(0, Command::HangUp);
    while world.deliver_to_server(0) {}
    assert_eq!((world.state(0), world.state(1)), (Ending, Ending), "until both have let go");
    world.settle();
    assert_eq!((seen(&world, 2, 0), seen(&world, 2, 1)), (Online, Online));
    assert_eq!((world.call(0), world.call(1)), (None, None));
    let told = &world.people[1].client.view().notice;
    assert!(matches!(told, Some(Notice::CallEnded { reason: EndReason::Hangup, .. })), "{told:?}");
    assert_eq!(world.people[0].client.view().notice, None, "who hangs up knows it");
}

#[test]
fn a_ring_can_be_declined_and_given_up() {
    let mut world = World::logged_in(2);
    world.calls(0, 1);
    world.settle();
    world.command(1, Command::Decline);
    world.settle();
    let told = &world.people[0].client.view().notice;
    assert!(matches!(told, Some(Notice::CallEnded { reason: EndReason::Declined, .. })), "{told:?}");
    assert_eq!((world.state(0), world.state(1)), (Online, Online));

    world.calls(0, 1);
    world.settle();
    world.command(0, Command::HangUp);
    world.settle();
    let told = &world.people[1].client.view().notice;
    assert!(matches!(told, Some(Notice::CallEnded { reason: EndReason::Cancelled, .. })), "{told:?}");
    assert_eq!((world.state(0), world.state(1)), (Online, Online));
    world.check_agreement();
}

#[test]
fn a_call_given_up_before_the_server_answers_does_not_ring_on() {
    let mut world = World::logged_in(2);
    world.calls(0, 1);
    world.report(0);
    assert_eq!(world.phase(0), Some(CallPhase::Offering));
    world.command(0, Command::HangUp);
    world.settle();
    assert_eq!((world.call(0), world.call(1)), (None, None));
    assert_eq!((world.state(0), world.state(1)), (Online, Online));
}

#[test]
fn who_is_busy_cannot_be_called_and_cannot_call() {
    let mut world = World::in_call(4);
    world.calls(2, 0);
    let told = &world.people[2].client.view().notice;
    assert!(matches!(told, Some(Notice::CannotCall { state: InCall, .. })), "{told:?}");
    assert_eq!(world.call(2), None);

    world.calls(2, 3);
    world.settle();
    world.command(0, Command::HangUp);
    world.settle();
    world.calls(0, 3);
    let told = &world.people[0].client.view().notice;
    assert!(matches!(told, Some(Notice::CannotCall { state: Connecting, .. })), "{told:?}");
    assert_eq!(world.phase(3), Some(CallPhase::Incoming), "the first ring goes on");
}

#[test]
fn a_second_caller_who_could_not_foresee_it_is_told_by_the_server() {
    let mut world = World::logged_in(3);
    world.calls(0, 2);
    world.calls(1, 2);
    world.settle();
    assert_eq!(world.phase(0), Some(CallPhase::Ringing));
    assert_eq!(world.call(1), None);
    let told = &world.people[1].client.view().notice;
    assert!(matches!(told, Some(Notice::CannotCall { state: Connecting, .. })), "{told:?}");
    world.check_agreement();
}

#[test]
fn without_permission_no_call_starts_and_voice_is_offered_in_place_of_video() {
    let mut world = World::logged_in(2);
    world.people[0].refuses = Some(MediaProblem::CameraDenied);
    world.calls(0, 1);
    world.settle();
    assert_eq!((world.call(0), world.call(1)), (None, None));
    let told = world.people[0].client.view().notice.clone();
    let Some(Notice::Media { problem: MediaProblem::CameraDenied, voice_instead: Some(with) }) = told else {
        panic!("{told:?}");
    };
    world.people[0].refuses = None;
    world.command(0, Command::Call { to: with.token, media: MediaKind::Voice });
    world.settle();
    assert_eq!(world.phase(0), Some(CallPhase::Ringing));

    let mut world = World::logged_in(2);
    world.people[0].refuses = Some(MediaProblem::MicrophoneDenied);
    world.calls(0, 1);
    world.settle();
    let told = &world.people[0].client.view().notice;
    assert!(matches!(told, Some(Notice::Media { voice_instead: None, .. })), "{told:?}");
    assert_eq!(world.state(1), Online);
}

#[test]
fn a_target_whose_camera_is_refused_may_still_answer_by_voice() {
    let mut world = World::logged_in(2);
    world.calls(0, 1);
    world.settle();
    world.people[1].refuses = Some(MediaProblem::CameraMissing);
    world.command(1, Command::Accept { media: VIDEO });
    world.settle();
    assert_eq!(world.phase(1), Some(CallPhase::Incoming));
    world.people[1].refuses = None;
    world.command(1, Command::Accept { media: MediaKind::Voice });
    world.settle();
    assert_eq!((world.phase(0), world.phase(1)), (Some(CallPhase::Connected), Some(CallPhase::Connected)));
    world.check_agreement();
}

#[test]
fn a_name_is_unique_however_it_is_written_and_held_for_a_lost_owner() {
    let mut world = World::logged_in(2);
    world.command(1, Command::LogOut);
    world.command(1, Command::LogIn { name: "PERSON\u{3000}0".into(), secret: None });
    world.settle();
    let refused = |world: &World| match &world.people[1].client.view().session {
        Session::Refused { code, .. } => Some(*code),
        _ => None,
    };
    assert_eq!(refused(&world), Some(RefusedCode::NameTaken));
    world.people[0].cut_off = true;
    world.cut(0);
    world.settle();
    assert_eq!(world.state(0), Offline);
    world.command(1, Command::LogIn { name: "person 0".into(), secret: None });
    world.settle();
    assert_eq!(refused(&world), Some(RefusedCode::NameTaken));
    world.pass(Duration::from_secs(31));
    world.command(1, Command::LogIn { name: "person 0".into(), secret: None });
    world.settle();
    assert_eq!(refused(&world), None);

    world.people[0].cut_off = false;
    world.live_on(Duration::from_secs(20));
    let session = &world.people[0].client.view().session;
    assert!(matches!(session, Session::Refused { code: RefusedCode::NameTaken, .. }), "{session:?}");
}

#[test]
fn a_bad_name_is_refused_and_can_be_mended() {
    let mut world = World::new(1);
    for (name, expected) in [("", true), ("\u{202e}x", true), ("ok", false)] {
        world.command(0, Command::LogIn { name: name.into(), secret: None });
        world.settle();
        let refused =
            matches!(world.people[0].client.view().session, Session::Refused { code: RefusedCode::NameInvalid, .. });
        assert_eq!(refused, expected, "{name:?}");
    }
}

#[test]
fn tokens_are_unique_microseconds_that_a_javascript_number_holds() {
    let world = World::logged_in(4);
    let tokens: std::collections::BTreeSet<_> = (0..4).filter_map(|who| world.token(who)).collect();
    assert_eq!(tokens.len(), 4);
    for token in tokens {
        assert!(token.0 < 1 << 53 && token.0 >= 1_795_435_200_000_000, "{token}");
    }
}
