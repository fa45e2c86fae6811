//! Bodies and framing through bridge and forwarder, on raw sockets at both ends.
//!
//! The server here is those two alone, so that their limits can be set to fractions of a second
//! and their errors be read by name; what stands before them has promises of its own.

#![expect(clippy::disallowed_methods, reason = "a test without a runtime waits as a thread does")]

mod answers;
mod connections;
mod limits;
mod stage;
mod uploads;
