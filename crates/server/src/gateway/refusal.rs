//! WebSocket close codes and messages for each `RefusedCode`.

use hutong_protocol::RefusedCode;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// The WebSocket close code (RFC 6455, section 7.4.1), for clients that do not know the protocol's codes.
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
        | RefusedCode::SecretChanged
        | RefusedCode::NotWelcome
        | RefusedCode::Replaced
        | RefusedCode::InCallElsewhere
        | RefusedCode::Version
        | RefusedCode::HelloTimeout
        | RefusedCode::RateLimited
        | RefusedCode::TooSlow
        | RefusedCode::Unknown => CloseCode::Policy,
    }
}

/// Message for developers. The client shows the user a translated sentence for the code.
pub(super) const fn sentence(code: RefusedCode) -> &'static str {
    match code {
        RefusedCode::NameInvalid => "the name is invalid: it must have 1 to 40 visible characters",
        RefusedCode::NameTaken => "the name is in use: choose another",
        RefusedCode::TicketInvalid => "the ticket is invalid: log in without it",
        RefusedCode::SecretRequired => "this server requires an access key or a password: send it as secret in hello",
        RefusedCode::SecretWrong => "the secret is wrong: ask the operator of the server",
        RefusedCode::SecretChanged => "the access key or password was changed: send the new one as secret in hello",
        RefusedCode::NotWelcome => "this server does not admit this name or address",
        RefusedCode::Replaced => "you logged in on another connection",
        RefusedCode::InCallElsewhere => "the user is in a call on another device: log in with replace to end it",
        RefusedCode::Version => "this server speaks hutong.v1: update the client, or the server",
        RefusedCode::Full => "the server is full: try again later",
        RefusedCode::TooMany => "too many connections, logins or wrong secrets from this address: try again later",
        RefusedCode::HelloTimeout => "no hello was accepted before the deadline",
        RefusedCode::RateLimited => "too many messages on this connection",
        RefusedCode::TooLarge => "the message is longer than 65536 bytes",
        RefusedCode::TooSlow => "the client reads too slowly",
        RefusedCode::BadFrame => "the server accepts only well-formed text frames",
        RefusedCode::ShuttingDown => "the server is stopping or restarting: connect again",
        RefusedCode::Unknown => "the connection is closed",
    }
}
