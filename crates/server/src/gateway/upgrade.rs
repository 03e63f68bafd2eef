//! Opening a WebSocket: who may, and in which subprotocol.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::Full;
use hutong_protocol::{RefusedCode, SUBPROTOCOL};
use hyper::{
    HeaderMap, Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderName, HeaderValue},
};
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;

use super::{
    connection::{self, UpgradeContext},
    deadlines::Deadlines,
};
use crate::{
    clock,
    entry::{Entry, LOG_INS_OF_A_CONNECTION, Visitor},
    handler::ConnectionInfo,
    http::response::plain,
    hub::Hub,
    token_bucket::TokenBucket,
    transport::Transport,
};

/// Opens WebSockets, and runs them.
#[derive(Debug)]
pub(crate) struct Gateway {
    hub: Hub,
    entry: Arc<Entry>,
    allow_origins: Box<[String]>,
    deadlines: Arc<Deadlines>,
}

/// Which subprotocol is spoken.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Spoken {
    /// Ours.
    Ours,
    /// Another version of Hutong's. It is confirmed, since browsers drop a socket whose subprotocol is not, and all that is
    /// said in it is `refused`, which all versions know.
    OtherVersion(HeaderValue),
    /// None that we know.
    Unknown,
}

impl Gateway {
    /// Pages of these origins may open a WebSocket too, beside our own page and the app's.
    pub(crate) fn new(hub: Hub, entry: Arc<Entry>, allow_origins: Vec<String>, deadlines: Deadlines) -> Self {
        Self { hub, entry, allow_origins: allow_origins.into(), deadlines: Arc::new(deadlines) }
    }

    /// Answers a request for the WebSocket, and starts its task.
    pub(crate) fn upgrade(
        &self,
        request: Request<Incoming>,
        visitor: Visitor,
        connection: &ConnectionInfo,
    ) -> Response<Full<Bytes>> {
        if connection.transport == Transport::PageOnly {
            return plain(StatusCode::FORBIDDEN, "Use https and wss from other machines.\n");
        }
        if !origin_is_allowed(request.headers(), &self.allow_origins) {
            return plain(StatusCode::FORBIDDEN, "Pages of this origin may not open the WebSocket.\n");
        }
        let Ok(mut response) = create_response_with_body(&request, Full::default) else {
            let mut refusal = plain(StatusCode::UPGRADE_REQUIRED, "This is a WebSocket of version 13.\n");
            refusal.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            refusal.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            return refusal;
        };
        let spoken = subprotocol(request.headers());
        let confirmed = match &spoken {
            Spoken::Ours => Some(HeaderValue::from_static(SUBPROTOCOL)),
            Spoken::OtherVersion(name) => Some(name.clone()),
            Spoken::Unknown => None,
        };
        if let Some(name) = confirmed {
            response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, name);
        }
        let admission = match spoken {
            Spoken::Ours => self.entry.opened(visitor),
            Spoken::OtherVersion(_) | Spoken::Unknown => Err(RefusedCode::Version),
        };
        let permit = connection.permit.clone();
        let tasks = permit.group.tasks.clone();
        let log_ins = Mutex::new(TokenBucket::full(LOG_INS_OF_A_CONNECTION, clock::now()));
        // Boxed, since the task would hold it twice.
        let context = Box::new(UpgradeContext { permit, entry: self.entry.clone(), visitor, admission, log_ins });
        // Not the request itself: the task would hold it for as long as the WebSocket lasts.
        let upgrade = hyper::upgrade::on(request);
        tasks.spawn(connection::run(upgrade, context, self.hub.clone(), self.deadlines.clone()));
        response
    }
}

/// Whether a page of the request's origin may open the WebSocket. Programs that are no browsers send none.
///
/// Any page in the world can make its visitor's browser open a WebSocket to us, even to a server on the visitor's own
/// loopback; the origin is how a server tells (RFC 6455, section 10.2).
fn origin_is_allowed(headers: &HeaderMap, allowed: &[String]) -> bool {
    const APP: [&str; 3] = ["tauri://localhost", "http://tauri.localhost", "https://tauri.localhost"];
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let Some(origin) = origins.next() else { return true };
    let (Ok(origin), None) = (origin.to_str(), origins.next()) else { return false };
    let same = || {
        let host = headers.get(header::HOST)?.to_str().ok()?;
        let (scheme, authority) = origin.split_once("://")?;
        let default_port = match scheme {
            "http" => ":80",
            "https" => ":443",
            _ => return None,
        };
        let bare = |authority: &str| {
            authority.strip_suffix(default_port).unwrap_or(authority).trim_end_matches('.').to_ascii_lowercase()
        };
        (bare(authority) == bare(host)).then_some(())
    };
    APP.contains(&origin)
        || allowed.iter().any(|allowed| allowed.trim_end_matches('/').eq_ignore_ascii_case(origin))
        || same().is_some()
}

fn subprotocol(headers: &HeaderMap) -> Spoken {
    const NAME: HeaderName = header::SEC_WEBSOCKET_PROTOCOL;
    let mut other = Spoken::Unknown;
    let offers = headers.get_all(NAME).iter().filter_map(|value| value.to_str().ok());
    for offer in offers.flat_map(|value| value.split(',')).map(str::trim) {
        if offer == SUBPROTOCOL {
            return Spoken::Ours;
        }
        if other == Spoken::Unknown
            && offer.starts_with("hutong.")
            && let Ok(name) = HeaderValue::from_str(offer)
        {
            other = Spoken::OtherVersion(name);
        }
    }
    other
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(HeaderName, &str)]) -> HeaderMap {
        list.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn our_own_page_the_app_and_programs_may_open_the_websocket() {
        let allowed = ["https://partner.example".to_owned()];
        let cases = [
            ("localhost:8017", None, true),
            ("localhost:8017", Some("http://localhost:8017"), true),
            ("LOCALHOST:8017", Some("http://localhost:8017"), true),
            ("localhost:8017", Some("http://localhost:8018"), false),
            ("localhost:8017", Some("http://127.0.0.1:8017"), false),
            ("example.org", Some("https://example.org"), true),
            ("example.org:443", Some("https://example.org"), true),
            ("example.org:80", Some("https://example.org"), false),
            ("[::1]:8017", Some("http://[::1]:8017"), true),
            ("localhost:8017", Some("tauri://localhost"), true),
            ("localhost:8017", Some("http://tauri.localhost"), true),
            ("localhost:8017", Some("https://tauri.localhost"), true),
            ("localhost:8017", Some("https://partner.example"), true),
            ("localhost:8017", Some("https://evil.example"), false),
            ("localhost:8017", Some("https://localhost:8017.evil.example"), false),
            ("localhost:8017", Some("null"), false),
            ("localhost:8017", Some(""), false),
            ("localhost:8017", Some("file://localhost:8017"), false),
        ];
        for (host, origin, expected) in cases {
            let mut list = headers(&[(header::HOST, host)]);
            if let Some(origin) = origin {
                list.insert(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
            }
            assert_eq!(origin_is_allowed(&list, &allowed), expected, "{origin:?} at {host}");
        }
        let two = headers(&[
            (header::HOST, "localhost"),
            (header::ORIGIN, "http://localhost"),
            (header::ORIGIN, "http://evil.example"),
        ]);
        assert!(!origin_is_allowed(&two, &[]));
    }

    #[test]
    fn the_subprotocol_is_found_among_others() {
        let spoken = |offer: &str| subprotocol(&headers(&[(header::SEC_WEBSOCKET_PROTOCOL, offer)]));
        assert_eq!(spoken("hutong.v1"), Spoken::Ours);
        assert_eq!(spoken("hutong.v2, chat,hutong.v1"), Spoken::Ours);
        assert_eq!(spoken("chat, hutong.v2, hutong.v3"), Spoken::OtherVersion(HeaderValue::from_static("hutong.v2")));
        assert_eq!(spoken("chat"), Spoken::Unknown);
        assert_eq!(subprotocol(&HeaderMap::new()), Spoken::Unknown);
        let twice = headers(&[(header::SEC_WEBSOCKET_PROTOCOL, "chat"), (header::SEC_WEBSOCKET_PROTOCOL, "hutong.v1")]);
        assert_eq!(subprotocol(&twice), Spoken::Ours);
    }
}
