//! Steps of the call flow that need a server that misbehaves, or is lost.

use crate::common::{Bench, media, sent};
use hutong_core::{Command, Input, MediaCommand, MediaEvent};
use hutong_protocol::{CallId, ClientMessage, ErrorCode, MediaKind, ServerMessage, Token, limits};

#[test]
fn a_call_given_up_whose_offer_was_never_answered_is_let_go_in_the_end() {
    let mut bench = Bench::logged_in();
    let call = Input::Command(Command::Call { to: Token(2), media: MediaKind::Video });
    bench.give(call.clone());
    let peer = bench.peer();
    bench.media(MediaEvent::Acquired { peer });
    let (code, message) = (ErrorCode::RateLimited, String::new());
    bench.message(ServerMessage::Error { code, message, about: None, call: None });
    bench.give(Input::Command(Command::HangUp));
    bench.media(MediaEvent::Closed { peer });
    bench.at(limits::CALLING);
    assert_eq!(bench.client.view().call, None);
    assert!(matches!(media(&bench.give(call))[..], [MediaCommand::Acquire { .. }]), "the next call can be made");

    // The answer comes after all: nobody is left ringing.
    let late = CallId(5);
    let messages = sent(&bench.message(ServerMessage::Ringing { call: late, to: Token(2) }));
    assert!(matches!(messages[..], [ClientMessage::Cancel { call, .. }, _] if call == late), "{messages:?}");
}
