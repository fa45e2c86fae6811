//! A small, independent Whisk for development and tests.
//!
//! One port serves three things that the real Whisk keeps on two hosts:
//!
//! * the authorization server: `/oauth/v2/authorize` (a real page with a form),
//!   `/oauth/v2/token` (authorization code and refresh token grants) and the calls that create
//!   an anonymous user;
//! * the API below `/v2/` and `/{service}/v2/`: a profile, recipes, shopping lists, a big
//!   download, an endless stream, an upload that answers with a digest, an echo;
//! * what a test needs of a Whisk: a [`Journal`] of every request, a [`Behaviour`] that can be
//!   changed while it runs, faults ([`TokenFault`], [`ApiFault`]), a clock that can be moved
//!   ([`Sandbox::advance`]).
//!
//! It shares no code with the product it is used to test: a misreading of the protocol there
//! must not be repeated here. The rules come from RFC 6749, RFC 6750 and RFC 7636, and from
//! Whisk's public documents on user access tokens and anonymous access.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use whisk_sandbox::{Config, Sandbox};
//!
//! let sandbox = Sandbox::spawn(Config::default()).await?;
//! sandbox.behaviour(|b| b.access_token_lifetime = std::time::Duration::from_secs(60));
//! assert_eq!(sandbox.journal().grants("refresh_token"), 0);
//! # Ok(())
//! # }
//! ```

mod anonymous;
mod api;
mod authorize;
mod behaviour;
mod clock;
mod config;
mod connections;
mod control;
mod fault;
mod grants;
mod journal;
mod journal_requests;
mod routes;
mod sandbox;
mod server;
mod token;
mod world;

pub use api::download_byte;
pub use behaviour::{
    AcceptedClientAuth, AcceptedEncoding, AnonymousShape, Behaviour, ExpiresIn, PkceMode, RefreshTokenPolicy,
    ScopeShape,
};
pub use config::{Config, User};
pub use fault::{ApiFault, Gate, TokenFault};
pub use journal::{ClientAuthUsed, Entry, Journal, Surface, TokenCall, TokenOutcome};
pub use sandbox::Sandbox;
