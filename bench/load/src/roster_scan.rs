//! Fast search for users in roster and presence messages, without decoding them.
//!
//! In a login storm the clients receive gigabytes of rosters, on the CPUs that run the server under test. So roster
//! messages are only searched for the generator's own clients, whose names are `u` and a number; all other messages are
//! decoded.

use std::sync::LazyLock;

use memchr::memmem::Finder;

static NAME: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(r#""name":"u"#));

/// Bytes between a name's number and the state, in Hutong's and in the socket.io server's messages.
const STATE: &[u8] = br#"","state":""#;

/// Calls back with each user in the message: its number, and whether it is online.
pub fn for_each_user(text: &str, mut each: impl FnMut(u32, bool)) {
    let bytes = text.as_bytes();
    let mut from = 0;
    while let Some(results) = bytes.get(from..).and_then(|rest| NAME.find(rest)) {
        let start = from + results + NAME.needle().len();
        let (number, length) = digits(&bytes[start..]);
        from = start + length;
        let state = bytes[from..].strip_prefix(STATE);
        if let (Some(number), Some(state)) = (number, state) {
            each(number, !state.starts_with(b"offline"));
        }
    }
}

/// The number after the first occurrence of `before`.
#[must_use]
pub fn number_after(text: &str, before: &str) -> Option<u64> {
    let rest = text.split_once(before)?.1;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// The text between the first occurrence of `before` and the next quotation mark.
#[must_use]
pub fn text_after<'a>(text: &'a str, before: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split_once('"').map(|(results, _)| results)
}

fn digits(bytes: &[u8]) -> (Option<u32>, usize) {
    let length = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = std::str::from_utf8(&bytes[..length]).ok().and_then(|text| text.parse().ok());
    (number, length)
}

#[cfg(test)]
mod tests {
    use hutong_protocol::{Name, Token, User, UserState};

    use super::*;

    fn results(text: &str) -> Vec<(u32, bool)> {
        let mut all = Vec::new();
        for_each_user(text, |number, is_online| all.push((number, is_online)));
        all
    }

    #[test]
    fn users_are_found_in_hutong_messages() {
        let user = |number: u32, state| User {
            token: Token(u64::from(number)),
            name: Name::new(&format!("u{number}")).unwrap(),
            state,
        };
        let changes = [user(0, UserState::Online), user(12_345, UserState::Offline), user(7, UserState::InCall)];
        let text = format!(r#"{{"type":"presence","changes":{}}}"#, serde_json::to_string(&changes).unwrap());
        assert_eq!(results(&text), [(0, true), (12_345, false), (7, true)]);
    }

    #[test]
    fn users_are_found_in_socket_io_messages() {
        let text = r#"42["USER",{"token":5,"name":"u3","state":"offline"}]"#;
        assert_eq!(results(text), [(3, false)]);
        assert_eq!((number_after(text, r#""token":"#), text_after(text, r#""name":""#)), (Some(5), Some("u3")));
    }

    #[test]
    fn other_names_are_ignored() {
        for text in ["", r#""name":"u"#, r#""name":"u1"}"#, r#""name":"ua","state":"online""#, r#"{"name":"Ana"}"#] {
            assert_eq!(results(text), [], "{text}");
        }
    }
}
