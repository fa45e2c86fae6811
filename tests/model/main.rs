//! The refresh protocol as a model whose every run is looked at, and the single flight under a
//! tester that chooses who runs next. See `docs/adr/0005-refresh-protocol.md`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, missing_docs)]
// The runs that are found are shown: `--nocapture`.
#![allow(clippy::print_stdout)]

mod protocol;
mod refresh;
mod single_flight;
