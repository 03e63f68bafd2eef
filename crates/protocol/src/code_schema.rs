//! JSON Schema of an enum of wire codes.

use schemars::{Schema, json_schema};
use serde_json::{Value, json};

/// Metadata of an enum of wire codes, from which [`code_schema`] builds its schema.
pub trait CodeSchema {
    const NAME: &'static str;
    const DESCRIPTION: &'static str;
    /// Each wire code with its description.
    const CODES: &'static [(&'static str, &'static str)];
}

/// Builds the schema of an enum of wire codes, without `Unknown`.
pub fn code_schema<T: CodeSchema>() -> Schema {
    let codes: Vec<Value> = T::CODES
        .iter()
        .map(|(code, description)| json!({ "const": code, "type": "string", "description": description.trim() }))
        .collect();
    json_schema!({ "description": T::DESCRIPTION.trim(), "oneOf": codes })
}
