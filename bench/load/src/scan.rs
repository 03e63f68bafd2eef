//! Finding users in messages without reading them whole.
//!
//! The clients of a storm get gigabytes of rosters, on the processors that the server is measured on. So what tells who is there is
//! searched for what it says of the clients of this generator, whose names are `u` and a number; all else is decoded properly.

use std::sync::LazyLock;

use memchr::memmem::Finder;

static NAME: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(r#""name":"u"#));

/// What stands between a name's number and the state, in our messages and in the old server's.
const STATE: &[u8] = br#"","state":""#;

/// Each user in the message: its number, and whether it is there.
pub fn entries(text: &str, mut each: impl FnMut(u32, bool)) {
    let bytes = text.as_bytes();
    let mut from = 0;
    while let Some(found) = bytes.get(from..).and_then(|rest| NAME.find(rest)) {
        let start = from + found + NAME.needle().len();
        let (number, length) = digits(&bytes[start..]);
        from = start + length;
        let state = bytes[from..].strip_prefix(STATE);
        if let (Some(number), Some(state)) = (number, state) {
            each(number, !state.starts_with(b"offline"));
        }
    }
}

/// The number that follows the first occurrence of this.
#[must_use]
pub fn number_after(text: &str, before: &str) -> Option<u64> {
    let rest = text.split_once(before)?.1;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// The text up to the next quotation mark after the first occurrence of this.
#[must_use]
pub fn text_after<'a>(text: &'a str, before: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split_once('"').map(|(found, _)| found)
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

    fn found(text: &str) -> Vec<(u32, bool)> {
        let mut all = Vec::new();
        entries(text, |number, is_there| all.push((number, is_there)));
        all
    }

    #[test]
    fn users_are_found_in_our_messages() {
        let user = |number: u32, state| User {
            token: Token(u64::from(number)),
            name: Name::new(&format!("u{number}")).unwrap(),
            state,
        };
        let changes = [user(0, UserState::Online), user(12_345, UserState::Offline), user(7, UserState::InCall)];
        let text = format!(r#"{{"type":"presence","changes":{}}}"#, serde_json::to_string(&changes).unwrap());
        assert_eq!(found(&text), [(0, true), (12_345, false), (7, true)]);
    }

    #[test]
    fn users_are_found_in_the_old_servers_messages() {
        let text = r#"42["USER",{"token":5,"name":"u3","state":"offline"}]"#;
        assert_eq!(found(text), [(3, false)]);
        assert_eq!((number_after(text, r#""token":"#), text_after(text, r#""name":""#)), (Some(5), Some("u3")));
    }

    #[test]
    fn others_are_passed_over() {
        for text in ["", r#""name":"u"#, r#""name":"u1"}"#, r#""name":"ua","state":"online""#, r#"{"name":"Ana"}"#] {
            assert_eq!(found(text), [], "{text}");
        }
    }
}
