//! The sandbox through its socket: what its users in tests and scripts rely on.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod anonymous;
mod api;
mod authorize;
mod client;
mod control;
mod faults;
mod grant;
mod lifecycle;
mod program;
mod refresh;
mod transfer;
