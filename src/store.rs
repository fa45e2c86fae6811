//! Where sealed records live: Redis, an embedded file, or memory.
//!
//! Every kind keeps the same promises, held by one suite that all run
//! (`tests/it/stores/contract.rs`):
//!
//! * [`Store::create`] never overwrites; [`Store::replace`] writes only over the generation that
//!   the writer read and never brings back a record that is gone, so that a logout wins over
//!   whatever was in flight; [`Store::take`] reads and deletes in one step.
//! * Every record ends by itself at its [`Record::expires_at`]; every lease after its time.
//! * Each call ends within `store.timeout`, reconnecting included. An error says nothing about
//!   the record: it is there or not, as before or changed.
//! * A store holds opaque bytes. What it may read is the header of [`Record`].

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

mod decision;
mod embedded;
mod feed;
mod key;
mod leases;
mod measured;
mod memory;
mod open;
mod record;
mod redis;

pub use embedded::EmbeddedStore;
pub use feed::Listener;
pub use key::{Key, Place};
pub use measured::MeasuredStore;
pub use memory::MemoryStore;
pub use open::{open, open_redis};
pub use record::{FORMAT, Record, RecordError};
pub use redis::{RedisStore, Walk};

use crate::model::{Digest, Generation, Rate};

/// Keeps records and leases. See the module's text for what every implementation promises.
#[async_trait]
pub trait Store: std::fmt::Debug + Send + Sync + 'static {
    /// The record, or `None` where there is none (or it has expired).
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError>;

    /// Writes a record that was not there. Repeating the same bytes is [`Created::Done`], so that
    /// a call whose answer was lost can be made again.
    async fn create(&self, key: &Key, record: &Record) -> Result<Created, StoreError>;

    /// Writes `record` where the stored one is of generation `expected`. Where the stored one is
    /// `record` already, that is [`Replaced::Done`] too: the call may be made again.
    async fn replace(&self, key: &Key, expected: Generation, record: &Record)
    -> Result<Replaced, StoreError>;

    /// Moves the end of a record, and of its cookie, to later moments; never to earlier ones. The
    /// generation stays. `false` where there is no record.
    async fn touch(&self, key: &Key, deadlines: Deadlines) -> Result<bool, StoreError>;

    /// Reads and deletes in one step: of several callers one gets the record.
    async fn take(&self, key: &Key) -> Result<Option<Record>, StoreError>;

    /// Deletes the record, unless it is of a later generation than `expected`.
    async fn remove(&self, key: &Key, expected: Generation) -> Result<Replaced, StoreError>;

    /// Asks for the exclusive right to work on `key` for the time `ttl`, or renews it where
    /// `owner` has it already.
    async fn lease(&self, key: &Key, owner: &LeaseOwner, ttl: Duration) -> Result<Leased, StoreError>;

    /// Gives the right back, if `owner` still has it. With `cool_down`, nobody gets it for that
    /// time: [`Leased::CoolingDown`].
    async fn release(
        &self,
        key: &Key,
        owner: &LeaseOwner,
        cool_down: Option<Duration>,
    ) -> Result<(), StoreError>;

    /// Counts one event in a bucket that all instances share, named by a digest. A store of one
    /// process has no need of one: `Ok(None)`.
    async fn charge(&self, _bucket: &Digest, _rate: Rate) -> Result<Option<Charged>, StoreError> {
        Ok(None)
    }

    /// Asks the store for a sign of life.
    async fn check(&self) -> Result<(), StoreError>;

    /// Calls `each` with every key of a place that is there during the whole walk, in no order.
    /// For operators' commands; not for requests.
    async fn keys(&self, place: Place) -> Result<Vec<Key>, StoreError>;

    /// Tells `listener` from now on what other processes do to sessions. A store of one process
    /// has nothing to tell.
    fn listen(&self, _listener: Arc<dyn Listener>) {}

    /// Whether a change that another process made until now has been told, or will be within a
    /// moment. True as long as a marker that this process wrote came back through the feed within
    /// the last two seconds; always for a store of one process.
    fn feed_is_alive(&self) -> bool {
        false
    }
}

/// What became of [`Store::create`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// It is stored.
    Done,
    /// Another record is there, and stays.
    Exists,
}

/// What became of [`Store::replace`] or [`Store::remove`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaced {
    /// It is stored, or deleted.
    Done,
    /// There is no record any more, and none was made.
    Gone,
    /// The stored record is of this other generation, and stays.
    Moved(Generation),
}

/// What became of [`Store::lease`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leased {
    /// The caller has the right, for the time it asked.
    Granted,
    /// Another owner has it.
    Held,
    /// The last owner failed a moment ago and asked that nobody try yet.
    CoolingDown {
        /// How long the pause still lasts.
        left: Duration,
    },
}

/// What became of [`Store::charge`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charged {
    /// It was counted, and the bucket is as good as new after this long.
    Admitted(Duration),
    /// It was not counted. After this long one more would be.
    Refused(Duration),
}

/// New ends for a record. See [`Store::touch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// See [`Record::expires_at`].
    pub expires_at: crate::model::Timestamp,
    /// See [`Record::cookie_until`].
    pub cookie_until: crate::model::Timestamp,
}

/// Who asks for a lease: 128 random bits a task, so that none releases another's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseOwner(String);

impl LeaseOwner {
    /// A new owner.
    pub fn random() -> Self {
        let bytes: [u8; 16] = crate::crypto::random_bytes();
        Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// 32 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why the store gave no usable answer. Nothing is known about the record then.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No answer in time.
    #[error("the store did not answer within its time")]
    Timeout,
    /// The store cannot be reached, or refuses to work.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The bytes found are no record of ours. They are kept.
    #[error(transparent)]
    Record(#[from] RecordError),
}
