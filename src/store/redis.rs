//! Records in Redis: one server, a group watched by Sentinel, or a Cluster.
//!
//! Each operation is one script or one command, so that it happens in one step for every
//! instance. Ends of records are Redis's own (`PX`), as far off as the record's end is by our
//! clock; a record whose end has come by our clock counts as absent even before.
//!
//! Calls go over one connection, watched over and replaced by the link (`link`, `supervisor`).
//! After a failover this process repeats its own writes of the last minute (`deeds`). What other
//! processes do to sessions is heard on one channel (`feed`), and what is changed by hand from the
//! server (`strangers`).
//!
//! # Permissions
//! A user who may do this, and nothing else, is enough; with another `store.key_prefix`, that one:
//!
//! ```text
//! user whisk-bff on >PASSWORD resetkeys ~whisk-bff:* resetchannels &whisk-bff:feed -@all
//!     +evalsha +script|load +get +set +setrange +del +pexpire +pttl
//!     +publish +subscribe +client|tracking +ping +info +scan +getex
//! ```
//!
//! | Command | What for |
//! |---|---|
//! | `EVALSHA`, `SCRIPT LOAD` | every change of a record, a lease or a limit's bucket is a script |
//! | `GET`, `SET`, `SETRANGE`, `DEL`, `PEXPIRE`, `PTTL`, `PUBLISH` | what scripts do |
//! | `GET`, `PING` | reading a record; signs of life |
//! | `INFO` | `INFO replication`: is it a primary, and the same as before. Without it every new connection counts as another primary |
//! | `SUBSCRIBE` | hearing the feed. Without it, or without the channel, nothing is served from the cache |
//! | `CLIENT TRACKING` | hearing what is changed by hand. Without it that goes unheard until `store.cache_max_age` |
//! | `GETEX`, `SET` | the layout's version |
//! | `SCAN` | `migrate`, and counting records |
//! | `SELECT` | with a database number in the URL: `+select` |
//! | `CLUSTER SLOTS`, `CLUSTER INFO`, `ASKING` | with a Cluster: `+cluster\|slots +cluster\|info +asking` |
//!
//! Sentinels are asked `SENTINEL GET-MASTER-ADDR-BY-NAME`, `PING`, and `SUBSCRIBE` to
//! `+switch-master`; where they want a login, they get the one of the URL. (To a Cluster the client
//! introduces itself with `CLIENT SETINFO`, which may be refused.)

mod answer;
mod connect;
mod deeds;
mod fault;
mod feed;
mod layout;
mod link;
mod live;
mod names;
mod primaries;
mod scripts;
mod sentinels;
mod strangers;
mod supervisor;
mod wire;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use redis::{Cmd, FromRedisValue, Script, ScriptInvocation, Value, cmd};
use tokio::runtime::Handle;

pub use layout::Walk;

use self::answer::Answer;
use self::connect::Connector;
use self::deeds::Deeds;
use self::feed::Feed;
use self::link::{Link, Repeat};
use self::names::Names;
use super::{
    Charged, Created, Deadlines, Key, LeaseOwner, Leased, Listener, Place, Record, Replaced, Store,
    StoreError,
};
use crate::clock::SharedClock;
use crate::model::{Digest, Generation, Rate, Timestamp};
use crate::settings::RedisUrl;

/// A [`Store`] in Redis.
pub struct RedisStore {
    link: Arc<Link>,
    deeds: Arc<Deeds>,
    feed: OnceLock<Feed>,
    names: Names,
    clock: SharedClock,
    handle: Handle,
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
        let names = Names::new(prefix);
        let deeds = Arc::new(Deeds::new(names.clone(), clock.clone()));
        let link = Link::start(Connector::new(url, timeout)?, timeout, Arc::clone(&deeds), handle);
        let (link, handle) = (Arc::new(link), handle.clone());
        Ok(Self { link, deeds, feed: OnceLock::new(), names, clock, handle, address })
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
        if bytes.is_some() && self.link.may_be_forgotten(key) {
            let reason = "another primary may not have been told of the record's last change yet";
            return Err(StoreError::Unavailable(reason.to_owned()));
        }
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
        let ((channel, told), changes) = (self.names.told(key), self.link.changes());
        // Allowed, since what is written already is not written again, and answered alike.
        let answer = self
            .script(Repeat::Allowed, &scripts::REPLACE, &name, |script| {
                script.arg(record.encode()).arg(now.as_millis()).arg(self.left(record, now));
                script.arg(&expected.0.to_be_bytes()).arg(channel).arg(told);
            })
            .await?;
        match Answer::read(answer)? {
            Answer::Done(_) => {
                self.deeds.replaced(key, record);
                self.link.acknowledged(changes);
                Ok(Replaced::Done)
            }
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
        let ((channel, told), changes) = (self.names.told(key), self.link.changes());
        // Not allowed: the answer that was lost held the only copy.
        let answer = self
            .script(Repeat::Forbidden, &scripts::TAKE, &name, |script| {
                script.arg(now.as_millis()).arg(channel).arg(told);
            })
            .await?;
        match Answer::read(answer)? {
            Answer::Done(Some(bytes)) => {
                let record = Record::decode(&bytes)?;
                self.deeds.ended(key, record.generation);
                self.link.acknowledged(changes);
                Ok(Some(record))
            }
            Answer::Gone => Ok(None),
            answer => Err(answer.unexpected()),
        }
    }

    async fn remove(&self, key: &Key, expected: Generation) -> Result<Replaced, StoreError> {
        let ((channel, told), changes) = (self.names.told(key), self.link.changes());
        // Repeating it is safe, but then a lost "done" is answered "gone".
        let answer = self
            .script(Repeat::Allowed, &scripts::REMOVE, &self.names.record(key), |script| {
                script.arg(&expected.0.to_be_bytes()).arg(channel).arg(told);
            })
            .await?;
        match Answer::read(answer)? {
            Answer::Done(_) => {
                self.deeds.ended(key, expected);
                self.link.acknowledged(changes);
                Ok(Replaced::Done)
            }
            Answer::Gone => Ok(Replaced::Gone),
            Answer::Moved(generation) => Ok(Replaced::Moved(generation)),
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
            // The record that it is for may be an old version still, whose refresh token is spent:
            // nobody is let go on before those who wrote the newer one have had time to repeat it.
            Err(_) if answer == -1 && self.link.is_settling() => Leased::Held,
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

    async fn charge(&self, bucket: &Digest, rate: Rate) -> Result<Option<Charged>, StoreError> {
        let now = self.clock.now().as_millis().saturating_mul(1000);
        // Not repeated: one event must not count twice, and one that is not counted does no harm.
        let answer: i64 = self
            .script(Repeat::Forbidden, &scripts::LIMIT, &self.names.bucket(bucket), |script| {
                script.arg(now).arg(rate.interval_us()).arg(rate.span_us());
            })
            .await?;
        let time = Duration::from_micros(answer.unsigned_abs());
        Ok(Some(if answer < 0 { Charged::Refused(time) } else { Charged::Admitted(time) }))
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.ask(Repeat::Allowed, &cmd("PING")).await
    }

    /// The first call counts; there is one listener.
    fn listen(&self, listener: Arc<dyn Listener>) {
        self.feed
            .get_or_init(|| Feed::start(Arc::clone(&self.link), self.names.clone(), listener, &self.handle));
    }

    fn feed_is_alive(&self) -> bool {
        self.feed.get().is_some_and(Feed::is_alive)
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

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
