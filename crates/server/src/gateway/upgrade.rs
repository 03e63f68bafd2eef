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
    origin::AllowedOrigins,
    route::{RouteCache, client_route},
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
    allow_origins: AllowedOrigins,
    deadlines: Arc<Deadlines>,
    routes: RouteCache,
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
        Self {
            hub,
            admission,
            allow_origins: AllowedOrigins::new(allow_origins),
            deadlines: Arc::new(deadlines),
            routes: RouteCache::default(),
        }
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
        let proxy = self.admission.trusted_proxy_header(connection.peer.ip());
        let is_proxied = self.admission.is_proxied(connection.peer.ip(), request.headers());
        let scheme = (!is_proxied).then_some(connection.scheme);
        if !self.allow_origins.check(request.headers(), proxy, scheme) {
            return plain_text(
                StatusCode::FORBIDDEN,
                "Pages of this origin may not open a WebSocket to this server. A reverse proxy must forward the Host header, and \
                 be named with --trusted-proxy if it terminates TLS; --allow-origin admits pages of other servers.\n",
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
        let route = self.routes.share(client_route(request.headers(), proxy, connection.default_port));
        let permit = connection.permit.clone();
        let tasks = permit.group.tasks.clone();
        let logins = Mutex::new(TokenBucket::full(LOGINS_PER_CONNECTION, clock::now()));
        // Boxed, since the task's future would contain it twice.
        let context =
            Box::new(UpgradeContext { permit, admission: self.admission.clone(), client, route, slot, logins });
        // Only the upgrade future moves into the task: the request would stay in memory while the WebSocket is open.
        let upgrade = hyper::upgrade::on(request);
        tasks.spawn(connection::run(upgrade, context, self.hub.clone(), self.deadlines.clone()));
        response
    }
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
