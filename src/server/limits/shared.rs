//! The buckets that instances share, in Redis.
//!
//! They only sharpen a limit: what this process has refused by itself never gets here, and where
//! the store is away or slow the process decides alone. A limit is no reason for a 503.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use crate::crypto::KeyRing;
use crate::model::{Digest, Rate};
use crate::server::client_address::Network;
use crate::store::{Charged, Store};
use crate::telemetry::Limit;

/// How long an answer is waited for: far above a Redis's worst, and nothing to a browser.
const PATIENCE: Duration = Duration::from_millis(100);
/// How long it is not asked after it gave none, so that a store that is away slows nobody down.
const REST_MS: u64 = 1000;

#[derive(Debug)]
pub(super) struct Shared {
    store: Arc<dyn Store>,
    keys: Arc<ArcSwap<KeyRing>>,
    /// Milliseconds after `born`; for ever, where the store is of this process alone.
    rest_until: AtomicU64,
    born: Instant,
}

impl Shared {
    pub(super) fn new(store: Arc<dyn Store>, keys: Arc<ArcSwap<KeyRing>>) -> Self {
        Self { store, keys, rest_until: AtomicU64::new(0), born: Instant::now() }
    }

    /// What all instances together say; `None` where there is nothing they share, or no answer.
    pub(super) async fn charge(&self, limit: Limit, network: Network, rate: Rate) -> Option<Charged> {
        let now = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        if now < self.rest_until.load(Ordering::Relaxed) {
            return None;
        }
        let bucket = self.bucket(limit, network);
        match tokio::time::timeout(PATIENCE, self.store.charge(&bucket, rate)).await {
            Ok(Ok(None)) => {
                self.rest_until.store(u64::MAX, Ordering::Relaxed);
                None
            }
            Ok(Ok(charged)) => charged,
            Ok(Err(_)) | Err(_) => {
                self.rest_until.store(now + REST_MS, Ordering::Relaxed);
                None
            }
        }
    }

    /// A name that tells no address: there are too few addresses for a hash without a key.
    fn bucket(&self, limit: Limit, network: Network) -> Digest {
        let text = Text(limit, network).to_string();
        let derived = self.keys.load().active().derive(&text);
        let mut name = [0; 32];
        name.copy_from_slice(&derived[..32]);
        Digest::from_bytes(name)
    }
}

struct Text(Limit, Network);

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "limit {} {}", self.0.as_str(), self.1)
    }
}
