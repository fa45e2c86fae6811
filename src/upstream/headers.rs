//! Which headers cross, in either direction.
//!
//! Two tables, [`request`] and [`response`], name what is taken off or made anew, each line with
//! its reason; what no line names passes byte for byte (RFC 9110 section 5.1). Names are compared
//! with `-` for all that is neither letter nor digit, because servers that hand headers to programs
//! as variables (RFC 3875 section 4.1.18) cannot tell `_` from `-`, and some not even `.` or `!`.
//!
//! Fields that `Connection` nominates are taken off first, reckoned from what came in, so that a
//! sender cannot nominate away what is added here (RFC 9110 section 7.6.1).

mod cache;
mod fields;
mod forwarded;
mod location;
mod request;
mod response;
mod trace;

#[cfg(test)]
mod tests;

pub use forwarded::ClientHop;
pub use request::request_headers;
pub use response::{ResponseContext, response_headers};

/// Why headers do not cross.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// `Via` names this server: the call has been here before.
    #[error("the call loops back to this server")]
    Loop,
    /// The API redirects out of the forwarded paths, or in a way that cannot be read.
    #[error("the API redirects out of the forwarded paths")]
    Redirect,
}

impl From<HeaderError> for super::Error {
    fn from(error: HeaderError) -> Self {
        match error {
            HeaderError::Loop => Self::Loop,
            HeaderError::Redirect => Self::Invalid,
        }
    }
}
