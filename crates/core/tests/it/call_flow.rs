//! Call flow against a server that does not answer.

use crate::common::{ClientHarness, media, sent};
use hutong_core::{Command, Input, MediaCommand, MediaEvent};
use hutong_protocol::{CallId, ClientMessage, ErrorCode, MediaKind, ServerMessage, Token, limits};

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
