//! HTTP routes of the client port and of the metrics port.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hutong_protocol::RefusedCode;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderValue},
};

use crate::{
    admission::AdmissionControl,
    gateway::Gateway,
    handler::{ConnectionInfo, RequestHandler},
    headers,
    http::response::{method_not_allowed, plain_text},
    hub::Hub,
    metrics::Exposition,
    served_hosts::{ServedHosts, misdirected},
    tls::Tls,
    transport::Transport,
    web,
};

/// Response text of a server without a free connection. Its first line is the code.
const FULL: &str = "full\n\n\
    This server has no free connection at the moment. Try again in a few seconds.\n\n\
    服务器的连接数已满，请过几秒再试。\n";

/// Seconds after which a refused client should try again: clients whose network was lost have freed their connections by then.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("15");

/// Routes of the client port: WebSocket, web app, liveness and readiness.
#[derive(Debug)]
pub(crate) struct Routes {
    pub(crate) hub: Hub,
    pub(crate) admission: Arc<AdmissionControl>,
    pub(crate) gateway: Gateway,
    pub(crate) hosts: Arc<ServedHosts>,
}

impl RequestHandler for Routes {
    fn respond(&self, request: Request<Incoming>, connection: &ConnectionInfo) -> Response<Full<Bytes>> {
        let mut response = match HealthCheck::of(&request) {
            // Probes name any host. The responses contain nothing that a page could use.
            Some(HealthCheck::Live) => plain_text(StatusCode::OK, "ok"),
            Some(HealthCheck::Ready) => match self.hub.check_capacity() {
                Ok(()) => plain_text(StatusCode::OK, "ok"),
                Err(code) => plain_text(StatusCode::SERVICE_UNAVAILABLE, code.as_str()),
            },
            None if !self.is_for_this_server(&request, connection) => misdirected(),
            None => self.serve(request, connection),
        };
        headers::add_common(response.headers_mut(), connection.transport);
        response
    }

    fn refuse(&self, request: &Request<Incoming>, transport: Transport) -> Response<Full<Bytes>> {
        let code = self.hub.check_capacity().err().unwrap_or(RefusedCode::Full);
        let mut response = match HealthCheck::of(request) {
            Some(HealthCheck::Live) => plain_text(StatusCode::OK, "ok"),
            Some(HealthCheck::Ready) => plain_text(StatusCode::SERVICE_UNAVAILABLE, code.as_str()),
            None => plain_text(StatusCode::SERVICE_UNAVAILABLE, FULL),
        };
        if response.status() == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        headers::add_common(response.headers_mut(), transport);
        response
    }
}

impl Routes {
    /// Whether the request names a host of this server, or passed a trusted proxy, which selects the server by its own rules.
    fn is_for_this_server(&self, request: &Request<Incoming>, connection: &ConnectionInfo) -> bool {
        self.admission.is_proxied(connection.peer.ip(), request.headers())
            || self.hosts.serves(request.uri(), request.headers(), connection.tls.as_ref())
    }

    fn serve(&self, request: Request<Incoming>, connection: &ConnectionInfo) -> Response<Full<Bytes>> {
        match request.uri().path() {
            hutong_protocol::WS_PATH => {
                let client = self.admission.client_addr(connection.peer.ip(), request.headers());
                self.gateway.upgrade(request, client, connection)
            }
            _ if !is_get_or_head(&request) => method_not_allowed(),
            path => web::respond(path, request.headers()),
        }
    }
}

/// A request for the server's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HealthCheck {
    /// Whether the server runs.
    Live,
    /// Whether somebody new can log in.
    Ready,
}

impl HealthCheck {
    fn of<B>(request: &Request<B>) -> Option<Self> {
        match request.uri().path() {
            "/healthz" if is_get_or_head(request) => Some(Self::Live),
            "/readyz" if is_get_or_head(request) => Some(Self::Ready),
            _ => None,
        }
    }
}

/// Routes of the metrics port.
pub(crate) fn metrics(
    request: &Request<Incoming>,
    exposition: &Exposition,
    hosts: &ServedHosts,
    tls: Option<&Tls>,
) -> Response<Full<Bytes>> {
    if !hosts.serves(request.uri(), request.headers(), tls) {
        return misdirected();
    }
    if request.uri().path() != "/metrics" {
        return plain_text(StatusCode::NOT_FOUND, "The metrics are at /metrics.\n");
    }
    if !is_get_or_head(request) {
        return method_not_allowed();
    }
    let text = match exposition.text() {
        Ok(text) => text,
        Err(error) => {
            tracing::error!(%error, "cannot encode the metrics; the scrape is answered with status 500");
            return plain_text(StatusCode::INTERNAL_SERVER_ERROR, "The metrics could not be encoded.\n");
        }
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(Exposition::CONTENT_TYPE));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn is_get_or_head<B>(request: &Request<B>) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD)
}
