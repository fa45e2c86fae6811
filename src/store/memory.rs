//! Records in this process's memory: for tests, and gone with it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::decision::{self, Change};
use super::leases::Leases;
use super::{Created, Deadlines, Key, LeaseOwner, Leased, Place, Record, Replaced, Store, StoreError};
use crate::clock::SharedClock;
use crate::model::Generation;

/// A [`Store`] in memory.
#[derive(Debug)]
pub struct MemoryStore {
    clock: SharedClock,
    shelf: Mutex<Shelf>,
    leases: Leases,
}

#[derive(Debug, Default)]
struct Shelf {
    records: HashMap<Key, Vec<u8>>,
    writes_since_sweep: usize,
}

impl MemoryStore {
    /// An empty store.
    pub fn new(clock: SharedClock) -> Self {
        Self::holding(clock, [])
    }

    /// A store that holds these bytes at first, whether or not they are records.
    pub fn holding(clock: SharedClock, records: impl IntoIterator<Item = (Key, Vec<u8>)>) -> Self {
        let shelf = Shelf { records: records.into_iter().collect(), writes_since_sweep: 0 };
        Self { clock, shelf: Mutex::new(shelf), leases: Leases::default() }
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        // No code between lock and unlock leaves a record half changed.
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn apply(&self, shelf: &mut Shelf, key: &Key, change: Change) {
        match change {
            Change::Keep => return,
            Change::Put(record) => drop(shelf.records.insert(*key, record.encode())),
            Change::Remove => drop(shelf.records.remove(key)),
        }
        shelf.writes_since_sweep += 1;
        if shelf.writes_since_sweep > SWEEP_AT_LEAST.max(shelf.records.len()) {
            let now = self.clock.now();
            shelf.records.retain(|_, bytes| !matches!(decision::live(Some(bytes.as_slice()), now), Ok(None)));
            shelf.writes_since_sweep = 0;
        }
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let stored = self.shelf().records.get(key).cloned();
        Ok(decision::live(stored.as_deref(), self.clock.now())?)
    }

    async fn create(&self, key: &Key, record: &Record) -> Result<Created, StoreError> {
        let mut shelf = self.shelf();
        let stored = shelf.records.get(key).map(Vec::as_slice);
        let (answer, change) = decision::create(stored, record, self.clock.now());
        self.apply(&mut shelf, key, change);
        Ok(answer)
    }

    async fn replace(
        &self,
        key: &Key,
        expected: Generation,
        record: &Record,
    ) -> Result<Replaced, StoreError> {
        let mut shelf = self.shelf();
        let stored = shelf.records.get(key).map(Vec::as_slice);
        let (answer, change) = decision::replace(stored, expected, record, self.clock.now())?;
        self.apply(&mut shelf, key, change);
        Ok(answer)
    }

    async fn touch(&self, key: &Key, deadlines: Deadlines) -> Result<bool, StoreError> {
        let mut shelf = self.shelf();
        let stored = shelf.records.get(key).map(Vec::as_slice);
        let (answer, change) = decision::touch(stored, deadlines, self.clock.now())?;
        self.apply(&mut shelf, key, change);
        Ok(answer)
    }

    async fn take(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let mut shelf = self.shelf();
        let stored = shelf.records.get(key).map(Vec::as_slice);
        let (answer, change) = decision::take(stored, self.clock.now())?;
        self.apply(&mut shelf, key, change);
        Ok(answer)
    }

    async fn remove(&self, key: &Key, expected: Generation) -> Result<Replaced, StoreError> {
        let mut shelf = self.shelf();
        let stored = shelf.records.get(key).map(Vec::as_slice);
        let (answer, change) = decision::remove(stored, expected, self.clock.now())?;
        self.apply(&mut shelf, key, change);
        Ok(answer)
    }

    async fn lease(&self, key: &Key, owner: &LeaseOwner, ttl: Duration) -> Result<Leased, StoreError> {
        Ok(self.leases.lease(key, owner, ttl))
    }

    async fn release(
        &self,
        key: &Key,
        owner: &LeaseOwner,
        cool_down: Option<Duration>,
    ) -> Result<(), StoreError> {
        self.leases.release(key, owner, cool_down);
        Ok(())
    }

    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// There is no other process.
    fn feed_is_alive(&self) -> bool {
        true
    }

    async fn keys(&self, place: Place) -> Result<Vec<Key>, StoreError> {
        Ok(self.shelf().records.keys().filter(|key| key.place() == place).copied().collect())
    }
}

/// Ended records are swept after as many writes as there are records, and at least this many: a
/// sweep costs each write a constant share.
const SWEEP_AT_LEAST: usize = 256;
