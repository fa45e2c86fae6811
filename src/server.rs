//! The browser: everything that speaks actix-web and actix-session.
//!
//! The listener reads a request's head, and hands it to one of two. [`Calls`] answers what goes to
//! the API. The broker's own routes are actix-web's: a request for one passes, from outside in,
//! [`Envelope`] (id, first checks, headers of every answer, log), [`CookieKeys`] (its cookies, read
//! once), actix-session (the id in the session cookie), and a handler. `routes.rs` has the list.

pub mod admin;
mod admission;
pub mod auth;
mod bridge;
mod browser_session;
mod calls;
mod capacity;
mod client_address;
mod connection;
mod cookie_keys;
mod cookies;
mod csrf;
mod elsewhere;
mod envelope;
mod lifecycle;
mod limits;
mod listener;
mod notes;
mod pages;
mod problem;
mod reception;
mod refusal;
#[cfg(feature = "dev")]
pub mod sample_page;
mod unread;
mod visitor_cookie;

pub use admission::Admission;
pub use browser_session::{BrowserSession, IdStore, session_middleware};
pub use calls::{BodyLimits, Calls, Content, Forwarding, relay, request_body};
pub use capacity::Capacity;
pub use client_address::TrustedProxies;
pub use connection::{Fault, Patience, Refusal};
pub use cookie_keys::{CookieKeys, Judged};
pub use cookies::{CookieNames, Presented, PresentedCookies};
pub use csrf::CsrfGate;
pub use elsewhere::elsewhere;
pub use envelope::Envelope;
pub use lifecycle::Lifecycle;
pub use limits::{Limits, SessionCaps};
pub use listener::{Bounds, listen};
pub use notes::Notes;
pub use pages::Pages;
pub use problem::Problem;
pub use reception::Reception;
pub use unread::keep_reader;
pub use visitor_cookie::VisitorCookies;
