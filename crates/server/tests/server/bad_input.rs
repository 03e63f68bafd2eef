//! Whoever sends nonsense gets a coded error or a close with a reason, and nobody else notices anything.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hutong_protocol::{CallId, ClientMessage, ErrorCode, MediaKind, RefusedCode, ServerMessage, Token};
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};

use crate::common::{Client, Login, call_and_hang_up, server, soon};

/// Two people who mind their own business while somebody else misbehaves.
struct Bystanders {
    ana: Client,
    bo: Client,
    bo_login: Login,
    server: hutong_server::Server,
}

impl Bystanders {
    async fn arrive() -> Self {
        let server = server().await;
        let (ana, _) = Client::login(server.local_addr(), "Ana").await;
        let (bo, bo_login) = Client::login(server.local_addr(), "小波").await;
        Self { ana, bo, bo_login, server }
    }

    async fn mallory(&self) -> Client {
        Client::login(self.server.local_addr(), "Mallory").await.0
    }

    /// They have got nothing but presence, and they can call each other.
    async fn noticed_nothing(mut self) {
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
async fn text_that_is_no_message_gets_an_error_and_the_connection_stays() {
    let bystanders = Bystanders::arrive().await;
    let mut mallory = bystanders.mallory().await;
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
        assert_eq!(mallory.error().await, (code, about.map(str::to_owned)), "{text:.60}");
    }
    bystanders.noticed_nothing().await;
}

#[tokio::test]
async fn messages_before_hello_get_an_error() {
    let bystanders = Bystanders::arrive().await;
    let mut mallory = Client::open(bystanders.server.local_addr()).await;
    mallory.send(&ClientMessage::Offering { to: bystanders.bo_login.me.token, media: MediaKind::Video }).await;
    assert_eq!(mallory.error().await, (ErrorCode::NotNow, Some("offering".into())));
    mallory.send(&ClientMessage::Hello { name: "Mallory".into(), resume: None, secret: None }).await;
    mallory.welcome().await;
    bystanders.noticed_nothing().await;
}

#[tokio::test]
async fn a_token_that_does_not_exist_is_not_online() {
    let bystanders = Bystanders::arrive().await;
    let mut mallory = bystanders.mallory().await;
    for token in [0, 1, u64::MAX] {
        mallory.send(&ClientMessage::Offering { to: Token(token), media: MediaKind::Video }).await;
        assert_eq!(mallory.error().await, (ErrorCode::NotOnline, Some("offering".into())));
    }
    bystanders.noticed_nothing().await;
}

#[tokio::test]
async fn a_call_of_others_cannot_be_touched() {
    let mut bystanders = Bystanders::arrive().await;
    let mut mallory = bystanders.mallory().await;
    let call = crate::common::set_up_call(&mut bystanders.ana, &mut bystanders.bo, bystanders.bo_login.me.token).await;
    for call in [call, CallId(0), CallId(u64::MAX)] {
        mallory.send(&ClientMessage::Confirm { call, sdp: "v=0 mine".into() }).await;
        assert_eq!(mallory.error().await, (ErrorCode::NoCall, Some("confirm".into())));
        mallory.send(&ClientMessage::Calling { call, sdp: "v=0 mine".into() }).await;
        assert_eq!(mallory.error().await, (ErrorCode::NoCall, Some("calling".into())));
    }
    mallory.send(&ClientMessage::Released { call }).await;
    mallory.send(&ClientMessage::Cancel { call, reason: hutong_protocol::CancelReason::Hangup }).await;
    assert_eq!(mallory.error().await, (ErrorCode::NoCall, Some("cancel".into())));
    // The call is still there: its members can talk.
    bystanders
        .ana
        .send(&ClientMessage::Description { call, kind: hutong_protocol::SdpKind::Offer, sdp: "v=0 2".into() })
        .await;
    bystanders
        .bo
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
async fn a_megabyte_is_too_large() {
    let bystanders = Bystanders::arrive().await;
    let mut mallory = bystanders.mallory().await;
    // The server closes as soon as it has seen the frame's head; the rest goes where it may.
    let _cut_off = mallory.socket.send(Message::text("x".repeat(1024 * 1024))).await;
    mallory.is_refused(RefusedCode::TooLarge, CloseCode::Size).await;
    bystanders.noticed_nothing().await;
}

#[tokio::test]
async fn a_megabyte_in_small_pieces_is_too_large() {
    use tokio_tungstenite::tungstenite::protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    };
    let bystanders = Bystanders::arrive().await;
    let mut mallory = bystanders.mallory().await;
    for piece in 0..256 {
        let opcode = OpCode::Data(if piece == 0 { Data::Text } else { Data::Continue });
        let frame = Frame::message(vec![b'x'; 4096], opcode, false);
        if mallory.socket.send(Message::Frame(frame)).await.is_err() {
            break;
        }
    }
    mallory.is_refused(RefusedCode::TooLarge, CloseCode::Size).await;
    bystanders.noticed_nothing().await;
}

#[tokio::test]
async fn ten_thousand_messages_in_a_second_are_refused() {
    let bystanders = Bystanders::arrive().await;
    let mallory = bystanders.mallory().await;
    let (mut sink, mut stream) = mallory.socket.split();
    let flood = async {
        for _ in 0..10_000 {
            if sink.feed(Message::text(r#"{"type":"released","call":"c-1"}"#)).await.is_err() {
                break;
            }
        }
        let _cut_off = sink.flush().await;
    };
    let mut told = 0;
    let mut refused = None;
    let mut close = None;
    let read = async {
        while let Some(Ok(message)) = stream.next().await {
            match message {
                Message::Text(text) => match hutong_protocol::decode_server(&text).unwrap() {
                    ServerMessage::Error { code: ErrorCode::RateLimited, .. } => told += 1,
                    ServerMessage::Refused { code, .. } => refused = Some(code),
                    _ => {}
                },
                Message::Close(frame) => close = frame,
                _ => {}
            }
        }
    };
    soon("the flood to end", async { tokio::join!(flood, read) }).await;
    assert!((1..=5).contains(&told), "told {told} times");
    assert_eq!(refused, Some(RefusedCode::RateLimited));
    let close = close.unwrap();
    assert_eq!((close.code, close.reason.as_str()), (CloseCode::Policy, "rate_limited"));
    bystanders.noticed_nothing().await;
}

#[tokio::test]
async fn binary_frames_are_refused() {
    let bystanders = Bystanders::arrive().await;
    let mut mallory = bystanders.mallory().await;
    mallory.socket.send(Message::binary(vec![0; 16])).await.unwrap();
    mallory.is_refused(RefusedCode::BadFrame, CloseCode::Unsupported).await;
    bystanders.noticed_nothing().await;
}

#[tokio::test]
async fn broken_framing_is_refused() {
    use tokio::io::AsyncWriteExt;
    let bystanders = Bystanders::arrive().await;
    let broken: [&[u8]; 4] = [
        // Not masked.
        &[0x81, 0x01, b'x'],
        // A reserved bit, and an opcode that does not exist.
        &[0xc1, 0x80, 0, 0, 0, 0],
        &[0x83, 0x80, 0, 0, 0, 0],
        // Text that is not UTF-8.
        &[0x81, 0x81, 0, 0, 0, 0, 0xff],
    ];
    for (number, bytes) in broken.into_iter().enumerate() {
        let (mut mallory, _) = Client::login(bystanders.server.local_addr(), &format!("Mallory {number}")).await;
        mallory.socket.get_mut().write_all(bytes).await.unwrap();
        mallory.is_refused(RefusedCode::BadFrame, CloseCode::Unsupported).await;
    }
    bystanders.noticed_nothing().await;
}

#[tokio::test]
async fn a_connection_that_breaks_off_leaves_the_roster() {
    let mut bystanders = Bystanders::arrive().await;
    let (mallory, login) = Client::login(bystanders.server.local_addr(), "Mallory").await;
    bystanders.ana.sees(login.me.token, hutong_protocol::UserState::Online).await;
    drop(mallory);
    bystanders.ana.sees(login.me.token, hutong_protocol::UserState::Offline).await;
    bystanders.noticed_nothing().await;
}

#[tokio::test]
async fn names_that_cannot_be_are_refused() {
    let bystanders = Bystanders::arrive().await;
    for (name, code) in [
        ("", RefusedCode::NameInvalid),
        ("a\u{202e}b", RefusedCode::NameInvalid),
        (&"x".repeat(60_000), RefusedCode::NameInvalid),
        ("ANA", RefusedCode::NameTaken),
    ] {
        let mut mallory = Client::open(bystanders.server.local_addr()).await;
        mallory.send(&ClientMessage::Hello { name: name.into(), resume: None, secret: None }).await;
        mallory.is_refused(code, CloseCode::Policy).await;
    }
    bystanders.noticed_nothing().await;
}

#[tokio::test]
async fn connections_that_never_speak_cost_the_others_nothing() {
    let bystanders = Bystanders::arrive().await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(tokio::net::TcpStream::connect(bystanders.server.local_addr()).await.unwrap());
    }
    tokio::time::timeout(Duration::from_secs(10), bystanders.noticed_nothing()).await.unwrap();
}
