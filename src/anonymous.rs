//! Anonymous users: one a browser, however often and wherever it asks.
//!
//! Whisk makes a user for an app without a login at the first request for one. A page sends a
//! dozen of its first calls at once, to any instance, and each might ask. What makes them one is
//! the visitor, a secret in a cookie that the browser was given before it could ask:
//!
//! * within this process, a [`SingleFlight`](crate::tokens::SingleFlight) joins those who ask for
//!   one visitor; its work is a task of its own, so a browser that hangs up loses nothing;
//! * between processes, a lease admits one at a time. Under it the visitor's record is read again:
//!   somebody may have asked already;
//! * that record names the visitor's session. It is only ever created, never replaced, and outlives
//!   the cookie: one visitor, one session. Where that session has ended, the visitor is used up.
//!
//! The order is: user, session, record. What a crash between two of them costs is an anonymous
//! user of whom nobody has heard yet; see `docs/adr/0006-anonymous-users.md`.

mod error;
mod flow;
mod record;

pub use error::AnonymousError;
pub use flow::{AnonymousFlow, Begun};
