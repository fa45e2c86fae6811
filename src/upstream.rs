//! The API: the resource server to which calls are forwarded (RFC 6749 section 1.1).
//!
//! A call passes four gates, each a file:
//!
//! * [`path`](Routes): only allowlisted paths go through, byte for byte, and what a server could
//!   read in two ways is refused;
//! * [`headers`](request_headers): tables of what is taken off and put on, each with its reason;
//! * [`forwarder`](Forwarder): one HTTP client a worker, streaming both ways under time limits,
//!   with exactly one `Authorization`;
//! * [`error`](Error): why no answer came.
//!
//! The server is a gateway in the sense of RFC 9110 section 3.7: to the browser it is the origin,
//! and what origins decide (cookies, policies, caching) is decided here, not by the API.

mod call;
mod error;
mod forwarder;
mod headers;
mod path;

pub use call::{Answer, AnswerBody, Call, CallBody, Pieces};
pub use error::{BuildError, Error, RequestBodyError};
pub use forwarder::Forwarder;
pub use headers::{ClientHop, HeaderError, ResponseContext, request_headers, response_headers};
pub use path::{Ambiguity, PathError, Routes, UpstreamPath};
