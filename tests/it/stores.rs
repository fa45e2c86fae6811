//! What every store promises, and what each promises besides (requirements R29, R30, R115, R123).

mod contract;
mod embedded;
mod failover;
mod feed;
mod outages;
mod permissions;
mod redis;
mod refusals;
mod topologies;

use std::sync::Arc;
use std::time::Duration;

use whisk_bff::clock::{ManualClock, SharedClock};
use whisk_bff::crypto::{KeyId, Sealed, random_bytes};
use whisk_bff::model::{Generation, SessionId, Timestamp};
use whisk_bff::settings::{self, StoreUrl};
use whisk_bff::store::{Key, MemoryStore, Record, Store};

/// What the settings call `store.timeout` in these tests.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(500);

/// The key of a session that nobody else has.
pub(crate) fn some_key() -> Key {
    Key::session(&SessionId::from_random(random_bytes()))
}

/// A record of some content that ends that far off.
pub(crate) fn record(clock: &SharedClock, generation: u64, life: Duration) -> Record {
    let end = clock.now().plus(life);
    record_until(generation, end)
}

pub(crate) fn record_until(generation: u64, end: Timestamp) -> Record {
    Record {
        generation: Generation(generation),
        expires_at: end,
        cookie_until: end,
        sealed: Sealed { key_id: KeyId::parse("key-1").unwrap(), bytes: random_bytes::<64>().to_vec() },
    }
}

/// The store of a URL as the product opens it.
pub(crate) async fn open(url: &str, clock: SharedClock) -> Arc<dyn Store> {
    whisk_bff::store::open(&settings(url), clock, &tokio::runtime::Handle::current()).await.unwrap()
}

pub(crate) fn settings(url: &str) -> settings::Store {
    let url = StoreUrl::parse(url).unwrap();
    let key_prefix = "whisk-bff".to_owned();
    let (cache_max_age, outage_grace) = (Duration::ZERO, Duration::ZERO);
    settings::Store { url, key_prefix, timeout: TIMEOUT, cache_max_age, outage_grace }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_keeps_the_contract() {
    let clock = ManualClock::new();
    let planted = contract::Planted::new();
    let store = MemoryStore::holding(clock.clone(), planted.bytes());
    contract::run(Arc::new(store), clock, &planted).await;
}
