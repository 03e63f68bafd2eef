//! Call links that open in a browser: `https://SERVER/#call=NAME`, perhaps with a server's key (`#key=…&call=NAME`).
//!
//! Links come from untrusted sources. One proposes a call to a user of the server that it opens, and nothing happens before
//! the person confirms. It stays in the page's address until then, so that a reload keeps it.

use hutong_core::{
    SessionView, View,
    host_messages::{CallLinkStage, PendingCallLink},
};
use hutong_protocol::Name;
use wasm_bindgen::JsValue;

use crate::dom;

/// The name of the part in the fragment.
const CALL_PREFIX: &str = "call=";

/// Parts of a fragment that are not passed on in a call link: the access key, and another call.
const NOT_PASSED_ON: [&str; 2] = ["access=", CALL_PREFIX];

/// The user named by the call link of this page.
pub fn current() -> Option<Name> {
    callee(&dom::window()?.location().hash().ok()?)
}

/// Removes the proposal from the address and the history.
pub fn remove() {
    let Some(window) = dom::window() else { return };
    let location = window.location();
    let (Ok(path), Ok(search), Ok(hash)) = (location.pathname(), location.search(), location.hash()) else { return };
    if let Ok(history) = window.history() {
        let url = format!("{path}{search}{}", without_call(&hash));
        history.replace_state_with_url(&JsValue::NULL, "", Some(&url)).ok();
    }
}

/// A link with which others call this user. `invitation` is the address by which they join.
pub fn link_to(invitation: &str, name: &Name) -> String {
    let (address, fragment) = invitation.split_once('#').unwrap_or((invitation, ""));
    let call = format!("{CALL_PREFIX}{}", percent_encode(name.as_str()));
    let parts =
        fragment.split('&').filter(|part| !part.is_empty() && !NOT_PASSED_ON.iter().any(|it| part.starts_with(it)));
    let parts: Vec<&str> = parts.chain([call.as_str()]).collect();
    format!("{}/#{}", address.trim_end_matches('/'), parts.join("&"))
}

/// The proposal as the page shows it. `None` for the person's own name.
pub fn pending(callee: &Name, view: &View) -> Option<PendingCallLink> {
    let key = callee.key();
    let stage = match &view.session {
        SessionView::LoggedIn { me } | SessionView::Reconnecting { me } if me.name.key() == key => return None,
        SessionView::LoggedIn { .. } | SessionView::Reconnecting { .. } => {
            let is_online = view.users.values().any(|user| user.name.key() == key);
            if is_online { CallLinkStage::AwaitingConfirmation } else { CallLinkStage::CalleeOffline }
        }
        SessionView::LoggedOut
        | SessionView::LoggingIn { .. }
        | SessionView::Refused { .. }
        | SessionView::InvitationOutdated { .. }
        | SessionView::Replaced { .. } => CallLinkStage::AwaitingLogin,
    };
    Some(PendingCallLink { name: callee.clone(), server: String::new(), changes_server: false, stage })
}

/// The user named by a fragment, by the rules for typed names. `None` if there is none, or several.
fn callee(fragment: &str) -> Option<Name> {
    let mut calls = parts(fragment).filter_map(|part| part.strip_prefix(CALL_PREFIX));
    let (Some(call), None) = (calls.next(), calls.next()) else { return None };
    Name::new(&percent_decode(call)?).ok()
}

/// The fragment without the proposal.
fn without_call(fragment: &str) -> String {
    let others: Vec<&str> = parts(fragment).filter(|part| !part.is_empty() && !part.starts_with(CALL_PREFIX)).collect();
    if others.is_empty() { String::new() } else { format!("#{}", others.join("&")) }
}

/// The parts of a fragment, in any order.
pub fn parts(fragment: &str) -> impl Iterator<Item = &str> {
    fragment.strip_prefix('#').unwrap_or(fragment).split('&')
}

/// Encodes all but the unreserved characters (RFC 3986, section 2.3).
fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// `None` if a percent sign is not followed by two digits, or the result is not UTF-8.
fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(if byte == b'%' {
            let mut digit = || char::from(bytes.next()?).to_digit(16);
            u8::try_from(digit()? * 16 + digit()?).ok()?
        } else {
            byte
        });
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use hutong_protocol::{Token, User, UserState};

    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    #[test]
    fn a_fragment_names_a_user_wherever_the_part_is() {
        for (fragment, expected) in [
            ("#call=Ana", Some("Ana")),
            ("#call=Ana%20B.", Some("Ana B.")),
            ("#call=%E5%B0%8F%E6%98%8E", Some("小明")),
            ("#call=小明", Some("小明")),
            ("#key=PIN&call=Ana", Some("Ana")),
            ("#call=Ana&key=PIN&access=secret", Some("Ana")),
            ("#call=%3Cb%3E%26", Some("<b>&")),
            ("#call=%f0%9f%91%a9%e2%80%8d%f0%9f%92%bb", Some("👩\u{200d}💻")),
            ("", None),
            ("#", None),
            ("#recall=Ana", None),
            ("#call=", None),
            ("#call=%20", None),
            ("#call=%", None),
            ("#call=%4", None),
            ("#call=%zz", None),
            ("#call=%FF", None),
            ("#call=A%E2%80%AEna", None),
            ("#call=Ana&call=Bo", None),
        ] {
            assert_eq!(callee(fragment).as_ref().map(Name::as_str), expected, "{fragment}");
        }
        assert_eq!(callee(&format!("#call={}", "x".repeat(41))), None);
    }

    #[test]
    fn only_the_proposal_is_removed() {
        for (fragment, expected) in [
            ("#call=Ana", ""),
            ("#key=PIN&call=Ana", "#key=PIN"),
            ("#call=Ana&top", "#top"),
            ("", ""),
            ("#top", "#top"),
        ] {
            assert_eq!(without_call(fragment), expected, "{fragment}");
        }
    }

    #[test]
    fn a_link_has_the_servers_key_and_no_access_key() {
        for (invitation, expected) in [
            ("https://calls.example", "https://calls.example/#call=Ana"),
            ("https://calls.example/hutong/", "https://calls.example/hutong/#call=Ana"),
            ("https://192.0.2.7:8017/#key=PIN", "https://192.0.2.7:8017/#key=PIN&call=Ana"),
            ("https://192.0.2.7:8017/#key=PIN&access=secret", "https://192.0.2.7:8017/#key=PIN&call=Ana"),
            ("https://192.0.2.7:8017/#access=secret&call=Bo", "https://192.0.2.7:8017/#call=Ana"),
        ] {
            assert_eq!(link_to(invitation, &name("Ana")), expected);
        }
        for typed in ["Ana B.", "小明", "a&b=c#d%", "👩\u{200d}💻", "."] {
            let link = link_to("https://calls.example", &name(typed));
            let (_, fragment) = link.split_once('#').unwrap();
            assert_eq!(callee(fragment), Some(name(typed)), "{link}");
        }
    }

    #[test]
    fn the_proposal_follows_login_and_presence_and_is_none_for_oneself() {
        let user = |token, text| User { token: Token(token), name: name(text), state: UserState::Online };
        let mut view = View::default();
        let stage = |callee, view: &View| pending(&name(callee), view).map(|link| link.stage);
        assert_eq!(stage("Ana", &view), Some(CallLinkStage::AwaitingLogin));
        view.session = SessionView::LoggedIn { me: user(1, "Bo") };
        assert_eq!(stage("Ana", &view), Some(CallLinkStage::CalleeOffline));
        view.users.insert(Token(2), user(2, "ANA"));
        assert_eq!(stage("Ana", &view), Some(CallLinkStage::AwaitingConfirmation));
        assert_eq!(stage("BO", &view), None);
    }

    #[cfg(not(target_arch = "wasm32"))]
    proptest::proptest! {
        #[test]
        fn parsing_never_panics(fragment in "#?(call=)?\\PC{0,40}") {
            let _parsed = (callee(&fragment), without_call(&fragment));
        }

        #[test]
        fn encoded_text_decodes_to_itself(text in "\\PC{0,40}") {
            proptest::prop_assert_eq!(percent_decode(&percent_encode(&text)), Some(text));
        }
    }
}
