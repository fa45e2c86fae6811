//! Typed session records, sealed, over a [`Store`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};

use super::cache::{CacheLimits, SessionCache};
use super::error::VaultError;
use super::lifetimes::Lifetimes;
use crate::clock::SharedClock;
use crate::crypto::{KeyRing, random_bytes};
use crate::model::{Generation, Principal, Scopes, SessionId, Timestamp, TokenSet};
use crate::store::{
    Created, Deadlines, FORMAT, Key, Listener, Record, RecordError, Replaced, Store, StoreError,
};
use crate::telemetry::{Metrics, SecurityEvent, SecurityKind};

/// What a session is, as it is sealed. Fields are only ever added at the end, behind a new format
/// version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionContent {
    /// A person or an anonymous user.
    pub principal: Principal,
    /// Whisk's name for the user, where it told one.
    pub user_id: Option<String>,
    /// What was granted.
    pub scopes: Scopes,
    /// When the session began.
    pub created_at: Timestamp,
    /// When it ends, whatever is done with it.
    pub ends_at: Timestamp,
    /// Its tokens.
    pub tokens: TokenSet,
    /// When these tokens were obtained.
    pub tokens_since: Timestamp,
    /// How long the record outlives the session: see [`Lifetimes::afterlife`]. Written down, since
    /// another instance, or this one tomorrow, may have other lifetimes.
    pub afterlife: Duration,
}

impl SessionContent {
    /// Whether each call that succeeds begins the life of its tokens anew: see [`Lifetimes`].
    pub(super) fn lives_by_its_calls(&self) -> bool {
        self.principal == Principal::Anonymous && self.tokens.refresh.is_none()
    }
}

/// A session as the vault has it.
#[derive(Debug, Clone)]
pub struct Session {
    /// Its place in the store.
    pub key: Key,
    /// The version read.
    pub generation: Generation,
    /// When it ends if nobody calls.
    pub expires_at: Timestamp,
    /// When its cookie runs out in the browser.
    pub cookie_until: Timestamp,
    /// What it is.
    pub content: SessionContent,
}

impl Session {
    /// Roughly how much memory it takes, in bytes.
    pub(super) fn weight(&self) -> usize {
        let content = &self.content;
        let tokens = content.tokens.access.expose().len()
            + content.tokens.refresh.as_ref().map_or(0, |token| token.expose().len());
        let scopes: usize = content.scopes.names().iter().map(|name| name.len() + size_of::<String>()).sum();
        size_of::<Self>() + tokens + scopes + content.user_id.as_ref().map_or(0, String::len)
    }
}

/// After a failure of the store, it is asked again this often by calls that the cache can answer.
const PROBE_EVERY_MS: u64 = 500;

/// How long a store that is away is asked again to take a new session.
const CREATE_PATIENCE: Duration = Duration::from_secs(4);

/// Keeps sessions. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TokenVault {
    store: Arc<dyn Store>,
    keys: Arc<ArcSwap<KeyRing>>,
    clock: SharedClock,
    lifetimes: Lifetimes,
    metrics: Metrics,
    cache: Arc<SessionCache>,
    /// Milliseconds after `born` until which the store is not asked where the cache can answer:
    /// it failed a moment ago, or somebody is asking it. 0 where it answered last.
    store_failed_until: Arc<AtomicU64>,
    born: Instant,
}

impl TokenVault {
    /// A vault over `store`, whose records are sealed under `keys`.
    pub fn new(
        store: Arc<dyn Store>,
        keys: Arc<ArcSwap<KeyRing>>,
        clock: SharedClock,
        lifetimes: Lifetimes,
        limits: CacheLimits,
        metrics: Metrics,
    ) -> Self {
        let cache = Arc::new(SessionCache::new(limits, metrics.clone()));
        if !limits.max_age.is_zero() {
            store.listen(Arc::clone(&cache) as Arc<dyn Listener>);
        }
        let store_failed_until = Arc::default();
        Self { store, keys, clock, lifetimes, metrics, cache, store_failed_until, born: Instant::now() }
    }

    /// The store below.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// How long sessions live.
    pub fn lifetimes(&self) -> Lifetimes {
        self.lifetimes
    }

    /// Stores a new session under a new random id.
    ///
    /// # Errors
    /// [`VaultError`]: then it is not known whether anything was stored; nobody has the id.
    pub async fn create(&self, content: &SessionContent) -> Result<(SessionId, Session), VaultError> {
        let id = SessionId::from_random(random_bytes());
        let now = self.clock.now();
        let session = Session {
            key: Key::session(&id),
            generation: Generation(1),
            expires_at: self.lifetimes.deadline(content, now),
            cookie_until: now.plus(self.lifetimes.cookie_max_age()),
            content: content.clone(),
        };
        let record = self.seal(&session);
        let begun = Instant::now();
        let created = loop {
            match self.store.create(&session.key, &record).await {
                // The code that these tokens cost is spent: it is worth some patience.
                Err(StoreError::Timeout | StoreError::Unavailable(_))
                    if begun.elapsed() < CREATE_PATIENCE =>
                {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                created => break created?,
            }
        };
        match created {
            Created::Done => Ok((id, session)),
            Created::Exists => {
                Err(StoreError::Unavailable("a new session id was taken already".into()).into())
            }
        }
    }

    /// Reads a session; `None` where there is none, or none that our keys open.
    ///
    /// # Errors
    /// [`VaultError`] where the store did not answer, or the record is of a newer format.
    pub async fn load(&self, key: &Key) -> Result<Option<Arc<Session>>, VaultError> {
        // Without a live feed at the beginning, a change could be missed while the store answers.
        let ticket = self.store.feed_is_alive().then(|| self.cache.ticket(key));
        let found = match self.store.load(key).await {
            Ok(record) => record.and_then(|record| self.open(key, &record)).map(Arc::new),
            Err(error) => {
                self.unreadable(key, error)?;
                None
            }
        };
        match (&found, ticket) {
            (Some(session), Some(ticket)) if self.store.feed_is_alive() => self.cache.put(ticket, session),
            (Some(_), _) => {}
            (None, _) => self.cache.drop_session(key),
        }
        Ok(found)
    }

    /// The session as this process knows it, without asking the store, where it is known to be
    /// current; else as [`Self::load`] has it. While the store is away, a session that was current
    /// not long ago.
    ///
    /// # Errors
    /// As for [`Self::load`], for a session that is not known.
    pub async fn look_up(&self, key: &Key) -> Result<Option<Arc<Session>>, VaultError> {
        if self.store.feed_is_alive()
            && let Some(session) = self.cache.current(key)
        {
            self.metrics.cache_hit();
            return Ok(Some(session));
        }
        let until = self.store_failed_until.load(Ordering::Relaxed);
        if until != 0
            && !self.probes(until)
            && let Some(session) = self.cache.in_outage(key)
        {
            self.metrics.cache_hit();
            return Ok(Some(session));
        }
        self.metrics.cache_miss();
        match Box::pin(self.load(key)).await {
            Err(VaultError(error)) if !matches!(*error, StoreError::Record(_)) => {
                // From now on, since the store may have taken all its time to fail.
                self.store_failed_until.store(self.age_ms() + PROBE_EVERY_MS, Ordering::Relaxed);
                self.cache.in_outage(key).map(Some).ok_or(VaultError(error))
            }
            loaded => {
                self.store_failed_until.store(0, Ordering::Relaxed);
                loaded
            }
        }
    }

    /// Whether this call is the one that asks a store that failed; the others are answered from
    /// the cache meanwhile.
    fn probes(&self, until: u64) -> bool {
        let now = self.age_ms();
        let next = now + PROBE_EVERY_MS;
        let (won, lost) = (Ordering::Relaxed, Ordering::Relaxed);
        now >= until && self.store_failed_until.compare_exchange(until, next, won, lost).is_ok()
    }

    fn age_ms(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX / 2)
    }

    /// Writes new content over the version that `read` is.
    ///
    /// # Errors
    /// [`VaultError`]: then it is not known whether it was written.
    pub async fn replace(
        &self,
        read: &Session,
        content: SessionContent,
    ) -> Result<(Replaced, Arc<Session>), VaultError> {
        let expires_at = self.lifetimes.deadline(&content, self.clock.now());
        let session = Session { generation: read.generation.next(), expires_at, content, ..read.clone() };
        let session = Arc::new(session);
        let replaced = self.store.replace(&session.key, read.generation, &self.seal(&session)).await;
        // Whatever came of it, what was known is old.
        self.cache.drop_session(&session.key);
        Ok((replaced?, session))
    }

    /// Reads a session and deletes it: of several callers, one gets it. What cannot be read is
    /// kept by the store, since another version may know it.
    ///
    /// # Errors
    /// [`VaultError`]: then it is not known whether it is gone.
    pub async fn take(&self, key: &Key) -> Result<Option<Session>, VaultError> {
        self.cache.drop_session(key);
        let taken = self.store.take(key).await;
        self.cache.drop_session(key);
        match taken {
            Ok(record) => Ok(record.and_then(|record| self.open(key, &record))),
            Err(error) => self.unreadable(key, error).map(|()| None),
        }
    }

    /// Deletes the version that was read, or an earlier one; a later one stays.
    ///
    /// # Errors
    /// [`VaultError`]: then it is not known whether it is gone.
    pub async fn remove(&self, read: &Session) -> Result<Replaced, VaultError> {
        let removed = self.store.remove(&read.key, read.generation).await;
        self.cache.drop_session(&read.key);
        Ok(removed?)
    }

    /// The later deadlines that a call at the moment `now` asks for, or `None` while the stored ones
    /// still cover it. With `cookie`, the browser gets its cookie anew.
    pub fn due(&self, session: &Session, now: Timestamp) -> Option<Slide> {
        let max_age = self.lifetimes.cookie_max_age();
        let covered = self.lifetimes.covered(&session.content, session.expires_at, now);
        let cookie = session.cookie_until.since(now) < max_age / 2;
        let cookie_until = if cookie { now.plus(max_age) } else { session.cookie_until };
        let expires_at = self.lifetimes.deadline(&session.content, now);
        let deadlines = Deadlines { expires_at: expires_at.plus(session.content.afterlife), cookie_until };
        (!covered || cookie).then_some(Slide { deadlines, expires_at, cookie })
    }

    /// Moves a session's deadlines.
    ///
    /// # Errors
    /// [`VaultError`]: the next call asks again.
    pub async fn slide(&self, key: &Key, slide: Slide) -> Result<(), VaultError> {
        if self.store.touch(key, slide.deadlines).await? {
            self.cache.slid(key, slide.deadlines, slide.expires_at);
        }
        Ok(())
    }

    fn seal(&self, session: &Session) -> Record {
        // A record of plain strings and numbers always serialises into memory.
        let plain = zeroize::Zeroizing::new(postcard::to_stdvec(&session.content).unwrap_or_default());
        Record {
            generation: session.generation,
            expires_at: session.expires_at.plus(session.content.afterlife),
            cookie_until: session.cookie_until,
            sealed: self.keys.load().seal(&bound_to(&session.key, session.generation), &plain),
        }
    }

    fn open(&self, key: &Key, record: &Record) -> Option<Session> {
        let sealed = &record.sealed;
        let opened =
            self.keys.load().open(sealed.key_id.as_str(), &bound_to(key, record.generation), &sealed.bytes);
        let plain = match opened {
            Ok(plain) => plain,
            Err(error) => {
                tracing::warn!(target: "vault", key_id = sealed.key_id.as_str(), %error, "a session record did not open");
                SecurityEvent::new(SecurityKind::RecordRejected).session(key.digest()).emit();
                return None;
            }
        };
        self.metrics.record_opened(sealed.key_id.as_str());
        let Ok(content) = postcard::from_bytes::<SessionContent>(&plain) else {
            tracing::error!(target: "vault", "an authentic session record has content of no known form");
            return None;
        };
        Some(Session {
            key: *key,
            generation: record.generation,
            expires_at: record.expires_at.minus(content.afterlife),
            cookie_until: record.cookie_until,
            content,
        })
    }

    /// Bytes that never were a record are no session; everything else is an error.
    fn unreadable(&self, key: &Key, error: StoreError) -> Result<(), VaultError> {
        if let StoreError::Record(RecordError::Malformed) = error {
            tracing::warn!(target: "vault", key = key.hash_text(), "a malformed session record was refused");
            return Ok(());
        }
        Err(error.into())
    }
}

/// See [`TokenVault::due`].
#[derive(Debug, Clone, Copy)]
pub struct Slide {
    deadlines: Deadlines,
    /// When the session ends then.
    expires_at: Timestamp,
    /// The browser's cookie is due to be set anew.
    pub cookie: bool,
}

fn bound_to(key: &Key, generation: Generation) -> Vec<u8> {
    let mut place = Vec::with_capacity(1 + 33 + 8);
    place.push(FORMAT);
    place.extend_from_slice(&key.to_bytes());
    place.extend_from_slice(&generation.0.to_be_bytes());
    place
}
