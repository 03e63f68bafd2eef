//! HTTP responses that several modules share.

pub(crate) mod response;
