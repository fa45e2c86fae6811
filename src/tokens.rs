//! Whose tokens, are they fresh, who refreshes them.
//!
//! [`TokenVault`] keeps typed, sealed session records in a store. [`TokenBroker`] answers the one
//! question of the product: an access token for this session, please. Refreshing happens once,
//! however many calls on however many instances ask for it: see `tokens/refresh.rs`.

mod breaker;
mod broker;
mod cache;
mod distrusted;
mod error;
mod freshness;
mod lease;
mod lifetimes;
mod refresh;
mod single_flight;
mod sync;
mod tasks;
mod unsaved;
mod vault;

pub use breaker::Breaker;
pub use broker::{AfterUnauthorized, Allowance, Beginning, Timing, TokenBroker, UnauthorizedBody, Watch};
pub use cache::CacheLimits;
pub use error::{AccessTokenError, VaultError};
pub use freshness::Freshness;
pub use lease::{Asked, KeptLease, jittered};
pub use lifetimes::Lifetimes;
pub use single_flight::SingleFlight;
pub use tasks::Tasks;
pub use vault::{Session, SessionContent, TokenVault};
