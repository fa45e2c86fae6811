//! Opened sessions, kept in the process, so that a warm call asks nobody.
//!
//! A cached session is served only while the store's feed is alive, and never longer than
//! `store.cache_max_age` after it was read: an end of session or a new generation that another
//! instance made is heard through the feed and drops the entry. What was read before the feed
//! broke is *suspect*: no longer served, but kept for `store.outage_grace` in case the store is
//! away altogether, when the choice is between it and no answer at all.
//!
//! A read that was under way while a change was told must not leave the old version behind. Every
//! change moves the *epoch* of its shard, and a read puts its result in only where the epoch is
//! still the one it began under.
//!
//! Bounded by count and by bytes; secrets are wiped as entries are dropped.

#[cfg(test)]
mod tests;

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;

use super::vault::Session;
use crate::store::{Deadlines, Key, Listener};
use crate::telemetry::Metrics;

const SHARDS: usize = 64;
/// Most sessions in one shard.
const MAX_SESSIONS: NonZeroUsize = NonZeroUsize::new(2048).expect("not zero");
/// Most bytes of sessions in one shard: 64 MiB in all.
const MAX_BYTES: usize = 1 << 20;
/// How exact the order is in which entries have to go.
const RECENT: Duration = Duration::from_secs(5);

/// How old what is served may be.
#[derive(Debug, Clone, Copy)]
pub struct CacheLimits {
    /// `store.cache_max_age`; zero: no cache.
    pub max_age: Duration,
    /// `store.outage_grace`; zero: nothing is served while the store is away.
    pub outage_grace: Duration,
}

impl CacheLimits {
    /// No cache.
    pub const NONE: Self = Self { max_age: Duration::ZERO, outage_grace: Duration::ZERO };
}

pub(super) struct SessionCache {
    shards: Vec<Mutex<Shard>>,
    limits: CacheLimits,
    metrics: Metrics,
}

struct Shard {
    epoch: u64,
    bytes: usize,
    entries: LruCache<Key, Entry>,
}

struct Entry {
    session: Arc<Session>,
    read_at: Instant,
    /// When the feed broke, if it has since the read.
    suspect_since: Option<Instant>,
    /// When it was last moved to the front, to within [`RECENT`].
    used_at: Instant,
}

/// What was known when a read began. See [`SessionCache::put`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket {
    epoch: u64,
}

impl SessionCache {
    pub(super) fn new(limits: CacheLimits, metrics: Metrics) -> Self {
        let shard = || Mutex::new(Shard { epoch: 0, bytes: 0, entries: LruCache::new(MAX_SESSIONS) });
        Self { shards: (0..SHARDS).map(|_| shard()).collect(), limits, metrics }
    }

    /// A session that is known to be current. Ask only while the feed is alive.
    pub(super) fn current(&self, key: &Key) -> Option<Arc<Session>> {
        let mut shard = self.shard(key);
        let entry = shard.entries.peek(key)?;
        let now = Instant::now();
        let current = (entry.suspect_since.is_none()
            && now.saturating_duration_since(entry.read_at) < self.limits.max_age)
            .then(|| Arc::clone(&entry.session));
        // To move an entry is to touch its neighbours, which no processor's cache holds where there
        // are many.
        if now.saturating_duration_since(entry.used_at) > RECENT
            && let Some(entry) = shard.entries.get_mut(key)
        {
            entry.used_at = now;
        }
        current
    }

    /// A session that was current not long ago, for when the store is away.
    pub(super) fn in_outage(&self, key: &Key) -> Option<Arc<Session>> {
        let mut shard = self.shard(key);
        let entry = shard.entries.get(key)?;
        let sure_until = entry.suspect_since.unwrap_or(entry.read_at + self.limits.max_age);
        (Instant::now().saturating_duration_since(sure_until) < self.limits.outage_grace)
            .then(|| Arc::clone(&entry.session))
    }

    /// To be taken before the store is asked.
    pub(super) fn ticket(&self, key: &Key) -> Ticket {
        Ticket { epoch: self.shard(key).epoch }
    }

    /// Keeps what a read found, unless anything was told of its shard since `ticket`.
    pub(super) fn put(&self, ticket: Ticket, session: &Arc<Session>) {
        if self.limits.max_age.is_zero() {
            return;
        }
        let mut shard = self.shard(&session.key);
        if shard.epoch != ticket.epoch {
            return;
        }
        let now = Instant::now();
        let entry = Entry { session: Arc::clone(session), read_at: now, suspect_since: None, used_at: now };
        shard.bytes += session.weight();
        if let Some((_, old)) = shard.entries.push(session.key, entry) {
            shard.bytes = shard.bytes.saturating_sub(old.session.weight());
        }
        while shard.bytes > MAX_BYTES {
            let Some((_, old)) = shard.entries.pop_lru() else { break };
            shard.bytes = shard.bytes.saturating_sub(old.session.weight());
        }
    }

    /// Moves the deadlines of a session that slid.
    pub(super) fn slid(&self, key: &Key, deadlines: Deadlines, expires_at: crate::model::Timestamp) {
        if let Some(entry) = self.shard(key).entries.get_mut(key) {
            let session = Arc::make_mut(&mut entry.session);
            session.expires_at = session.expires_at.max(expires_at);
            session.cookie_until = session.cookie_until.max(deadlines.cookie_until);
        }
    }

    /// Drops one session. A read of it that is under way will not be kept.
    pub(super) fn drop_session(&self, key: &Key) {
        let mut shard = self.shard(key);
        shard.epoch = shard.epoch.wrapping_add(1);
        if let Some(old) = shard.entries.pop(key) {
            shard.bytes = shard.bytes.saturating_sub(old.session.weight());
        }
    }

    fn shard(&self, key: &Key) -> MutexGuard<'_, Shard> {
        let index = usize::from(key.digest().as_bytes()[0]) % SHARDS;
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener for SessionCache {
    fn changed(&self, key: &Key) {
        self.drop_session(key);
    }

    /// What is known becomes suspect, if it was not before.
    fn interrupted(&self) {
        let now = Instant::now();
        let mut flushed = false;
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.epoch = shard.epoch.wrapping_add(1);
            let mut useless = Vec::new();
            for (key, entry) in shard.entries.iter_mut() {
                flushed = flushed || entry.suspect_since.is_none();
                let since = *entry.suspect_since.get_or_insert(now);
                if now.saturating_duration_since(since) >= self.limits.outage_grace {
                    useless.push(*key);
                }
            }
            for key in useless {
                if let Some(old) = shard.entries.pop(&key) {
                    shard.bytes = shard.bytes.saturating_sub(old.session.weight());
                }
            }
        }
        if flushed {
            self.metrics.cache_flush();
        }
    }
}

impl std::fmt::Debug for SessionCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionCache").field("limits", &self.limits).finish_non_exhaustive()
    }
}
