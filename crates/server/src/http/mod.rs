//! HTTP answers that several parts of the server give.

pub(crate) mod response;
