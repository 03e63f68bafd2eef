//! Tests that the published JSON Schema matches the Rust types, and that the documentation's examples match both.

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

/// Builds a validator for one direction from the published file alone, as a third party would.
fn validator(definition: &str) -> Validator {
    let mut schema: Value = serde_json::from_str(&fs::read_to_string(doc("protocol.schema.json")).unwrap()).unwrap();
    let root = schema.as_object_mut().unwrap();
    root.remove("anyOf");
    root.insert("$ref".into(), json!(format!("#/$defs/{definition}")));
    jsonschema::validator_for(&schema).unwrap()
}

#[test]
fn the_published_schema_matches_the_types() {
    let published: Value = serde_json::from_str(&fs::read_to_string(doc("protocol.schema.json")).unwrap()).unwrap();
    assert_eq!(
        published,
        schema(),
        "out of date; regenerate it: cargo run -p hutong-protocol --features schema --example schema > docs/protocol.schema.json"
    );
    jsonschema::draft202012::meta::validate(&published).unwrap();
}

/// The example messages of one direction in `docs/PROTOCOL.md`: the lines of its fenced blocks `json to-server` or
/// `json to-client`.
fn examples(direction: &str) -> Vec<String> {
    let text = fs::read_to_string(doc("PROTOCOL.md")).unwrap();
    let mut found = Vec::new();
    for block in text.split(&format!("```json {direction}\n")).skip(1) {
        let (block, _) = block.split_once("```").expect("a fenced block is closed");
        found.extend(block.lines().filter(|line| !line.is_empty()).map(str::to_owned));
    }
    found
}

fn kind(message: &str) -> String {
    serde_json::from_str::<Value>(message).unwrap()["type"].as_str().unwrap().to_owned()
}

#[test]
fn the_documentation_has_a_valid_example_of_every_message() {
    let mut kinds = [BTreeSet::new(), BTreeSet::new()];
    for example in examples("to-server") {
        let value: Value = serde_json::from_str(&example).unwrap();
        TO_SERVER.validate(&value).unwrap_or_else(|error| panic!("{example}: {error}"));
        let message = decode_client(&example).unwrap();
        assert_eq!(serde_json::to_value(&message).unwrap(), value, "the example has no unknown fields");
        kinds[0].insert(kind(&example));
    }
    for example in examples("to-client") {
        let value: Value = serde_json::from_str(&example).unwrap();
        TO_CLIENT.validate(&value).unwrap_or_else(|error| panic!("{example}: {error}"));
        let message = decode_server(&example).unwrap();
        assert_eq!(serde_json::to_value(&message).unwrap(), value, "the example has no unknown fields");
        kinds[1].insert(kind(&example));
    }
    // The generated schema lists the types of all messages.
    let all = |definition: &str| -> BTreeSet<String> {
        let variants = schema()["$defs"][definition]["oneOf"].as_array().unwrap().clone();
        variants.iter().map(|variant| variant["properties"]["type"]["const"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(kinds[0], all("ClientMessage"));
    assert_eq!(kinds[1], all("ServerMessage"));
}

#[test]
fn the_schema_rejects_invalid_messages() {
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
    assert!(TO_SERVER.is_valid(&json!({"type": "hello", "name": "a", "colour": "red"})), "unknown fields are allowed");
}

/// One mutation of a message: a field, by index, is removed or gets another value.
fn mutation() -> impl Strategy<Value = (usize, Option<Value>)> {
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

fn mutate(message: &Value, (index, replacement): (usize, Option<Value>)) -> Value {
    let mut message = message.clone();
    let fields = message.as_object_mut().unwrap();
    let Some(field) = fields.keys().nth(index % fields.len()).cloned() else { return message };
    match replacement {
        Some(value) => fields.insert(field, value),
        None => fields.remove(&field),
    };
    message
}

proptest! {
    #[test]
    fn every_client_message_matches_the_schema(message in messages::client()) {
        let value = serde_json::to_value(&message).unwrap();
        prop_assert!(TO_SERVER.is_valid(&value), "{}: {:?}", value, TO_SERVER.validate(&value));
        prop_assert_eq!(serde_json::from_value::<ClientMessage>(value).unwrap(), message);
    }

    #[test]
    fn every_server_message_matches_the_schema(message in messages::server()) {
        let value = serde_json::to_value(&message).unwrap();
        prop_assert!(TO_CLIENT.is_valid(&value), "{}: {:?}", value, TO_CLIENT.validate(&value));
        prop_assert_eq!(serde_json::from_value::<ServerMessage>(value).unwrap(), message);
    }

    /// The decoder accepts what the schema allows, and apart from that only unknown codes.
    #[test]
    fn schema_and_decoder_agree_on_mutated_messages(message in messages::client(), mutation in mutation()) {
        let value = mutate(&serde_json::to_value(&message).unwrap(), mutation);
        let decoded = decode_client(&value.to_string()).is_ok();
        let allowed = TO_SERVER.is_valid(&value);
        let unknown_code = value["type"] == "cancel" && value["reason"].is_string();
        prop_assert!(decoded == allowed || (decoded && unknown_code), "{value}: decoded {decoded}, allowed {allowed}");
    }
}
