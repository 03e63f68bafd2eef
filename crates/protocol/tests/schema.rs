//! The published JSON Schema says what the types say, and the documentation's examples hold.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod messages;

use std::{collections::BTreeSet, fs, path::PathBuf, sync::LazyLock};

use hutong_protocol::{ClientMessage, ServerMessage, decode_client, decode_server, schema::schema};
use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Value, json};

static TO_SERVER: LazyLock<Validator> = LazyLock::new(|| validator("ClientMessage"));
static TO_CLIENT: LazyLock<Validator> = LazyLock::new(|| validator("ServerMessage"));

fn doc(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)
}

/// A validator for one direction, as somebody who has only the published file would make it.
fn validator(definition: &str) -> Validator {
    let mut schema: Value = serde_json::from_str(&fs::read_to_string(doc("protocol.schema.json")).unwrap()).unwrap();
    let root = schema.as_object_mut().unwrap();
    root.remove("anyOf");
    root.insert("$ref".into(), json!(format!("#/$defs/{definition}")));
    jsonschema::validator_for(&schema).unwrap()
}

#[test]
fn the_published_schema_is_that_of_the_types() {
    let published: Value = serde_json::from_str(&fs::read_to_string(doc("protocol.schema.json")).unwrap()).unwrap();
    assert_eq!(
        published,
        schema(),
        "write it anew: cargo run -p hutong-protocol --features schema --example schema > docs/protocol.schema.json"
    );
    jsonschema::draft202012::meta::validate(&published).unwrap();
}

/// The messages in the fenced blocks of one direction: `json to-server` or `json to-client`, one a line.
fn examples(direction: &str) -> Vec<String> {
    let text = fs::read_to_string(doc("PROTOCOL.md")).unwrap();
    let mut found = Vec::new();
    for block in text.split(&format!("```json {direction}\n")).skip(1) {
        let (block, _) = block.split_once("```").expect("a block ends");
        found.extend(block.lines().filter(|line| !line.is_empty()).map(str::to_owned));
    }
    found
}

fn kind(message: &str) -> String {
    serde_json::from_str::<Value>(message).unwrap()["type"].as_str().unwrap().to_owned()
}

#[test]
fn the_documentation_has_an_example_of_every_message_and_each_is_good() {
    let mut kinds = [BTreeSet::new(), BTreeSet::new()];
    for example in examples("to-server") {
        let value: Value = serde_json::from_str(&example).unwrap();
        TO_SERVER.validate(&value).unwrap_or_else(|error| panic!("{example}: {error}"));
        let message = decode_client(&example).unwrap();
        assert_eq!(serde_json::to_value(&message).unwrap(), value, "it has no field too many");
        kinds[0].insert(kind(&example));
    }
    for example in examples("to-client") {
        let value: Value = serde_json::from_str(&example).unwrap();
        TO_CLIENT.validate(&value).unwrap_or_else(|error| panic!("{example}: {error}"));
        let message = decode_server(&example).unwrap();
        assert_eq!(serde_json::to_value(&message).unwrap(), value, "it has no field too many");
        kinds[1].insert(kind(&example));
    }
    // Every kind of message, by the list of the types themselves.
    let all = |which: &str| -> BTreeSet<String> {
        let variants = schema()["$defs"][which]["oneOf"].as_array().unwrap().clone();
        variants.iter().map(|variant| variant["properties"]["type"]["const"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(kinds[0], all("ClientMessage"));
    assert_eq!(kinds[1], all("ServerMessage"));
}

#[test]
fn what_is_no_message_is_refused_by_the_schema() {
    for bad in [
        json!({}),
        json!({"type": "dance"}),
        json!({"type": "hello"}),
        json!({"type": "offering", "to": -1, "media": "video"}),
        json!({"type": "offering", "to": 1, "media": "smell"}),
        json!({"type": "confirm", "call": "7f", "sdp": ""}),
        json!({"type": "cancel", "call": "c-7f", "reason": "bored"}),
        json!({"type": "welcome"}),
    ] {
        assert!(!TO_SERVER.is_valid(&bad), "{bad}");
    }
    assert!(
        TO_SERVER.is_valid(&json!({"type": "hello", "name": "a", "colour": "red"})),
        "unknown fields are passed over"
    );
}

/// One change to a message: a field is left out, or has another value.
fn damage() -> impl Strategy<Value = (usize, Option<Value>)> {
    let values = [
        json!(null),
        json!(true),
        json!(-1),
        json!(7),
        json!(1.5),
        json!(""),
        json!("x"),
        json!("c-7f"),
        json!("c-"),
        json!("video"),
        json!("offer"),
        json!("hangup"),
        json!([]),
        json!({}),
        json!({"candidate": ""}),
        json!({"candidate": "", "sdpMLineIndex": 70_000}),
        json!("confirm"),
    ];
    (0_usize..6, prop::option::of(prop::sample::select(values.to_vec())))
}

fn damaged(message: &Value, (place, with): (usize, Option<Value>)) -> Value {
    let mut message = message.clone();
    let fields = message.as_object_mut().unwrap();
    let Some(field) = fields.keys().nth(place % fields.len()).cloned() else { return message };
    match with {
        Some(value) => fields.insert(field, value),
        None => fields.remove(&field),
    };
    message
}

proptest! {
    #[test]
    fn every_message_of_a_client_goes_by_the_schema(message in messages::client()) {
        let value = serde_json::to_value(&message).unwrap();
        prop_assert!(TO_SERVER.is_valid(&value), "{}: {:?}", value, TO_SERVER.validate(&value));
        prop_assert_eq!(serde_json::from_value::<ClientMessage>(value).unwrap(), message);
    }

    #[test]
    fn every_message_of_the_server_goes_by_the_schema(message in messages::server()) {
        let value = serde_json::to_value(&message).unwrap();
        prop_assert!(TO_CLIENT.is_valid(&value), "{}: {:?}", value, TO_CLIENT.validate(&value));
        prop_assert_eq!(serde_json::from_value::<ServerMessage>(value).unwrap(), message);
    }

    /// The server takes nothing less than the schema allows, and but for codes from the future nothing more.
    #[test]
    fn schema_and_server_agree_on_damaged_messages(message in messages::client(), damage in damage()) {
        let value = damaged(&serde_json::to_value(&message).unwrap(), damage);
        let taken = decode_client(&value.to_string()).is_ok();
        let allowed = TO_SERVER.is_valid(&value);
        let code_unknown = value["type"] == "cancel" && value["reason"].is_string();
        prop_assert!(taken == allowed || (taken && code_unknown), "{value}: taken {taken}, allowed {allowed}");
    }
}
