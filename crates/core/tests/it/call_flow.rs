//! Call flow against a server that does not answer, or refuses.

use crate::common::{CALL, ClientHarness, flowing, media, sent};
use hutong_core::{CallPhase, Command, Input, MediaCommand, MediaEvent, Notice};
use hutong_protocol::{CallId, ClientMessage, ErrorCode, MediaKind, Name, ServerMessage, Token, UserState, limits};

#[test]
fn an_abandoned_call_whose_offering_is_never_answered_is_dropped_after_a_timeout() {
    let mut harness = ClientHarness::logged_in();
    let call = Input::Command(Command::Call { to: Token(2), media: MediaKind::Video });
    harness.input(call.clone());
    let peer = harness.peer();
    harness.media(MediaEvent::Acquired { peer });
    let (code, message) = (ErrorCode::RateLimited, String::new());
    harness.message(ServerMessage::Error { code, message, about: None, call: None });
    harness.input(Input::Command(Command::HangUp));
    harness.media(MediaEvent::Closed { peer });
    harness.tick_at(limits::CALLING_TIMEOUT);
    assert_eq!(harness.client.view().call, None);
    assert!(matches!(media(&harness.input(call))[..], [MediaCommand::Acquire { .. }]), "the next call starts");

    // A late answer: the client cancels the call, so that it does not keep ringing.
    let late = CallId(5);
    let messages = sent(&harness.message(ServerMessage::Ringing { call: late, to: Token(2) }));
    assert!(matches!(messages[..], [ClientMessage::Cancel { call, .. }, _] if call == late), "{messages:?}");
}

#[test]
fn a_caller_who_has_to_pause_is_told_so_and_can_call_later() {
    let mut harness = ClientHarness::logged_in();
    let call = Input::Command(Command::Call { to: Token(2), media: MediaKind::Video });
    for (code, expected) in [
        (ErrorCode::TooManyCalls, Notice::Error { code: ErrorCode::TooManyCalls }),
        // A code of a newer server: the general case.
        (ErrorCode::Unknown, Notice::CannotCall { with: Name::new("Bo").unwrap(), state: UserState::Connecting }),
    ] {
        harness.input(call.clone());
        let peer = harness.peer();
        harness.media(MediaEvent::Acquired { peer });
        let (message, about) = (String::new(), Some("offering".to_owned()));
        harness.message(ServerMessage::Error { code, message, about, call: None });
        harness.media(MediaEvent::Closed { peer });
        assert_eq!(harness.client.view().call, None);
        assert_eq!(harness.client.view().notice, Some(expected));
    }
}

#[test]
fn a_message_over_the_budget_of_a_call_has_no_effect_on_it() {
    let mut harness = flowing();
    for about in ["candidate", "description"] {
        let (code, message) = (ErrorCode::RateLimited, String::new());
        harness.message(ServerMessage::Error { code, message, about: Some(about.into()), call: Some(CALL) });
        assert_eq!(harness.client.view().call.as_ref().map(|call| call.phase), Some(CallPhase::Connected));
        assert_eq!(harness.client.view().notice, None);
    }
}
