//! The client of one authorization server: the authorization code grant and the refresh token
//! grant of a confidential client (RFC 6749 sections 4.1 and 6), with PKCE (RFC 7636).
//!
//! The endpoints are static settings: Whisk publishes no metadata, and a request built from
//! one could be led elsewhere. Beside them stands Whisk's own call for anonymous users. A call
//!
//! * is a POST with everything in the body (or the client in `Authorization: Basic`), on a
//!   connection of its own;
//! * is made once. A code or a rotating refresh token that may have arrived must not be sent
//!   again, so the caller learns whether it may have ([`Unavailable`]) and decides;
//! * follows no redirect, which would replay the secret (RFC 9700 section 4.12);
//! * is bounded in time, in answer and in number.
//!
//! What comes back is read leniently where Whisk's own pages differ (`scope`, `expires_in`) and
//! strictly where a token is at stake. Of a refusal only the code is kept: no byte of an answer
//! reaches an error's text.

mod anonymous;
mod authorization;
mod client;
mod encoding;
mod error;
mod grant;
mod pkce;
mod wire;

pub use anonymous::{AnonymousEndpoint, AnonymousUser};
pub use authorization::{AuthorizationCode, AuthorizationRequest, State};
pub use client::Client;
pub use error::{AuthorizationError, BuildError, Error, ErrorCode, InvalidAnswer, Unavailable};
pub use grant::{Alert, Grant, Granted, granted, refused};
pub use pkce::{CodeChallenge, CodeVerifier};
