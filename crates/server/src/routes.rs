//! HTTP routes of the client port and of the metrics port.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
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
    web,
};

/// Routes of the client port: WebSocket, web app, liveness and readiness.
#[derive(Debug)]
pub(crate) struct Routes {
    pub(crate) hub: Hub,
    pub(crate) admission: Arc<AdmissionControl>,
    pub(crate) gateway: Gateway,
}

impl RequestHandler for Routes {
    fn respond(&self, request: Request<Incoming>, connection: &ConnectionInfo) -> Response<Full<Bytes>> {
        let mut response = match request.uri().path() {
            hutong_protocol::WS_PATH => {
                let client = self.admission.client_addr(connection.peer.ip(), request.headers());
                self.gateway.upgrade(request, client, connection)
            }
            _ if !is_get_or_head(&request) => method_not_allowed(),
            "/healthz" => plain_text(StatusCode::OK, "ok"),
            "/readyz" => match self.hub.check_capacity() {
                Ok(()) => plain_text(StatusCode::OK, "ok"),
                Err(code) => plain_text(StatusCode::SERVICE_UNAVAILABLE, code.as_str()),
            },
            path => web::respond(path, request.headers()),
        };
        headers::add_common(response.headers_mut(), connection.transport);
        response
    }
}

/// Routes of the metrics port.
pub(crate) fn metrics(request: &Request<Incoming>, exposition: &Exposition) -> Response<Full<Bytes>> {
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
