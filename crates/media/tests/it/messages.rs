//! Messages over the data channel.

use bytes::Bytes;
use hutong_media::{Config, Error, Event, Message};

use crate::common;

#[tokio::test]
async fn arrive_both_ways() {
    let _turn = common::beside_others().await;
    let (mut offering, mut answering) = common::pair().await;
    offering.wait_for(Event::ChannelOpen).await;
    answering.wait_for(Event::ChannelOpen).await;
    let text = Message::Text(r#"{"microphone":true,"camera":false} 你好"#.into());
    let binary = Message::Binary(Bytes::from(vec![7; 50_000]));
    for message in [text, binary] {
        offering.peer.send_message(&message).await.unwrap();
        answering.wait_for(Event::Message(message.clone())).await;
        answering.peer.send_message(&message).await.unwrap();
        offering.wait_for(Event::Message(message)).await;
    }
}

#[tokio::test]
async fn that_are_too_large_or_have_no_channel_are_refused() {
    let _turn = common::beside_others().await;
    let (offering, _answering) = common::pair().await;
    let large = Message::Binary(Bytes::from(vec![7; (64 << 10) + 1]));
    assert_eq!(offering.peer.send_message(&large).await, Err(Error::Size));
    let without = common::side(Config { channel: None, ..common::config() }).await;
    assert_eq!(without.peer.send_message(&Message::Text("x".into())).await, Err(Error::NotSending));
}
