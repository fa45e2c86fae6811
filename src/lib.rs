//! whisk-bff: a token-brokering backend-for-frontend proxy for the Whisk API.
//!
//! The house has six floors. A module imports only from floors below its own
//! (`tests/architecture.rs` holds the table), so a change is read downwards.
//!
//! | Floor | Modules | Knows about |
//! |---|---|---|
//! | 5 | `cli`, `app`, `routes` (and the binary's `main`) | wiring; nothing imports it |
//! | 4 | [`server`] | the browser: actix-web, actix-session |
//! | 3 | [`login`], [`anonymous`] | the authorization code grant, and the wish for an anonymous user, as flows |
//! | 2 | [`tokens`], [`migrate`] | whose token, is it fresh, who refreshes it |
//! | 1 | [`oauth`], [`store`], [`upstream`] | one neighbour each |
//! | 0 | [`model`], [`crypto`], [`clock`], [`settings`], [`telemetry`] | words, keys, time, configuration, logs |
//!
//! Five walks through it (login, a call with a fresh token, a call that needs a refresh, logout,
//! a visitor) are told in `docs/ARCHITECTURE.md`.

pub mod anonymous;
pub mod app;
pub mod cli;
pub mod clock;
pub mod crypto;
pub mod login;
pub mod migrate;
pub mod model;
pub mod oauth;
pub mod routes;
pub mod server;
pub mod settings;
pub mod store;
pub mod telemetry;
pub mod tokens;
pub mod upstream;
