//! Messages: what is read is the same once it was written and read again, and what cannot be read has a short error.

use std::fmt::Debug;

use hutong_protocol::{DecodeError, decode_client, decode_server};
use serde::Serialize;

/// Bytes of an error. What it quotes is cut off at 200 characters, and each may have four bytes.
const ERROR_BYTES: usize = 1_000;

/// Reads the bytes as a message of each side.
///
/// # Panics
///
/// When a message changes on its way, or an error is long.
pub fn decode(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    outlives(decode_client, text);
    outlives(decode_server, text);
}

fn outlives<M: Serialize + Debug + PartialEq>(decode: fn(&str) -> Result<M, DecodeError>, text: &str) {
    match decode(text) {
        Ok(message) => {
            let again = serde_json::to_string(&message).map(|written| decode(&written));
            assert!(matches!(&again, Ok(Ok(again)) if *again == message), "{message:?} became {again:?}");
        }
        Err(error) => is_short(&error),
    }
}

fn is_short(error: &DecodeError) {
    let about = error.about.as_ref().map_or(0, String::len);
    assert!(error.message.len() + about <= ERROR_BYTES, "{error:?}");
}
