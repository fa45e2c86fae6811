//! What this process has written lately, to write it once more after a failover.
//!
//! Redis replicates after it has answered: a replica that is promoted may not have heard of a write
//! that was acknowledged a moment ago. Then a session that was ended lives again, and a refresh
//! token that was replaced, and so used up, is the stored one again. Each process remembers its own
//! acknowledged ends and replaces for a minute, and repeats them on the new primary. Repeating does
//! no harm where nothing was lost: an end removes no later generation, and a replace neither goes
//! back behind one nor brings back a record that is gone.
//!
//! Other processes repeat theirs a little before or after us. Until all have had the time, a record
//! of which a change was told in the last minute is not read: it could be the one before.
//!
//! What nobody remembers any more is lost: the writes of a process that died in the same minute.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use redis::{RedisError, RedisResult, Value};

use super::fault::{self, Verdict};
use super::names::Names;
use super::scripts;
use super::wire::Wire;
use crate::clock::SharedClock;
use crate::model::Generation;
use crate::store::{Key, Record};

/// The ends and replaces of the last minute, the newest of each record.
pub(super) struct Deeds {
    names: Names,
    clock: SharedClock,
    lately: Mutex<Lately>,
}

impl Deeds {
    pub(super) fn new(names: Names, clock: SharedClock) -> Self {
        Self { names, clock, lately: Mutex::default() }
    }

    /// A record of that generation was taken.
    pub(super) fn ended(&self, key: &Key, generation: Generation) {
        self.with(|lately, number| {
            lately.replaces.forget(key);
            lately.ends.remember(number, *key, generation);
        });
    }

    /// This record was written over another one.
    pub(super) fn replaced(&self, key: &Key, record: &Record) {
        self.with(|lately, number| {
            let older = |known: &Record| known.generation > record.generation;
            if !lately.ends.knows(key) && !lately.replaces.get(key).is_some_and(older) {
                lately.replaces.remember(number, *key, record.clone());
            }
        });
    }

    /// Somebody, maybe another process, ended or replaced this record.
    pub(super) fn heard_of(&self, key: &Key) {
        self.with(|lately, number| lately.heard.remember(number, *key, ()));
    }

    /// Whether what another primary has of this record may be what it was before another process
    /// ended or replaced it. What we ended ourselves has been repeated before anybody asks.
    pub(super) fn may_be_forgotten(&self, key: &Key) -> bool {
        self.with(|lately, _| lately.heard.knows(key) && !lately.ends.knows(key))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Lately, u64) -> T) -> T {
        let mut lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        lately.count += 1;
        let number = lately.count;
        lately.ends.prune(MOST_ENDS);
        lately.replaces.prune(MOST_REPLACES);
        lately.heard.prune(MOST_ENDS);
        work(&mut lately, number)
    }

    /// Repeats what was done after the deed numbered `since`, in the order in which it was done, and
    /// moves `since` on with it. How many were repeated.
    ///
    /// # Errors
    /// What the connection says. `since` tells how far it came.
    pub(super) async fn repeat(&self, wire: &Wire, since: &mut u64) -> RedisResult<usize> {
        let mut repeated = 0;
        loop {
            let some = self.with(|lately, _| lately.after(*since, AT_ONCE));
            let Some(&(last, ..)) = some.last() else { return Ok(repeated) };
            let answers = join_all(some.iter().map(|(_, key, deed)| self.again(wire.clone(), key, deed)));
            for answer in answers.await {
                match answer {
                    Ok(_) => repeated += 1,
                    Err(error) if Verdict::of(&error) == Verdict::Answered => {
                        let reason = fault::describe(&error);
                        tracing::warn!(reason, "a write could not be repeated after a failover");
                    }
                    Err(error) => return Err(error),
                }
            }
            *since = last;
        }
    }

    async fn again(&self, mut wire: Wire, key: &Key, deed: &Deed) -> Result<Value, RedisError> {
        let (channel, name) = self.names.told(key);
        let record = self.names.record(key);
        match deed {
            Deed::Ended(generation) => {
                let mut script = scripts::REMOVE.key(record);
                script.arg(&generation.0.to_be_bytes()).arg(channel).arg(name);
                script.invoke_async(&mut wire).await
            }
            Deed::Replaced(content) => {
                let now = self.clock.now().as_millis();
                let mut script = scripts::REPEAT_REPLACE.key(record);
                script.arg(content.encode()).arg(now).arg(channel).arg(name);
                script.invoke_async(&mut wire).await
            }
        }
    }
}

/// One deed, as it is repeated.
enum Deed {
    Ended(Generation),
    Replaced(Record),
}

#[derive(Default)]
struct Lately {
    /// Numbers deeds in the order in which they were acknowledged.
    count: u64,
    ends: Memory<Generation>,
    replaces: Memory<Record>,
    /// Changes that were told. Not repeated.
    heard: Memory<()>,
}

impl Lately {
    /// The first deeds after that number.
    fn after(&self, number: u64, most: usize) -> Vec<(u64, Key, Deed)> {
        let ends = self.ends.after(number, most).map(|(n, key, &end)| (n, key, Deed::Ended(end)));
        let replaces = self.replaces.after(number, most);
        let replaces = replaces.map(|(n, key, record)| (n, key, Deed::Replaced(record.clone())));
        let mut deeds: Vec<_> = ends.chain(replaces).collect();
        deeds.sort_unstable_by_key(|(number, ..)| *number);
        deeds.truncate(most);
        deeds
    }
}

/// The newest of each key, for a minute.
struct Memory<T> {
    entries: HashMap<Key, (u64, T)>,
    /// Oldest first. An entry that has been overtaken stays here until its time.
    order: VecDeque<(u64, Key, Instant)>,
}

impl<T> Memory<T> {
    fn remember(&mut self, number: u64, key: Key, what: T) {
        self.entries.insert(key, (number, what));
        self.order.push_back((number, key, Instant::now()));
    }

    fn knows(&self, key: &Key) -> bool {
        self.entries.contains_key(key)
    }

    fn get(&self, key: &Key) -> Option<&T> {
        self.entries.get(key).map(|(_, what)| what)
    }

    fn forget(&mut self, key: &Key) {
        self.entries.remove(key);
    }

    fn prune(&mut self, most: usize) {
        while let Some(&(number, key, at)) = self.order.front() {
            if at.elapsed() < REMEMBERED && self.order.len() <= most {
                break;
            }
            self.order.pop_front();
            if self.entries.get(&key).is_some_and(|(newest, _)| *newest == number) {
                self.entries.remove(&key);
            }
        }
    }

    fn after(&self, number: u64, most: usize) -> impl Iterator<Item = (u64, Key, &T)> {
        let first = self.order.partition_point(|(n, ..)| *n <= number);
        self.order
            .range(first..)
            .filter_map(|(n, key, _)| {
                let (newest, what) = self.entries.get(key)?;
                (newest == n).then_some((*n, *key, what))
            })
            .take(most)
    }
}

impl<T> Default for Memory<T> {
    fn default() -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new() }
    }
}

/// Longer than a failover takes with Sentinel's and the Cluster's usual settings.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Bounds of memory: an end is some 100 bytes, a replace some 700.
const MOST_ENDS: usize = 65_536;
const MOST_REPLACES: usize = 16_384;

/// Repeated side by side.
const AT_ONCE: usize = 64;

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)]
    use super::*;
    use crate::model::SessionId;

    fn key() -> Key {
        Key::session(&SessionId::from_random(crate::crypto::random_bytes()))
    }

    #[test]
    fn the_newest_of_each_key_is_remembered_in_order_and_within_bounds() {
        let keys = [key(), key(), key()];
        let mut memory = Memory::default();
        for (number, key) in [(1, keys[0]), (2, keys[1]), (3, keys[0]), (4, keys[2])] {
            memory.remember(number, key, number);
        }
        let after = |memory: &Memory<u64>, number, most| -> Vec<u64> {
            memory.after(number, most).map(|(number, _, what)| number.min(*what)).collect()
        };
        assert_eq!(after(&memory, 0, 9), [2, 3, 4]);
        assert_eq!(after(&memory, 0, 2), [2, 3]);
        assert_eq!(after(&memory, 3, 9), [4]);
        memory.prune(2);
        assert_eq!(after(&memory, 0, 9), [3, 4]);
        memory.forget(&keys[0]);
        assert_eq!(after(&memory, 0, 9), [4]);
        memory.prune(0);
        assert!(memory.entries.is_empty() && memory.order.is_empty());
    }

    #[test]
    fn an_end_is_not_forgotten_for_a_replace_and_a_replace_not_for_an_older_one() {
        let names = Names::new("test");
        let deeds = Deeds::new(names, std::sync::Arc::new(crate::clock::SystemClock));
        let sealed = crate::crypto::Sealed {
            key_id: crate::crypto::KeyId::parse("key").expect("a key id"),
            bytes: vec![0; 40],
        };
        let end = deeds.clock.now();
        let record = |generation| Record {
            generation: Generation(generation),
            expires_at: end,
            cookie_until: end,
            sealed: sealed.clone(),
        };
        let key = key();
        deeds.replaced(&key, &record(3));
        deeds.replaced(&key, &record(2));
        let known = |deeds: &Deeds| deeds.with(|lately, _| lately.after(0, 9));
        assert!(matches!(&known(&deeds)[..], [(_, _, Deed::Replaced(record))] if record.generation.0 == 3));
        deeds.ended(&key, Generation(3));
        deeds.replaced(&key, &record(4));
        assert!(matches!(known(&deeds)[..], [(_, _, Deed::Ended(Generation(3)))]));
    }
}
