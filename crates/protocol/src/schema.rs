//! JSON Schema of the messages, generated from the Rust types.
//!
//! `cargo run -p hutong-protocol --features schema --example schema` prints it; `docs/protocol.schema.json` is its
//! output. The schema describes what version 1 sends. Receivers are more lenient: they ignore fields and codes that
//! they do not know.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema};
use serde_json::{Map, Value, json};

use crate::{
    CallId, CallTicket, ClientMessage, Name, Secret, ServerMessage, SessionTicket,
    limits::{MAX_NAME_BYTES, MAX_SECRET_BYTES},
};

/// Generates the schema: `$defs/ClientMessage` has the messages of clients, `$defs/ServerMessage` those of servers.
#[must_use]
pub fn schema() -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let client = generator.subschema_for::<ClientMessage>();
    let server = generator.subschema_for::<ServerMessage>();
    let definitions: Map<String, Value> = generator.take_definitions(true);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Hutong's protocol, version 1",
        "description": "Each text frame has one message: $defs/ClientMessage from a client, $defs/ServerMessage from a \
                        server. Generated from the Rust types. docs/PROTOCOL.md describes when each message is sent.",
        "anyOf": [client, server],
        "$defs": definitions,
    })
}

impl JsonSchema for CallId {
    fn schema_name() -> Cow<'static, str> {
        "CallId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A call's ID, unique on its server. Compare it as text, and do not parse it.",
            "type": "string",
            "pattern": "^c-[0-9a-fA-F]{1,16}$",
        })
    }
}

/// Implements one schema definition for both kinds of ticket: on the wire, both are opaque strings.
macro_rules! ticket_schema {
    ($($ticket:ty),+) => {$(
        impl JsonSchema for $ticket {
            fn schema_name() -> Cow<'static, str> {
                "Ticket".into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "description": "Session or call ticket: a credential signed by the server, opaque and secret.",
                    "type": "string",
                })
            }
        }
    )+};
}

ticket_schema!(SessionTicket, CallTicket);

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An access key or a password, of at most 1024 bytes of UTF-8.",
            "type": "string",
            "maxLength": MAX_SECRET_BYTES,
        })
    }
}

impl JsonSchema for Name {
    fn schema_name() -> Cow<'static, str> {
        "Name".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A user's name in normal form (NFKC, single spaces): 40 characters and 160 bytes of UTF-8 at most, \
                            where an emoji counts as one character. Display it as text, never as markup.",
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_NAME_BYTES,
        })
    }
}
