//! Static files of the web app, embedded in the binary.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    HeaderMap, Response, StatusCode,
    header::{self, HeaderValue},
};

use crate::{headers, http::response::plain_text};

/// A file of the web app. The build script generates the table.
struct WebAppFile {
    /// Without the leading slash.
    path: &'static str,
    mime: &'static str,
    /// The file name contains a hash of the content, so the content under it never changes.
    hashed: bool,
    /// Hash of the content in hexadecimal, for the entity tag.
    tag: &'static str,
    plain: &'static [u8],
    brotli: Option<&'static [u8]>,
    gzip: Option<&'static [u8]>,
}

include!(concat!(env!("OUT_DIR"), "/web_app.rs"));

/// Responds with the file at this path, in the best encoding that the request accepts.
pub(crate) fn respond(path: &str, request: &HeaderMap) -> Response<Full<Bytes>> {
    let path = match path {
        "/" => "index.html",
        path => path.trim_start_matches('/'),
    };
    match FILES.iter().find(|file| file.path == path) {
        Some(file) => serve(file, request),
        None if path == "index.html" => not_built(request),
        None => plain_text(StatusCode::NOT_FOUND, "Not found.\n"),
    }
}

fn serve(file: &'static WebAppFile, request: &HeaderMap) -> Response<Full<Bytes>> {
    let (body, encoding) = match (accepts(request, "br"), accepts(request, "gzip"), file) {
        (true, _, WebAppFile { brotli: Some(body), .. }) => (*body, Some("br")),
        (_, true, WebAppFile { gzip: Some(body), .. }) => (*body, Some("gzip")),
        _ => (file.plain, None),
    };
    // Each encoding has its own strong entity tag (RFC 9110, section 8.8.3).
    let tag = format!("\"{}-{}\"", file.tag, encoding.unwrap_or("plain"));
    let known = request
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|known| known.trim().trim_start_matches("W/") == tag);
    let mut response = Response::new(if known { Full::default() } else { Full::new(Bytes::from_static(body)) });
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.mime));
    if let Some(encoding) = encoding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    let caching = if file.hashed { "public, max-age=31536000, immutable" } else { "no-cache" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    headers::add_web_app(headers, request);
    response
}

fn not_built(request: &HeaderMap) -> Response<Full<Bytes>> {
    const PAGE: &str = include_str!("not_built.html");
    let mut response = Response::new(Full::new(Bytes::from_static(PAGE.as_bytes())));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers::add_web_app(headers, request);
    response
}

/// Whether the request names a content coding as acceptable (RFC 9110, section 12.5.3).
fn accepts(request: &HeaderMap, coding: &str) -> bool {
    request
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|item| {
            let (name, weight) = item.split_once(';').unwrap_or((item, "q=1"));
            let weight = weight.trim().strip_prefix("q=")?.trim().parse::<f32>().ok()?;
            name.trim().eq_ignore_ascii_case(coding).then_some(weight)
        })
        .any(|weight| weight > 0.0)
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderName;

    use super::*;

    const APP: WebAppFile = WebAppFile {
        path: "app-0123456789abcdef.js",
        mime: "text/javascript; charset=utf-8",
        hashed: true,
        tag: "0123",
        plain: b"plain",
        brotli: Some(b"brotli"),
        gzip: Some(b"gzip"),
    };

    fn get(headers: &[(HeaderName, &'static str)]) -> Response<Full<Bytes>> {
        let headers = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        serve(&APP, &headers)
    }

    fn header(response: &Response<Full<Bytes>>, name: HeaderName) -> Option<&str> {
        response.headers().get(name).map(|value| value.to_str().unwrap())
    }

    #[test]
    fn the_best_accepted_encoding_is_served() {
        for (accepted, served) in [
            ("gzip, deflate, br, zstd", Some("br")),
            ("gzip", Some("gzip")),
            ("br;q=0, gzip;q=0.5", Some("gzip")),
            ("BR", Some("br")),
            ("br;q=x", None),
            ("identity", None),
            ("", None),
        ] {
            let response = get(&[(header::ACCEPT_ENCODING, accepted)]);
            assert_eq!(header(&response, header::CONTENT_ENCODING), served, "{accepted}");
            assert_eq!(header(&response, header::VARY), Some("accept-encoding"));
        }
    }

    #[test]
    fn a_matching_entity_tag_is_answered_with_not_modified() {
        let first = get(&[(header::ACCEPT_ENCODING, "br")]);
        assert_eq!(header(&first, header::ETAG), Some("\"0123-br\""));
        let again = get(&[(header::ACCEPT_ENCODING, "br"), (header::IF_NONE_MATCH, "\"x\", W/\"0123-br\"")]);
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        let other = get(&[(header::ACCEPT_ENCODING, "gzip"), (header::IF_NONE_MATCH, "\"0123-br\"")]);
        assert_eq!(other.status(), StatusCode::OK);
        assert_eq!(header(&other, header::CACHE_CONTROL), Some("public, max-age=31536000, immutable"));
    }
}
