//! Invalid input: the sender gets an error code or a close with a reason, and no other client is affected.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hutong_protocol::{CallId, ClientMessage, ErrorCode, MediaKind, RefusedCode, ServerMessage, Token};
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};

use crate::common::{LoginReply, TestClient, call_and_hang_up, start_server, with_timeout};

/// Two well-behaved users who must not be affected by another client.
struct WellBehavedPair {
    ana: TestClient,
    bo: TestClient,
    bo_login: LoginReply,
    server: hutong_server::Server,
}

impl WellBehavedPair {
    async fn log_in() -> Self {
        let server = start_server().await;
        let (ana, _) = TestClient::login(server.local_addr(), "Ana").await;
        let (bo, bo_login) = TestClient::login(server.local_addr(), "小波").await;
        Self { ana, bo, bo_login, server }
    }

    async fn mallory(&self) -> TestClient {
        TestClient::login(self.server.local_addr(), "Mallory").await.0
    }

    /// Asserts that they received only presence messages, and can still call each other.
    async fn assert_unaffected(mut self) {
        call_and_hang_up(&mut self.ana, &mut self.bo, self.bo_login.me.token).await;
        for client in [&mut self.ana, &mut self.bo] {
            client.send_text("{}").await;
            client
                .wait_for(|message| match message {
                    ServerMessage::Error { code, about: None, .. } => {
                        assert_eq!(code, ErrorCode::Malformed);
                        Some(())
                    }
                    ServerMessage::Presence { .. } | ServerMessage::Ended { .. } => None,
                    other => panic!("{other:?}"),
                })
                .await;
        }
    }
}

#[tokio::test]
async fn text_that_is_not_a_message_gets_an_error_and_the_connection_stays_open() {
    let pair = WellBehavedPair::log_in().await;
    let mut mallory = pair.mallory().await;
    let deep = "[".repeat(60_000);
    let cases = [
        ("", ErrorCode::Malformed, None),
        ("hello", ErrorCode::Malformed, None),
        ("{", ErrorCode::Malformed, None),
        ("null", ErrorCode::Malformed, None),
        (&deep, ErrorCode::Malformed, None),
        (r#"{"type":"dance"}"#, ErrorCode::UnknownType, Some("dance")),
        (r#"{"type":"offering"}"#, ErrorCode::Malformed, Some("offering")),
        (r#"{"type":"offering","to":1e99,"media":"video"}"#, ErrorCode::Malformed, Some("offering")),
        (r#"{"type":"hello","name":"again"}"#, ErrorCode::NotNow, Some("hello")),
        (r#"{"type":"confirm","call":"../../etc","sdp":""}"#, ErrorCode::Malformed, Some("confirm")),
    ];
    for (text, code, about) in cases {
        mallory.send_text(text).await;
        assert_eq!(mallory.next_error().await, (code, about.map(str::to_owned)), "{text:.60}");
    }
    pair.assert_unaffected().await;
}

#[tokio::test]
async fn messages_before_hello_get_an_error() {
    let pair = WellBehavedPair::log_in().await;
    let mut mallory = TestClient::open(pair.server.local_addr()).await;
    mallory.send(&ClientMessage::Offering { to: pair.bo_login.me.token, media: MediaKind::Video }).await;
    assert_eq!(mallory.next_error().await, (ErrorCode::NotNow, Some("offering".into())));
    mallory.send(&ClientMessage::Hello { name: "Mallory".into(), resume: None, secret: None, replace: false }).await;
    mallory.expect_welcome().await;
    pair.assert_unaffected().await;
}

#[tokio::test]
async fn a_call_to_an_unknown_token_gets_not_online() {
    let pair = WellBehavedPair::log_in().await;
    let mut mallory = pair.mallory().await;
    for token in [0, 1, u64::MAX] {
        mallory.send(&ClientMessage::Offering { to: Token(token), media: MediaKind::Video }).await;
        assert_eq!(mallory.next_error().await, (ErrorCode::NotOnline, Some("offering".into())));
    }
    pair.assert_unaffected().await;
}

#[tokio::test]
async fn a_user_cannot_act_on_a_call_of_others() {
    let mut pair = WellBehavedPair::log_in().await;
    let mut mallory = pair.mallory().await;
    let call = crate::common::set_up_call(&mut pair.ana, &mut pair.bo, pair.bo_login.me.token).await;
    for call in [call, CallId(0), CallId(u64::MAX)] {
        mallory.send(&ClientMessage::Confirm { call, sdp: "v=0 mine".into() }).await;
        assert_eq!(mallory.next_error().await, (ErrorCode::NoCall, Some("confirm".into())));
        mallory.send(&ClientMessage::Calling { call, sdp: "v=0 mine".into() }).await;
        assert_eq!(mallory.next_error().await, (ErrorCode::NoCall, Some("calling".into())));
    }
    mallory.send(&ClientMessage::Released { call }).await;
    mallory.send(&ClientMessage::Cancel { call, reason: hutong_protocol::CancelReason::Hangup }).await;
    assert_eq!(mallory.next_error().await, (ErrorCode::NoCall, Some("cancel".into())));
    // The call still works for its members.
    pair.ana
        .send(&ClientMessage::Description { call, kind: hutong_protocol::SdpKind::Offer, sdp: "v=0 2".into() })
        .await;
    pair.bo
        .wait_for(|message| match message {
            ServerMessage::Description { sdp, .. } => {
                assert_eq!(sdp, "v=0 2");
                Some(())
            }
            ServerMessage::Presence { .. } => None,
            other => panic!("{other:?}"),
        })
        .await;
}

#[tokio::test]
async fn a_message_of_a_megabyte_is_refused_as_too_large() {
    let pair = WellBehavedPair::log_in().await;
    let mut mallory = pair.mallory().await;
    // The server closes after the frame header, so sending the rest may fail.
    let _cut_off = mallory.socket.send(Message::text("x".repeat(1024 * 1024))).await;
    mallory.expect_refused(RefusedCode::TooLarge, CloseCode::Size).await;
    pair.assert_unaffected().await;
}

#[tokio::test]
async fn fragments_that_add_up_to_a_megabyte_are_refused_as_too_large() {
    use tokio_tungstenite::tungstenite::protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    };
    let pair = WellBehavedPair::log_in().await;
    let mut mallory = pair.mallory().await;
    for number in 0..256 {
        let opcode = OpCode::Data(if number == 0 { Data::Text } else { Data::Continue });
        let frame = Frame::message(vec![b'x'; 4096], opcode, false);
        if mallory.socket.send(Message::Frame(frame)).await.is_err() {
            break;
        }
    }
    mallory.expect_refused(RefusedCode::TooLarge, CloseCode::Size).await;
    pair.assert_unaffected().await;
}

#[tokio::test]
async fn a_flood_of_ten_thousand_messages_is_refused_as_rate_limited() {
    let pair = WellBehavedPair::log_in().await;
    let mallory = pair.mallory().await;
    let (mut sink, mut stream) = mallory.socket.split();
    let flood = async {
        for _ in 0..10_000 {
            if sink.feed(Message::text(r#"{"type":"released","call":"c-1"}"#)).await.is_err() {
                break;
            }
        }
        let _cut_off = sink.flush().await;
    };
    let mut errors = 0;
    let mut refused = None;
    let mut close = None;
    let read = async {
        while let Some(Ok(message)) = stream.next().await {
            match message {
                Message::Text(text) => match hutong_protocol::decode_server(&text).unwrap() {
                    ServerMessage::Error { code: ErrorCode::RateLimited, .. } => errors += 1,
                    ServerMessage::Refused { code, .. } => refused = Some(code),
                    _ => {}
                },
                Message::Close(frame) => close = frame,
                _ => {}
            }
        }
    };
    with_timeout("end of the flood", async { tokio::join!(flood, read) }).await;
    assert!((1..=5).contains(&errors), "{errors} errors");
    assert_eq!(refused, Some(RefusedCode::RateLimited));
    let close = close.unwrap();
    assert_eq!((close.code, close.reason.as_str()), (CloseCode::Policy, "rate_limited"));
    pair.assert_unaffected().await;
}

/// A client's frame with an empty payload, masked with zeros (RFC 6455, section 5.2).
const fn empty_frame(first: u8) -> [u8; 6] {
    [first, 0x80, 0, 0, 0, 0]
}

#[tokio::test]
async fn frames_without_content_count_against_the_message_rate() {
    use tokio::io::AsyncWriteExt;
    const FRAMES: usize = 3_000;
    let pair = WellBehavedPair::log_in().await;
    let (fragment, rest, ping, pong) = (empty_frame(0x01), empty_frame(0x00), empty_frame(0x89), empty_frame(0x8a));
    let message_in_fragments = [&fragment[..], &rest.repeat(19), &empty_frame(0x80)].concat();
    for (what, bytes) in [
        ("fragments of a message that never ends", [&fragment[..], &rest.repeat(FRAMES)].concat()),
        ("fragments between pings", [&fragment[..], &[rest, ping].concat().repeat(FRAMES / 2)].concat()),
        ("messages in many fragments", message_in_fragments.repeat(FRAMES / 21)),
        ("pings", ping.repeat(FRAMES)),
        ("pongs", pong.repeat(FRAMES)),
        ("messages", empty_frame(0x81).repeat(FRAMES)),
    ] {
        let (mut mallory, _) = TestClient::login(pair.server.local_addr(), what).await;
        // The server may close before it has read everything.
        let _cut_off = with_timeout("flood", mallory.socket.get_mut().write_all(&bytes)).await;
        assert_eq!(mallory.wait_for_close().await.0, Some(RefusedCode::RateLimited), "{what}");
    }
    pair.assert_unaffected().await;
}

#[tokio::test]
async fn binary_frames_are_refused() {
    let pair = WellBehavedPair::log_in().await;
    let mut mallory = pair.mallory().await;
    mallory.socket.send(Message::binary(vec![0; 16])).await.unwrap();
    mallory.expect_refused(RefusedCode::BadFrame, CloseCode::Unsupported).await;
    pair.assert_unaffected().await;
}

#[tokio::test]
async fn invalid_frames_are_refused() {
    use tokio::io::AsyncWriteExt;
    let pair = WellBehavedPair::log_in().await;
    let broken: [&[u8]; 4] = [
        // A frame without a mask.
        &[0x81, 0x01, b'x'],
        // A reserved bit, and an unknown opcode.
        &[0xc1, 0x80, 0, 0, 0, 0],
        &[0x83, 0x80, 0, 0, 0, 0],
        // Text that is not UTF-8.
        &[0x81, 0x81, 0, 0, 0, 0, 0xff],
    ];
    for (number, bytes) in broken.into_iter().enumerate() {
        let (mut mallory, _) = TestClient::login(pair.server.local_addr(), &format!("Mallory {number}")).await;
        mallory.socket.get_mut().write_all(bytes).await.unwrap();
        mallory.expect_refused(RefusedCode::BadFrame, CloseCode::Unsupported).await;
    }
    pair.assert_unaffected().await;
}

#[tokio::test]
async fn a_broken_connection_removes_its_user_from_the_roster() {
    let mut pair = WellBehavedPair::log_in().await;
    let (mallory, login) = TestClient::login(pair.server.local_addr(), "Mallory").await;
    pair.ana.wait_for_state(login.me.token, hutong_protocol::UserState::Online).await;
    drop(mallory);
    pair.ana.wait_for_state(login.me.token, hutong_protocol::UserState::Offline).await;
    pair.assert_unaffected().await;
}

#[tokio::test]
async fn invalid_and_taken_names_are_refused() {
    let pair = WellBehavedPair::log_in().await;
    for (name, code) in [
        ("", RefusedCode::NameInvalid),
        ("a\u{202e}b", RefusedCode::NameInvalid),
        (&"x".repeat(60_000), RefusedCode::NameInvalid),
        ("ANA", RefusedCode::NameTaken),
    ] {
        let mut mallory = TestClient::open(pair.server.local_addr()).await;
        mallory.send(&ClientMessage::Hello { name: name.into(), resume: None, secret: None, replace: false }).await;
        mallory.expect_refused(code, CloseCode::Policy).await;
    }
    pair.assert_unaffected().await;
}

#[tokio::test]
async fn silent_connections_do_not_affect_others() {
    let pair = WellBehavedPair::log_in().await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(tokio::net::TcpStream::connect(pair.server.local_addr()).await.unwrap());
    }
    tokio::time::timeout(Duration::from_secs(10), pair.assert_unaffected()).await.unwrap();
}
