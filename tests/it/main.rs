//! The promises of the product, kept against real servers that play the outside world.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::needless_pass_by_value,
    clippy::disallowed_methods,
    missing_docs
)]

mod anonymous;
mod balancers;
mod callback;
mod cli;
mod csrf;
mod dev;
mod differential;
mod errors;
mod faults;
mod forwarding;
mod framing;
mod limits;
mod login;
mod migrations;
mod operations;
mod promises;
mod refresh;
mod sessions;
mod shared_cache;
mod slow_peers;
mod stores;
mod streaming;
mod support;
mod token_endpoint;
mod topologies;
mod two_users;
