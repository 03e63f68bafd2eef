//! Messages on the data channel.

use bytes::Bytes;
use hutong_media::{ChannelMessage, Config, Error, Event};

use crate::common;

#[tokio::test]
async fn messages_arrive_in_both_directions() {
    let _lock = common::shared().await;
    let (mut offerer, mut answerer) = common::connected_pair().await;
    offerer.wait_for(Event::DataChannelOpen).await;
    answerer.wait_for(Event::DataChannelOpen).await;
    let text = ChannelMessage::Text(r#"{"microphone":true,"camera":false} 你好"#.into());
    let binary = ChannelMessage::Binary(Bytes::from(vec![7; 50_000]));
    for message in [text, binary] {
        offerer.peer.send_message(&message).await.unwrap();
        answerer.wait_for(Event::Message(message.clone())).await;
        answerer.peer.send_message(&message).await.unwrap();
        offerer.wait_for(Event::Message(message)).await;
    }
}

#[tokio::test]
async fn messages_without_a_channel_or_of_invalid_size_are_rejected() {
    let _lock = common::shared().await;
    let (offerer, _answering) = common::connected_pair().await;
    let large = ChannelMessage::Binary(Bytes::from(vec![7; (64 << 10) + 1]));
    assert_eq!(offerer.peer.send_message(&large).await, Err(Error::InvalidSize));
    let without_channel = common::test_peer(Config { data_channel: None, ..common::config() }).await;
    assert_eq!(without_channel.peer.send_message(&ChannelMessage::Text("x".into())).await, Err(Error::NotSending));
}
