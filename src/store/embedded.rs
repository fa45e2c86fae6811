//! Records in a file of this machine, for one process: no server to run.
//!
//! The file is redb's: copy-on-write pages, so that a process killed at any point leaves the last
//! committed state. An answer of [`Store::create`], [`Store::replace`], [`Store::touch`] or
//! [`Store::take`] comes after the disk has it. No async worker ever waits for the disk: changes
//! go to one thread of their own, reads to the runtime's threads for blocking work.

mod file;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use redb::Database;
use tokio::sync::oneshot;
use tokio::time::timeout;

use self::writer::{Answer, Opened, Request, Wish, Writer};
use super::leases::Leases;
use super::{
    Created, Deadlines, Key, LeaseOwner, Leased, Place, Record, Replaced, Store, StoreError, decision,
};
use crate::clock::SharedClock;
use crate::model::Generation;

/// A [`Store`] in a file. Dropping it commits what waits and closes the file.
#[derive(Debug)]
pub struct EmbeddedStore {
    opened: Arc<Opened>,
    /// `None` only while being dropped.
    requests: Option<SyncSender<Request>>,
    thread: Option<JoinHandle<()>>,
    leases: Leases,
    timeout: Duration,
    clock: SharedClock,
}

impl EmbeddedStore {
    /// Opens the file, or makes it with mode 0600 (its directory with 0700). Each call of the
    /// store takes at most `timeout`. Blocks while the file is read and checked.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where another process has the file open, or it is damaged,
    /// foreign, of a later layout, or not ours to open. It is never deleted or replaced.
    pub fn open(path: &Path, timeout: Duration, clock: SharedClock) -> Result<Self, StoreError> {
        let opened = Arc::new(Opened::new(file::open(path)?));
        let writer = Writer { path: path.to_owned(), opened: Arc::clone(&opened), clock: Arc::clone(&clock) };
        let (requests, queue) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer.run(&queue))
            .map_err(|error| StoreError::Unavailable(format!("no thread for writing: {error}")))?;
        let (requests, thread) = (Some(requests), Some(thread));
        Ok(Self { opened, requests, thread, leases: Leases::default(), timeout, clock })
    }

    async fn write(&self, key: &Key, wish: Wish) -> Result<Answer, StoreError> {
        let (answer, outcome) = oneshot::channel();
        let closed = || StoreError::Unavailable("the store is closed".to_owned());
        let requests = self.requests.as_ref().ok_or_else(closed)?;
        requests.try_send(Request { key: *key, wish, answer }).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Unavailable("too many changes wait for the disk".to_owned()),
            TrySendError::Disconnected(_) => closed(),
        })?;
        match timeout(self.timeout, outcome).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(closed()),
            Err(_) => Err(StoreError::Timeout),
        }
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Database) -> Result<T, redb::Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        let opened = Arc::clone(&self.opened);
        let reading = tokio::task::spawn_blocking(move || {
            read(&*opened.get()?)
                .map_err(|error| StoreError::Unavailable(format!("the file cannot be read: {error}")))
        });
        match timeout(self.timeout, reading).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(StoreError::Unavailable("the file cannot be read".to_owned())),
            Err(_) => Err(StoreError::Timeout),
        }
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[async_trait]
impl Store for EmbeddedStore {
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let key = *key;
        let stored = self.read(move |database| file::read(database, &key)).await?;
        Ok(decision::live(stored.as_deref(), self.clock.now())?)
    }

    async fn create(&self, key: &Key, record: &Record) -> Result<Created, StoreError> {
        match self.write(key, Wish::Create(record.clone())).await? {
            Answer::Created(answer) => Ok(answer),
            _ => Err(mixed_up()),
        }
    }

    async fn replace(
        &self,
        key: &Key,
        expected: Generation,
        record: &Record,
    ) -> Result<Replaced, StoreError> {
        match self.write(key, Wish::Replace(expected, record.clone())).await? {
            Answer::Replaced(answer) => Ok(answer),
            _ => Err(mixed_up()),
        }
    }

    async fn touch(&self, key: &Key, deadlines: Deadlines) -> Result<bool, StoreError> {
        match self.write(key, Wish::Touch(deadlines)).await? {
            Answer::Touched(answer) => Ok(answer),
            _ => Err(mixed_up()),
        }
    }

    async fn take(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        match self.write(key, Wish::Take).await? {
            Answer::Taken(answer) => Ok(answer),
            _ => Err(mixed_up()),
        }
    }

    async fn remove(&self, key: &Key, expected: Generation) -> Result<Replaced, StoreError> {
        match self.write(key, Wish::Remove(expected)).await? {
            Answer::Replaced(answer) => Ok(answer),
            _ => Err(mixed_up()),
        }
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
        self.opened.get().map(drop)
    }

    /// There is no other process.
    fn feed_is_alive(&self) -> bool {
        true
    }

    async fn keys(&self, place: Place) -> Result<Vec<Key>, StoreError> {
        self.read(move |database| file::keys(database, place)).await
    }
}

/// The writer answers each wish with its own kind; this is for the compiler.
fn mixed_up() -> StoreError {
    StoreError::Unavailable("an answer to another question".to_owned())
}

/// Changes that wait for the disk before a further one is refused.
const QUEUE: usize = 4096;
