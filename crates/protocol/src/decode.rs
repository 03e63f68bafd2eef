//! Decoder of text frames into messages, with errors that name the cause.

use std::borrow::Cow;

use serde::{Deserialize, de::DeserializeOwned};

use crate::{CallId, ClientMessage, ErrorCode, ServerMessage};

/// Decodes a message from a client.
///
/// # Errors
///
/// [`DecodeError`], which the server sends back as an `error` message.
pub fn decode_client(text: &str) -> Result<ClientMessage, DecodeError> {
    const KINDS: [&str; 13] = [
        "hello",
        "log_out",
        "offering",
        "accept",
        "confirm",
        "calling",
        "candidate",
        "description",
        "cancel",
        "released",
        "claim",
        "watch",
        "ping",
    ];
    decode(text, &KINDS)
}

/// Decodes a message from a server.
///
/// # Errors
///
/// [`DecodeError`]. A client ignores messages that it does not know.
pub fn decode_server(text: &str) -> Result<ServerMessage, DecodeError> {
    const KINDS: [&str; 15] = [
        "welcome",
        "refused",
        "presence",
        "roster",
        "offering",
        "ringing",
        "accepted",
        "confirm",
        "calling",
        "candidate",
        "description",
        "ended",
        "claimed",
        "error",
        "pong",
    ];
    decode(text, &KINDS)
}

/// Error: the text is not a message of this version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct DecodeError {
    /// [`ErrorCode::Malformed`] or [`ErrorCode::UnknownType`].
    pub code: ErrorCode,
    /// Description for developers. Quotes at most a short piece of the input.
    pub message: String,
    /// The message's `type`, if it could be read.
    pub about: Option<String>,
    /// The message's `call`, if it could be read.
    pub call: Option<CallId>,
}

fn decode<M: DeserializeOwned>(text: &str, kinds: &[&str]) -> Result<M, DecodeError> {
    serde_json::from_str(text).map_err(|error| decode_error(text, kinds, &error))
}

/// Classifies a failure: parses the text again, only for `type` and `call`.
fn decode_error(text: &str, kinds: &[&str], error: &serde_json::Error) -> DecodeError {
    #[derive(Deserialize)]
    struct TypeField<'a> {
        #[serde(borrow, rename = "type")]
        kind: Cow<'a, str>,
    }
    #[derive(Deserialize)]
    struct CallField {
        call: CallId,
    }
    let head: Option<TypeField<'_>> = serde_json::from_str(text).ok();
    let call = serde_json::from_str(text).ok().map(|CallField { call }| call);
    match head {
        Some(TypeField { kind }) if !kinds.contains(&&*kind) => {
            let kind: String = kind.chars().take(40).collect();
            let message = format!("unknown message type {kind:?}");
            DecodeError { code: ErrorCode::UnknownType, message, about: Some(kind), call }
        }
        head => {
            let mut message = error.to_string();
            if let Some((end, _)) = message.char_indices().nth(200) {
                message.truncate(end);
            }
            DecodeError { code: ErrorCode::Malformed, message, about: head.map(|head| head.kind.into_owned()), call }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        CallTicket, CancelReason, EndReason, IceCandidate, Limits, MediaKind, Name, RefusedCode, SdpKind, Secret,
        SessionTicket, Token, User, UserState,
    };

    fn every_client_message() -> Vec<ClientMessage> {
        let call = CallId(0x7f);
        let candidate = IceCandidate {
            candidate: "candidate:1 1 UDP 1 192.0.2.1 9 typ host".into(),
            sdp_mid: Some("0".into()),
            sdp_m_line_index: Some(0),
            username_fragment: None,
        };
        vec![
            ClientMessage::Hello {
                name: "小明".into(),
                resume: Some(SessionTicket::new("t")),
                secret: Some(Secret::new("s").unwrap()),
                replace: true,
            },
            ClientMessage::LogOut,
            ClientMessage::Offering { to: Token(1_795_471_200_123_999), media: MediaKind::Video },
            ClientMessage::Missed { to: Token(1), media: MediaKind::Voice },
            ClientMessage::Accept { call, media: MediaKind::Voice },
            ClientMessage::Confirm { call, sdp: "v=0".into() },
            ClientMessage::Calling { call, sdp: "v=0".into() },
            ClientMessage::Candidate { call, candidate },
            ClientMessage::Description { call, kind: SdpKind::Offer, sdp: "v=0".into() },
            ClientMessage::Cancel { call, reason: CancelReason::Declined },
            ClientMessage::Released { call },
            ClientMessage::Claim { ticket: CallTicket::new("t") },
            ClientMessage::Watch { query: "an".into(), names: vec!["Bo".into()] },
            ClientMessage::Ping,
        ]
    }

    fn every_server_message() -> Vec<ServerMessage> {
        let call = CallId(0x7f);
        let user = User { token: Token(1), name: Name::new("Ana").unwrap(), state: UserState::InCall };
        let missed = user.clone();
        let candidate =
            IceCandidate { candidate: String::new(), sdp_mid: None, sdp_m_line_index: None, username_fragment: None };
        let ticket = CallTicket::new("t");
        vec![
            ServerMessage::Welcome {
                me: user.clone(),
                ticket: SessionTicket::new("t"),
                ice_servers: vec![],
                limits: Limits::default(),
                users: vec![user.clone()],
                total: None,
            },
            ServerMessage::IceServers { ice_servers: vec![] },
            ServerMessage::Ticket { ticket: SessionTicket::new("t") },
            ServerMessage::Refused { code: RefusedCode::NameTaken, message: "taken".into() },
            ServerMessage::Presence { changes: vec![user.clone()], total: None },
            ServerMessage::Roster { users: vec![], total: Some(1_001) },
            ServerMessage::Offering { call, from: user, media: MediaKind::Video },
            ServerMessage::Missed { from: missed, media: MediaKind::Voice },
            ServerMessage::Ringing { call, to: Token(1) },
            ServerMessage::Accepted { call, media: MediaKind::Voice },
            ServerMessage::Confirm { call, sdp: String::new(), ticket: ticket.clone() },
            ServerMessage::Calling { call, sdp: String::new(), ticket },
            ServerMessage::Candidate { call, candidate },
            ServerMessage::Description { call, kind: SdpKind::Answer, sdp: String::new() },
            ServerMessage::Ended { call, reason: EndReason::Gone },
            ServerMessage::Claimed { call },
            ServerMessage::Error {
                code: ErrorCode::Busy,
                message: "busy".into(),
                about: Some("offering".into()),
                call: None,
            },
            ServerMessage::Pong,
        ]
    }

    #[test]
    fn every_message_round_trips_under_its_documented_type() {
        for message in every_client_message() {
            let text = serde_json::to_string(&message).unwrap();
            assert!(text.starts_with(&format!(r#"{{"type":"{}""#, message.kind())), "{text}");
            assert_eq!(decode_client(&text), Ok(message));
        }
        for message in every_server_message() {
            let text = serde_json::to_string(&message).unwrap();
            assert!(text.starts_with(&format!(r#"{{"type":"{}""#, message.kind())), "{text}");
            assert_eq!(decode_server(&text), Ok(message));
        }
    }

    #[test]
    fn unknown_fields_are_ignored() {
        let hello = decode_client(r#"{"type":"hello","name":"a","colour":"red"}"#);
        assert_eq!(hello, Ok(ClientMessage::Hello { name: "a".into(), resume: None, secret: None, replace: false }));
    }

    #[test]
    fn invalid_messages_are_rejected_with_code_type_and_call() {
        let cases = [
            ("", ErrorCode::Malformed, None, None),
            ("[]", ErrorCode::Malformed, None, None),
            ("null", ErrorCode::Malformed, None, None),
            ("{}", ErrorCode::Malformed, None, None),
            (r#"{"type":7}"#, ErrorCode::Malformed, None, None),
            (r#"{"type":"hello"}"#, ErrorCode::Malformed, Some("hello"), None),
            (r#"{"type":"hello","name":7}"#, ErrorCode::Malformed, Some("hello"), None),
            (r#"{"type":"hello","name":"a","secret":7}"#, ErrorCode::Malformed, Some("hello"), None),
            (r#"{"type":"offering","to":-1,"media":"video"}"#, ErrorCode::Malformed, Some("offering"), None),
            (r#"{"type":"offering","to":1,"media":"smell"}"#, ErrorCode::Malformed, Some("offering"), None),
            (r#"{"type":"confirm","call":"7f","sdp":""}"#, ErrorCode::Malformed, Some("confirm"), None),
            (r#"{"type":"confirm","call":"c-7f"}"#, ErrorCode::Malformed, Some("confirm"), Some(CallId(0x7f))),
            (r#"{"type":"dance","call":"c-7f"}"#, ErrorCode::UnknownType, Some("dance"), Some(CallId(0x7f))),
        ];
        for (text, code, about, call) in cases {
            let error = decode_client(text).unwrap_err();
            assert_eq!((error.code, error.about.as_deref(), error.call), (code, about, call), "{text}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_neither_panics_the_decoder_nor_makes_long_errors(text in ".{0,400}") {
            if let Err(error) = decode_client(&text) {
                prop_assert!(error.message.len() < 1200);
            }
        }

        #[test]
        fn a_message_with_one_replaced_character_decodes_or_is_rejected(
            index in 0_usize..13,
            at in 0_usize..200,
            replacement in any::<char>(),
        ) {
            let message = &every_client_message()[index];
            let text = serde_json::to_string(message).unwrap();
            let damaged: String =
                text.chars().enumerate().map(|(position, old)| if position == at { replacement } else { old }).collect();
            if let Err(error) = decode_client(&damaged) {
                prop_assert!(matches!(error.code, ErrorCode::Malformed | ErrorCode::UnknownType));
            }
        }
    }
}
