//! What whisk-bff reads from strangers, as functions from bytes to nothing that must not panic.
//!
//! Each target asserts what the product promises of that input, by rules written down a second
//! time here and not by the code that is tested. `scripts/fuzz` searches for inputs that break
//! one, guided by coverage; `tests/corpus.rs` replays what was found worth keeping, in every run
//! of the tests. `docs/FUZZING.md` says how.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a target fails by panicking")]

mod client_address;
mod cookies;
mod fields;
mod request_headers;
mod response_headers;
mod return_path;
mod sealed_record;
mod settings;
mod token_response;
mod upstream_path;

/// Reads one input. Panics where a promise is broken.
pub type Target = fn(&[u8]);

/// Every target under its name, which is also that of its folder in `corpus/`.
pub const TARGETS: &[(&str, Target)] = &[
    ("client_address", client_address::run),
    ("cookies", cookies::run),
    ("request_headers", request_headers::run),
    ("response_headers", response_headers::run),
    ("return_path", return_path::run),
    ("sealed_record", sealed_record::run),
    ("settings", settings::run),
    ("token_response", token_response::run),
    ("upstream_path", upstream_path::run),
];

/// The target of that name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().find(|(known, _)| *known == name).map(|(_, target)| *target)
}
