//! The JSON Schema of an enumeration of codes.

use schemars::{Schema, json_schema};
use serde_json::{Value, json};

/// What there is to say about an enumeration of codes.
pub trait Described {
    const NAME: &'static str;
    const ABOUT: &'static str;
    /// Each code as it stands on the wire, with its meaning.
    const VALUES: &'static [(&'static str, &'static str)];
}

/// The schema of an enumeration of codes: those that this version sends.
pub fn codes<T: Described>() -> Schema {
    let values: Vec<Value> = T::VALUES
        .iter()
        .map(|(code, about)| json!({ "const": code, "type": "string", "description": about.trim() }))
        .collect();
    json_schema!({ "description": T::ABOUT.trim(), "oneOf": values })
}
