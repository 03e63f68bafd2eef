//! What a client is told when the server ends its connection.

use hutong_protocol::RefusedCode;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// The close code of the WebSocket (RFC 6455, section 7.4.1), for clients that do not know ours.
pub(super) const fn close_code(code: RefusedCode) -> CloseCode {
    match code {
        RefusedCode::ShuttingDown => CloseCode::Away,
        RefusedCode::TooLarge => CloseCode::Size,
        RefusedCode::BadFrame => CloseCode::Unsupported,
        RefusedCode::Full | RefusedCode::TooMany => CloseCode::Again,
        RefusedCode::NameInvalid
        | RefusedCode::NameTaken
        | RefusedCode::TicketInvalid
        | RefusedCode::SecretRequired
        | RefusedCode::SecretWrong
        | RefusedCode::NotWelcome
        | RefusedCode::Replaced
        | RefusedCode::Version
        | RefusedCode::HelloTimeout
        | RefusedCode::RateLimited
        | RefusedCode::TooSlow
        | RefusedCode::Unknown => CloseCode::Policy,
    }
}

/// For logs and developers; people get a sentence in their language by the code.
pub(super) const fn sentence(code: RefusedCode) -> &'static str {
    match code {
        RefusedCode::NameInvalid => "this cannot be a name: give one of 1 to 40 visible characters",
        RefusedCode::NameTaken => "somebody online has this name: choose another",
        RefusedCode::TicketInvalid => "this ticket is not good here: log in without it",
        RefusedCode::SecretRequired => "this server asks for an access key or a password: say hello with it as secret",
        RefusedCode::SecretWrong => "this secret is not good here: ask whoever runs the server",
        RefusedCode::NotWelcome => "this server does not let this name or this address in",
        RefusedCode::Replaced => "you came back on another connection",
        RefusedCode::Version => "this server speaks hutong.v1: update the client, or the server",
        RefusedCode::Full => "the server has as many users as it takes: come back later",
        RefusedCode::TooMany => "too many connections, log-ins or wrong secrets from here: come back later",
        RefusedCode::HelloTimeout => "no hello was accepted in time",
        RefusedCode::RateLimited => "far more messages than one connection may send",
        RefusedCode::TooLarge => "a message is at most 65536 bytes",
        RefusedCode::TooSlow => "you did not keep up with what was sent to you",
        RefusedCode::BadFrame => "only well-formed text frames are taken",
        RefusedCode::ShuttingDown => "the server is stopping or restarting: come back",
        RefusedCode::Unknown => "the connection is closed",
    }
}
