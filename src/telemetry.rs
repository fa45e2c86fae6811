//! Logs and metrics: what an operator can see, and what nobody may see.
//!
//! * [`logging`] starts the log: JSON lines for a pipe, readable lines for a terminal, every
//!   control character escaped, every dependency held to warnings;
//! * [`RequestLine`] is the one line a request leaves behind;
//! * [`SecurityEvent`] is the one record a login, a logout or a refusal leaves behind;
//! * [`Metrics`] counts, with a method an event and labels that are enums.
//!
//! No token, code, `state`, verifier, cookie, session id or query string is ever an argument
//! here (requirement R112). A session is known by the [`session_digest`] of its id.
//! `docs/LOGGING.md` lists every event and its fields.

mod escape;
mod health;
mod labels;
mod line;
pub mod logging;
mod metrics;
mod request_log;
mod security;
mod writer;

pub use health::Health;
pub use labels::{
    AnonymousOutcome, ConnectionBound, CsrfReason, Limit, LoginOutcome, Outcome, RefreshOutcome, Route,
    SessionEnd, StoreOperation, StoreOutcome, UpstreamOutcome,
};
pub use logging::LogFormat;
pub use metrics::Metrics;
pub use request_log::{Refreshed, RequestLine};
pub use security::{SecurityEvent, SecurityKind};

use crate::model::{Digest, SessionId};

/// What a session is called in logs: the beginning of its record's name in the store, by which an
/// operator finds it. From neither can the id be had.
pub fn session_digest(id: &SessionId) -> Digest {
    id.name()
}
