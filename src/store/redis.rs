//! Records in Redis: one server, a group watched by Sentinel, or a Cluster.
//!
//! Each operation is one script or one command, so that it happens in one step for every
//! instance. Ends of records are Redis's own (`PX`), as far off as the record's end is by our
//! clock; a record whose end has come by our clock counts as absent even before.

mod connect;
mod fault;
mod layout;
mod link;
mod names;
mod scripts;
mod wire;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use redis::{Cmd, FromRedisValue, Script, ScriptInvocation, Value, cmd, from_redis_value};
use tokio::runtime::Handle;

pub use layout::Walk;

use self::connect::Connector;
use self::link::{Link, Repeat};
use self::names::Names;
use super::{
    Created, Deadlines, Key, LeaseOwner, Leased, Place, Record, RecordError, Replaced, Store, StoreError,
};
use crate::clock::SharedClock;
use crate::model::{Generation, Timestamp};
use crate::settings::RedisUrl;

/// A [`Store`] in Redis.
pub struct RedisStore {
    link: Link,
    names: Names,
    clock: SharedClock,
    address: String,
}

impl RedisStore {
    /// A store whose keys begin with `prefix` and whose calls each take at most `timeout`. The
    /// connection is made, and made again whenever it is lost, on `handle`'s runtime, which must
    /// outlive the store. Redis need not be there yet.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where a certificate file named by the URL cannot be used.
    pub fn new(
        url: RedisUrl,
        prefix: &str,
        timeout: Duration,
        clock: SharedClock,
        handle: &Handle,
    ) -> Result<Self, StoreError> {
        let address = url.redacted();
        let link = Link::start(Connector::new(url, timeout)?, timeout, handle);
        Ok(Self { link, names: Names::new(prefix), clock, address })
    }

    async fn ask<T: FromRedisValue>(&self, repeat: Repeat, command: &Cmd) -> Result<T, StoreError> {
        self.link
            .call(repeat, |mut wire| {
                let command = command.clone();
                async move { command.query_async(&mut wire).await }
            })
            .await
    }

    async fn script<T: FromRedisValue>(
        &self,
        repeat: Repeat,
        script: &Script,
        key: &str,
        arguments: impl FnOnce(&mut ScriptInvocation<'_>),
    ) -> Result<T, StoreError> {
        let mut invocation = script.key(key);
        arguments(&mut invocation);
        let invocation = &invocation;
        self.link.call(repeat, |mut wire| async move { invocation.invoke_async(&mut wire).await }).await
    }

    /// How long a record has still to live; zero where its end has come.
    fn left(&self, record: &Record, now: Timestamp) -> u64 {
        milliseconds(record.expires_at.since(now))
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("url", &self.address).finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let mut command = cmd("GET");
        command.arg(self.names.record(key));
        let bytes: Option<Vec<u8>> = self.ask(Repeat::Allowed, &command).await?;
        Ok(super::decision::live(bytes.as_deref(), self.clock.now())?)
    }

    async fn create(&self, key: &Key, record: &Record) -> Result<Created, StoreError> {
        let (name, now) = (self.names.record(key), self.clock.now());
        let answer = self
            .script(Repeat::Allowed, &scripts::CREATE, &name, |script| {
                script.arg(record.encode()).arg(now.as_millis()).arg(self.left(record, now));
            })
            .await?;
        match Answer::read(answer)? {
            Answer::Done(_) => Ok(Created::Done),
            Answer::Exists => Ok(Created::Exists),
            answer => Err(answer.unexpected()),
        }
    }

    async fn replace(
        &self,
        key: &Key,
        expected: Generation,
        record: &Record,
    ) -> Result<Replaced, StoreError> {
        let (name, now) = (self.names.record(key), self.clock.now());
        // Allowed, since what is written already is not written again, and answered alike.
        let answer = self
            .script(Repeat::Allowed, &scripts::REPLACE, &name, |script| {
                script.arg(record.encode()).arg(now.as_millis()).arg(self.left(record, now));
                script.arg(&expected.0.to_be_bytes());
            })
            .await?;
        match Answer::read(answer)? {
            Answer::Done(_) => Ok(Replaced::Done),
            Answer::Gone => Ok(Replaced::Gone),
            Answer::Moved(generation) => Ok(Replaced::Moved(generation)),
            answer => Err(answer.unexpected()),
        }
    }

    async fn touch(&self, key: &Key, deadlines: Deadlines) -> Result<bool, StoreError> {
        let (name, now) = (self.names.record(key), self.clock.now());
        let answer = self
            .script(Repeat::Allowed, &scripts::TOUCH, &name, |script| {
                script.arg(now.as_millis());
                for deadline in [deadlines.expires_at, deadlines.cookie_until] {
                    script.arg(deadline.as_millis()).arg(&deadline.as_millis().to_be_bytes());
                }
            })
            .await?;
        match Answer::read(answer)? {
            Answer::Done(_) => Ok(true),
            Answer::Gone => Ok(false),
            answer => Err(answer.unexpected()),
        }
    }

    async fn take(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let (name, now) = (self.names.record(key), self.clock.now());
        // Not allowed: the answer that was lost held the only copy.
        let answer = self
            .script(Repeat::Forbidden, &scripts::TAKE, &name, |script| {
                script.arg(now.as_millis());
            })
            .await?;
        match Answer::read(answer)? {
            Answer::Done(Some(bytes)) => Ok(Some(Record::decode(&bytes)?)),
            Answer::Gone => Ok(None),
            answer => Err(answer.unexpected()),
        }
    }

    async fn lease(&self, key: &Key, owner: &LeaseOwner, ttl: Duration) -> Result<Leased, StoreError> {
        let name = self.names.lease(key);
        let answer: i64 = self
            .script(Repeat::Allowed, &scripts::LEASE, &name, |script| {
                script.arg(owner.as_str()).arg(milliseconds(ttl).max(1));
            })
            .await?;
        Ok(match u64::try_from(answer) {
            Ok(left) => Leased::CoolingDown { left: Duration::from_millis(left) },
            Err(_) if answer == -1 => Leased::Granted,
            Err(_) => Leased::Held,
        })
    }

    async fn release(
        &self,
        key: &Key,
        owner: &LeaseOwner,
        cool_down: Option<Duration>,
    ) -> Result<(), StoreError> {
        let name = self.names.lease(key);
        let pause = cool_down.map_or(0, |pause| milliseconds(pause).max(1));
        self.script::<Value>(Repeat::Allowed, &scripts::RELEASE, &name, |script| {
            script.arg(owner.as_str()).arg(pause);
        })
        .await
        .map(drop)
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.ask(Repeat::Allowed, &cmd("PING")).await
    }

    async fn keys(&self, place: Place) -> Result<Vec<Key>, StoreError> {
        let mut keys = Vec::new();
        let mut walk = self.walk(Some(place)).await?;
        while let Some(names) = walk.next().await? {
            keys.extend(names.iter().filter_map(|name| self.names.parse(place, name)));
        }
        keys.sort_unstable();
        keys.dedup();
        Ok(keys)
    }
}

/// What a script on a record answers: a word, and for some a text of bytes.
enum Answer {
    Done(Option<Vec<u8>>),
    Exists,
    Gone,
    Moved(Generation),
}

impl Answer {
    fn read(value: Value) -> Result<Self, StoreError> {
        let unexpected = || StoreError::Unavailable("an unexpected answer of Redis".to_owned());
        let parts: Vec<Vec<u8>> = from_redis_value(value).map_err(|_| unexpected())?;
        let mut parts = parts.into_iter();
        let word = parts.next().unwrap_or_default();
        let bytes = parts.next();
        match (word.as_slice(), bytes) {
            (b"done", bytes) => Ok(Self::Done(bytes)),
            (b"exists", None) => Ok(Self::Exists),
            (b"gone", None) => Ok(Self::Gone),
            (b"moved", Some(bytes)) => {
                let number = <[u8; 8]>::try_from(bytes.as_slice()).map_err(|_| unexpected())?;
                Ok(Self::Moved(Generation(u64::from_be_bytes(number))))
            }
            (b"unreadable", Some(bytes)) => {
                Err(StoreError::Record(Record::decode(&bytes).err().unwrap_or(RecordError::Malformed)))
            }
            _ => Err(unexpected()),
        }
    }

    fn unexpected(self) -> StoreError {
        StoreError::Unavailable("an unexpected answer of Redis".to_owned())
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
