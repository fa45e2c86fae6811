//! The authorization code grant as a flow (RFC 6749 section 4.1, with PKCE of RFC 7636).
//!
//! [`LoginFlow::begin`] remembers a login in progress and names the page to send the browser to;
//! [`LoginFlow::complete`] takes what the browser brings back. A login is bound to the browser
//! that began it by a cookie of its own, since the session's cookie is `SameSite=Strict` and does
//! not come along from the authorization server's site (RFC 10017 section 6.1.3.2).

mod error;
mod flow;
mod transaction;

pub use error::{BeginError, LoginError};
pub use flow::{Begun, Callback, Completed, LoginFlow};
pub use transaction::{Binding, LOGIN_LIFETIME};
