//! Short plain-text responses.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Response, StatusCode,
    header::{self, HeaderValue},
};

/// A plain-text response that must not be cached.
pub(crate) fn plain_text(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Response 405 to a method other than GET and HEAD (RFC 9110, section 15.5.6).
pub(crate) fn method_not_allowed() -> Response<Full<Bytes>> {
    let mut response = plain_text(StatusCode::METHOD_NOT_ALLOWED, "Only GET and HEAD are supported here.\n");
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}
