//! Typed session records, sealed, over a [`Store`].

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};

use super::error::VaultError;
use crate::clock::SharedClock;
use crate::crypto::{KeyRing, random_bytes};
use crate::model::{Generation, Principal, Scopes, SessionId, Timestamp, TokenSet};
use crate::store::{Created, Deadlines, FORMAT, Key, Record, RecordError, Replaced, Store, StoreError};
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

/// How long sessions live.
#[derive(Debug, Clone, Copy)]
pub struct Lifetimes {
    /// Without a call.
    pub idle: Duration,
    /// In all.
    pub absolute: Duration,
}

impl Lifetimes {
    /// How far beyond the idle timeout a deadline is set, so that it need not be moved at every
    /// call: a 64th of it, at most a minute.
    fn slack(&self) -> Duration {
        (self.idle / 64).min(Duration::from_secs(60))
    }

    /// The `Max-Age` of a session's cookie.
    pub fn cookie_max_age(&self) -> Duration {
        self.idle
    }
}

/// Keeps sessions. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TokenVault {
    store: Arc<dyn Store>,
    keys: Arc<ArcSwap<KeyRing>>,
    clock: SharedClock,
    lifetimes: Lifetimes,
    metrics: Metrics,
}

impl TokenVault {
    /// A vault over `store`, whose records are sealed under `keys`.
    pub fn new(
        store: Arc<dyn Store>,
        keys: Arc<ArcSwap<KeyRing>>,
        clock: SharedClock,
        lifetimes: Lifetimes,
        metrics: Metrics,
    ) -> Self {
        Self { store, keys, clock, lifetimes, metrics }
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
            expires_at: self.deadline(content, now),
            cookie_until: now.plus(self.lifetimes.cookie_max_age()),
            content: content.clone(),
        };
        match self.store.create(&session.key, &self.seal(&session)).await? {
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
    pub async fn load(&self, key: &Key) -> Result<Option<Session>, VaultError> {
        match self.store.load(key).await {
            Ok(record) => Ok(record.and_then(|record| self.open(key, &record))),
            Err(error) => self.unreadable(key, error).map(|()| None),
        }
    }

    /// Writes new content over the version that `read` is.
    ///
    /// # Errors
    /// [`VaultError`]: then it is not known whether it was written.
    pub async fn replace(
        &self,
        read: &Session,
        content: SessionContent,
    ) -> Result<(Replaced, Session), VaultError> {
        let expires_at = self.deadline(&content, self.clock.now());
        let session = Session { generation: read.generation.next(), expires_at, content, ..read.clone() };
        let replaced = self.store.replace(&session.key, read.generation, &self.seal(&session)).await?;
        Ok((replaced, session))
    }

    /// Reads a session and deletes it: of several callers, one gets it. What cannot be read is
    /// kept by the store, since another version may know it.
    ///
    /// # Errors
    /// [`VaultError`]: then it is not known whether it is gone.
    pub async fn take(&self, key: &Key) -> Result<Option<Session>, VaultError> {
        match self.store.take(key).await {
            Ok(record) => Ok(record.and_then(|record| self.open(key, &record))),
            Err(error) => self.unreadable(key, error).map(|()| None),
        }
    }

    /// The later deadlines that a call at this moment asks for, or `None` while the stored ones
    /// still cover it. With `cookie`, the browser gets its cookie anew.
    pub fn due(&self, session: &Session) -> Option<Slide> {
        let now = self.clock.now();
        let max_age = self.lifetimes.cookie_max_age();
        let covered = session.expires_at >= session.content.ends_at.min(now.plus(self.lifetimes.idle));
        let cookie = session.cookie_until.since(now) < max_age / 2;
        let cookie_until = if cookie { now.plus(max_age) } else { session.cookie_until };
        let deadlines = Deadlines { expires_at: self.deadline(&session.content, now), cookie_until };
        (!covered || cookie).then_some(Slide { deadlines, cookie })
    }

    /// Moves a session's deadlines.
    ///
    /// # Errors
    /// [`VaultError`]: the next call asks again.
    pub async fn slide(&self, key: &Key, slide: Slide) -> Result<(), VaultError> {
        self.store.touch(key, slide.deadlines).await?;
        Ok(())
    }

    fn deadline(&self, content: &SessionContent, now: Timestamp) -> Timestamp {
        now.plus(self.lifetimes.idle.saturating_add(self.lifetimes.slack())).min(content.ends_at)
    }

    fn seal(&self, session: &Session) -> Record {
        // A record of plain strings and numbers always serialises into memory.
        let plain = zeroize::Zeroizing::new(postcard::to_stdvec(&session.content).unwrap_or_default());
        Record {
            generation: session.generation,
            expires_at: session.expires_at,
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
        let Ok(content) = postcard::from_bytes(&plain) else {
            tracing::error!(target: "vault", "an authentic session record has content of no known form");
            return None;
        };
        Some(Session {
            key: *key,
            generation: record.generation,
            expires_at: record.expires_at,
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
