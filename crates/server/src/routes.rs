//! Which path is answered by what, on the port for clients and on that for metrics.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderValue},
};

use crate::{
    entry::Entry,
    gateway::Gateway,
    handler::{ConnectionInfo, Handler},
    headers,
    http::response::{method_not_allowed, plain},
    hub::Hub,
    metrics::Exposition,
    web,
};

/// The port for clients: the WebSocket, the web app, and whether the server is well.
#[derive(Debug)]
pub(crate) struct Routes {
    pub(crate) hub: Hub,
    pub(crate) entry: Arc<Entry>,
    pub(crate) gateway: Gateway,
}

impl Handler for Routes {
    fn respond(&self, request: Request<Incoming>, connection: &ConnectionInfo) -> Response<Full<Bytes>> {
        let mut response = match request.uri().path() {
            hutong_protocol::WS_PATH => {
                let visitor = self.entry.visitor(connection.peer.ip(), request.headers());
                self.gateway.upgrade(request, visitor, connection)
            }
            _ if !is_read(&request) => method_not_allowed(),
            "/healthz" => plain(StatusCode::OK, "ok"),
            "/readyz" => match self.hub.takes_users() {
                Ok(()) => plain(StatusCode::OK, "ok"),
                Err(code) => plain(StatusCode::SERVICE_UNAVAILABLE, code.as_str()),
            },
            path => web::respond(path, request.headers()),
        };
        headers::guard(response.headers_mut(), connection.transport);
        response
    }
}

/// The port for metrics.
pub(crate) fn metrics(request: &Request<Incoming>, exposition: &Exposition) -> Response<Full<Bytes>> {
    if request.uri().path() != "/metrics" {
        return plain(StatusCode::NOT_FOUND, "The numbers are at /metrics.\n");
    }
    if !is_read(request) {
        return method_not_allowed();
    }
    let text = match exposition.text() {
        Ok(text) => text,
        Err(error) => {
            tracing::error!(%error, "the metrics could not be written");
            return plain(StatusCode::INTERNAL_SERVER_ERROR, "The metrics could not be written.\n");
        }
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(Exposition::CONTENT_TYPE));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn is_read<B>(request: &Request<B>) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD)
}
