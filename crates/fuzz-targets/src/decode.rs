//! Fuzz target of the message decoder: decoded messages round-trip, and errors are short.

use std::fmt::Debug;

use hutong_protocol::{DecodeError, decode_client, decode_server};
use serde::Serialize;

/// Maximum length of an error in bytes: 200 quoted characters of up to four bytes, and fixed text.
const MAX_ERROR_BYTES: usize = 1_000;

/// Decodes the bytes as a message of a client and of a server.
///
/// # Panics
///
/// If a decoded message does not round-trip, or an error is too long.
pub fn decode(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    check_round_trip(decode_client, text);
    check_round_trip(decode_server, text);
}

fn check_round_trip<M: Serialize + Debug + PartialEq>(decode: fn(&str) -> Result<M, DecodeError>, text: &str) {
    match decode(text) {
        Ok(message) => {
            let again = serde_json::to_string(&message).map(|written| decode(&written));
            assert!(matches!(&again, Ok(Ok(again)) if *again == message), "{message:?} became {again:?}");
        }
        Err(error) => check_length(&error),
    }
}

fn check_length(error: &DecodeError) {
    let about = error.about.as_ref().map_or(0, String::len);
    assert!(error.message.len() + about <= MAX_ERROR_BYTES, "{error:?}");
}
