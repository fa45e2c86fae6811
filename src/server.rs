//! The browser: everything that speaks actix-web and actix-session.
//!
//! A request passes, from outside in: [`Envelope`] (id, first checks, headers of every answer,
//! log), [`CookieKeys`] (its cookies, read once, and a call's session), actix-session (the id in
//! the session cookie, for what is below `/auth/`), and a handler. `routes.rs` has the list.

pub mod admin;
mod admission;
pub mod auth;
pub mod bridge;
mod browser_session;
mod capacity;
mod client_address;
mod connection;
mod cookie_keys;
mod cookies;
mod csrf;
mod envelope;
mod forward;
mod lifecycle;
mod limits;
mod listener;
mod notes;
mod problem;
mod reception;
mod refusal;
#[cfg(feature = "dev")]
pub mod sample_page;
mod unread;
mod visitor_cookie;

pub use admission::Admission;
pub use bridge::BodyLimits;
pub use browser_session::{BrowserSession, IdStore, SessionLayer, session_middleware};
pub use capacity::Capacity;
pub use client_address::TrustedProxies;
pub use connection::{Fault, Patience, Refusal};
pub use cookie_keys::{CookieKeys, Judged};
pub use cookies::{CookieNames, Presented, PresentedCookies};
pub use csrf::CsrfGate;
pub use envelope::Envelope;
pub use forward::{Forwarding, forward};
pub use lifecycle::Lifecycle;
pub use limits::{Limits, SessionCaps};
pub use listener::{Bounds, listen};
pub use notes::Notes;
pub use problem::Problem;
pub use reception::Reception;
pub use unread::keep_reader;
pub use visitor_cookie::VisitorCookies;
