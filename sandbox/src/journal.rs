//! Every request the sandbox has seen, in order, countable.
//!
//! A request is entered when its head has arrived and completed as it goes on, so a test can
//! look at a request that is still being answered. The journal is a ring: it forgets the oldest
//! entries beyond its capacity, and earlier if their bodies grow past 256 MiB in all.

mod entry;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

pub use entry::{ClientAuthUsed, Entry, Surface, TokenCall, TokenOutcome};

/// Most body bytes kept of one request.
pub(crate) const BODY_KEPT: usize = 64 * 1024;
const BODIES_KEPT: usize = 256 * 1024 * 1024;

/// The requests seen so far.
#[derive(Debug)]
pub struct Journal {
    ring: Mutex<Ring>,
    capacity: usize,
}

#[derive(Debug, Default)]
struct Ring {
    entries: VecDeque<Arc<Mutex<Entry>>>,
    next: u64,
    body_bytes: usize,
}

impl Journal {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { ring: Mutex::default(), capacity: capacity.max(1) }
    }

    /// All entries, oldest first.
    pub fn entries(&self) -> Vec<Entry> {
        self.select(|_| true)
    }

    /// Entries of the API.
    pub fn api(&self) -> Vec<Entry> {
        self.select(|entry| entry.surface == Surface::Api)
    }

    /// Entries of the token endpoint.
    pub fn token(&self) -> Vec<Entry> {
        self.select(|entry| entry.surface == Surface::Token)
    }

    /// Entries of the calls that create an anonymous user.
    pub fn anonymous(&self) -> Vec<Entry> {
        self.select(|entry| entry.surface == Surface::Anonymous)
    }

    /// Entries of the authorization endpoint.
    pub fn authorize(&self) -> Vec<Entry> {
        self.select(|entry| entry.surface == Surface::Authorize)
    }

    /// How many requests have presented a grant of this type to the token endpoint, whatever
    /// became of them.
    pub fn grants(&self, grant_type: &str) -> usize {
        self.count(|entry| {
            entry.token.as_ref().is_some_and(|call| call.grant_type.as_deref() == Some(grant_type))
        })
    }

    /// How many requests of this grant type were granted.
    pub fn granted(&self, grant_type: &str) -> usize {
        self.count(|entry| {
            entry.token.as_ref().is_some_and(|call| {
                call.grant_type.as_deref() == Some(grant_type) && call.outcome == TokenOutcome::Granted
            })
        })
    }

    /// How many requests had a target that begins with `prefix`.
    pub fn count_path(&self, prefix: &str) -> usize {
        self.count(|entry| entry.target.starts_with(prefix))
    }

    /// How many entries satisfy `wanted`, without copying them.
    pub fn count(&self, wanted: impl Fn(&Entry) -> bool) -> usize {
        let snapshot = self.snapshot();
        snapshot.iter().filter(|entry| wanted(&locked(entry))).count()
    }

    /// Copies of the entries that satisfy `wanted`, oldest first.
    pub fn select(&self, wanted: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        let snapshot = self.snapshot();
        snapshot
            .iter()
            .filter_map(|entry| {
                let entry = locked(entry);
                wanted(&entry).then(|| entry.clone())
            })
            .collect()
    }

    /// Entries whose sequence number is `sequence` or higher. [`Journal::next`] gives the
    /// number to ask for later.
    pub fn since(&self, sequence: u64) -> Vec<Entry> {
        self.select(|entry| entry.sequence >= sequence)
    }

    /// The sequence number the next request will have; also the number of requests ever seen.
    pub fn next(&self) -> u64 {
        self.ring().next
    }

    /// Forgets every entry. Sequence numbers go on.
    pub fn clear(&self) {
        let mut ring = self.ring();
        ring.entries.clear();
        ring.body_bytes = 0;
    }

    pub(crate) fn enter(&self, mut entry: Entry) -> Record {
        let mut ring = self.ring();
        entry.sequence = ring.next;
        ring.next += 1;
        let entry = Arc::new(Mutex::new(entry));
        ring.entries.push_back(Arc::clone(&entry));
        while ring.entries.len() > self.capacity || ring.body_bytes > BODIES_KEPT {
            let Some(oldest) = ring.entries.pop_front() else {
                ring.body_bytes = 0;
                break;
            };
            let freed = locked(&oldest).body.len();
            ring.body_bytes = ring.body_bytes.saturating_sub(freed);
        }
        Record(entry)
    }

    pub(crate) fn account_body(&self, bytes: usize) {
        self.ring().body_bytes += bytes;
    }

    fn snapshot(&self) -> Vec<Arc<Mutex<Entry>>> {
        self.ring().entries.iter().map(Arc::clone).collect()
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The entry of a request that is still going on.
#[derive(Clone, Debug)]
pub(crate) struct Record(Arc<Mutex<Entry>>);

impl Record {
    pub(crate) fn update(&self, change: impl FnOnce(&mut Entry)) {
        change(&mut locked(&self.0));
    }

    /// Adds a piece of the body; answers how many bytes of it were kept.
    pub(crate) fn body(&self, piece: &[u8]) -> usize {
        let mut entry = locked(&self.0);
        entry.body_length += piece.len() as u64;
        let kept = piece.len().min(BODY_KEPT - entry.body.len());
        entry.body.extend_from_slice(&piece[..kept]);
        kept
    }
}

fn locked(entry: &Mutex<Entry>) -> MutexGuard<'_, Entry> {
    entry.lock().unwrap_or_else(PoisonError::into_inner)
}
