//! The promises of the product, kept against real servers that play the outside world.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, missing_docs)]

mod login;
mod migrations;
mod stores;
mod streaming;
mod support;
mod token_endpoint;
