//! WebSocket upgrade: checks transport, origin and subprotocol, and starts the connection's task.

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
    admission::{AdmissionControl, ClientAddr, LOGINS_PER_CONNECTION},
    clock,
    handler::ConnectionInfo,
    http::response::plain_text,
    hub::Hub,
    token_bucket::TokenBucket,
    transport::Transport,
};

/// Handler of upgrade requests.
#[derive(Debug)]
pub(crate) struct Gateway {
    hub: Hub,
    admission: Arc<AdmissionControl>,
    allow_origins: Box<[String]>,
    deadlines: Arc<Deadlines>,
}

/// The subprotocol that a client offers.
#[derive(Clone, Debug, PartialEq, Eq)]
enum OfferedSubprotocol {
    /// This version of Hutong's protocol.
    Supported,
    /// Another version of it. It is confirmed, since browsers otherwise drop the WebSocket before they read `refused`, which all
    /// versions have in common.
    OtherVersion(HeaderValue),
    /// No version of it.
    Unknown,
}

impl Gateway {
    /// A gateway that also accepts pages of these origins, besides the server's own page and the app's.
    pub(crate) fn new(
        hub: Hub,
        admission: Arc<AdmissionControl>,
        allow_origins: Vec<String>,
        deadlines: Deadlines,
    ) -> Self {
        Self { hub, admission, allow_origins: allow_origins.into(), deadlines: Arc::new(deadlines) }
    }

    /// Answers an upgrade request, and starts the WebSocket's task if it is accepted.
    pub(crate) fn upgrade(
        &self,
        request: Request<Incoming>,
        client: ClientAddr,
        connection: &ConnectionInfo,
    ) -> Response<Full<Bytes>> {
        if connection.transport == Transport::PageOnly {
            return plain_text(StatusCode::FORBIDDEN, "From another machine, use https and wss.\n");
        }
        if !origin_is_allowed(request.headers(), &self.allow_origins) {
            return plain_text(
                StatusCode::FORBIDDEN,
                "Pages of this origin may not open a WebSocket to this server.\n",
            );
        }
        let Ok(mut response) = create_response_with_body(&request, Full::default) else {
            let mut refusal =
                plain_text(StatusCode::UPGRADE_REQUIRED, "This path requires a WebSocket upgrade, version 13.\n");
            refusal.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            refusal.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            return refusal;
        };
        let offered = subprotocol(request.headers());
        let confirmed = match &offered {
            OfferedSubprotocol::Supported => Some(HeaderValue::from_static(SUBPROTOCOL)),
            OfferedSubprotocol::OtherVersion(name) => Some(name.clone()),
            OfferedSubprotocol::Unknown => None,
        };
        if let Some(name) = confirmed {
            response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, name);
        }
        let slot = match offered {
            OfferedSubprotocol::Supported => self.admission.acquire_websocket(client),
            OfferedSubprotocol::OtherVersion(_) | OfferedSubprotocol::Unknown => Err(RefusedCode::Version),
        };
        let permit = connection.permit.clone();
        let tasks = permit.group.tasks.clone();
        let logins = Mutex::new(TokenBucket::full(LOGINS_PER_CONNECTION, clock::now()));
        // Boxed, since the task's future would contain it twice.
        let context = Box::new(UpgradeContext { permit, admission: self.admission.clone(), client, slot, logins });
        // Only the upgrade future moves into the task: the request would stay in memory while the WebSocket is open.
        let upgrade = hyper::upgrade::on(request);
        tasks.spawn(connection::run(upgrade, context, self.hub.clone(), self.deadlines.clone()));
        response
    }
}

/// Whether a page of the request's origin may open the WebSocket. Clients other than browsers send no origin.
///
/// Any page can make its visitor's browser open a WebSocket to this server, even on the visitor's loopback. The origin
/// identifies the page (RFC 6455, section 10.2).
fn origin_is_allowed(headers: &HeaderMap, allowed: &[String]) -> bool {
    const APP: [&str; 3] = ["tauri://localhost", "http://tauri.localhost", "https://tauri.localhost"];
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let Some(origin) = origins.next() else { return true };
    let (Ok(origin), None) = (origin.to_str(), origins.next()) else { return false };
    let same_origin = || {
        let host = headers.get(header::HOST)?.to_str().ok()?;
        let (scheme, authority) = origin.split_once("://")?;
        let default_port = match scheme {
            "http" => ":80",
            "https" => ":443",
            _ => return None,
        };
        let normalized = |authority: &str| {
            authority.strip_suffix(default_port).unwrap_or(authority).trim_end_matches('.').to_ascii_lowercase()
        };
        (normalized(authority) == normalized(host)).then_some(())
    };
    APP.contains(&origin)
        || allowed.iter().any(|allowed| allowed.trim_end_matches('/').eq_ignore_ascii_case(origin))
        || same_origin().is_some()
}

fn subprotocol(headers: &HeaderMap) -> OfferedSubprotocol {
    const NAME: HeaderName = header::SEC_WEBSOCKET_PROTOCOL;
    let mut offered = OfferedSubprotocol::Unknown;
    let offers = headers.get_all(NAME).iter().filter_map(|value| value.to_str().ok());
    for offer in offers.flat_map(|value| value.split(',')).map(str::trim) {
        if offer == SUBPROTOCOL {
            return OfferedSubprotocol::Supported;
        }
        if offered == OfferedSubprotocol::Unknown
            && offer.starts_with("hutong.")
            && let Ok(name) = HeaderValue::from_str(offer)
        {
            offered = OfferedSubprotocol::OtherVersion(name);
        }
    }
    offered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(HeaderName, &str)]) -> HeaderMap {
        list.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn only_allowed_origins_may_open_a_websocket() {
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
        let offered = |offer: &str| subprotocol(&headers(&[(header::SEC_WEBSOCKET_PROTOCOL, offer)]));
        assert_eq!(offered("hutong.v1"), OfferedSubprotocol::Supported);
        assert_eq!(offered("hutong.v2, chat,hutong.v1"), OfferedSubprotocol::Supported);
        assert_eq!(
            offered("chat, hutong.v2, hutong.v3"),
            OfferedSubprotocol::OtherVersion(HeaderValue::from_static("hutong.v2"))
        );
        assert_eq!(offered("chat"), OfferedSubprotocol::Unknown);
        assert_eq!(subprotocol(&HeaderMap::new()), OfferedSubprotocol::Unknown);
        let twice = headers(&[(header::SEC_WEBSOCKET_PROTOCOL, "chat"), (header::SEC_WEBSOCKET_PROTOCOL, "hutong.v1")]);
        assert_eq!(subprotocol(&twice), OfferedSubprotocol::Supported);
    }
}
