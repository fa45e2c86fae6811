//! Buckets for any number of callers in a fixed amount of memory.
//!
//! A table of sets of eight places, allocated once. A caller's hash, under a key of this process
//! that nobody outside knows, says to which set it belongs. Where all eight are taken the newcomer
//! gets the place of the least indebted, *and its debt* (the rule of the Space-Saving algorithm:
//! Metwally, Agrawal and El Abbadi, 2005). So
//!
//! * whoever is being limited stays: those with the smallest debts go first;
//! * nobody is rid of a debt by being pushed out: he comes back to one that is no smaller;
//! * a debt that has run off is 0, and in a table that is not full of debtors nobody notices;
//! * a flood from more addresses than there are places wears out the newcomers' allowance, and
//!   only when it is more than `places` times the rate.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::model::Rate;

/// Places in one set.
const WAYS: usize = 8;

/// One rate for each of many callers. Times are microseconds since the epoch.
pub(super) struct Buckets {
    rate: Rate,
    sets: Box<[Mutex<[Place; WAYS]>]>,
    secret: RandomState,
}

/// One caller's bucket: 16 bytes.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    /// The caller's hash.
    name: u64,
    /// When the bucket is as good as new. A time in the past: it is.
    full_at: u64,
}

impl Buckets {
    /// For at least that many callers.
    pub(super) fn new(rate: Rate, callers: usize) -> Self {
        let sets = callers.div_ceil(WAYS).max(1);
        Self { rate, sets: (0..sets).map(|_| Mutex::default()).collect(), secret: RandomState::new() }
    }

    pub(super) fn rate(&self) -> Rate {
        self.rate
    }

    /// Counts one event.
    ///
    /// # Errors
    /// It is one too many, and is not counted; after this long one would be.
    pub(super) fn charge(&self, caller: &impl Hash, now: u64) -> Result<(), Duration> {
        let (name, mut set) = self.set(caller);
        let place = place(&mut set, name);
        let debt = self.rate.admit(place.full_at.saturating_sub(now))?;
        *place = Place { name, full_at: now + debt };
        Ok(())
    }

    /// Whether an event would be counted now.
    ///
    /// # Errors
    /// As [`Self::charge`].
    pub(super) fn look(&self, caller: &impl Hash, now: u64) -> Result<(), Duration> {
        let (name, mut set) = self.set(caller);
        self.rate.admit(place(&mut set, name).full_at.saturating_sub(now)).map(drop)
    }

    /// The caller's debt is at least this, somebody else says.
    pub(super) fn raise(&self, caller: &impl Hash, now: u64, debt: Duration) {
        let debt = u64::try_from(debt.as_micros()).unwrap_or(u64::MAX).min(self.rate.span_us());
        let (name, mut set) = self.set(caller);
        let place = place(&mut set, name);
        *place = Place { name, full_at: place.full_at.max(now + debt) };
    }

    /// How many callers have a debt.
    pub(super) fn debtors(&self, now: u64) -> usize {
        let owes = |place: &&Place| place.full_at > now;
        self.sets.iter().map(|set| lock(set).iter().filter(owes).count()).sum()
    }

    fn set(&self, caller: &impl Hash) -> (u64, MutexGuard<'_, [Place; WAYS]>) {
        let name = self.secret.hash_one(caller);
        let count = u64::try_from(self.sets.len()).unwrap_or(u64::MAX);
        let index = usize::try_from(name % count).unwrap_or(0);
        (name, lock(&self.sets[index]))
    }
}

/// The caller's place; else the one of the least indebted, which is still his.
fn place(set: &mut [Place; WAYS], name: u64) -> &mut Place {
    let known = set.iter().position(|place| place.name == name);
    let least =
        || (1..WAYS).fold(0, |least, at| if set[at].full_at < set[least].full_at { at } else { least });
    &mut set[known.unwrap_or_else(least)]
}

fn lock(set: &Mutex<[Place; WAYS]>) -> MutexGuard<'_, [Place; WAYS]> {
    // No code between lock and unlock leaves a place half changed.
    set.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NOW: u64 = 1_800_000_000_000_000;
    const SECOND: u64 = 1_000_000;

    fn buckets(count: u32, seconds: u64, callers: usize) -> Buckets {
        Buckets::new(Rate::new(count, Duration::from_secs(seconds)).unwrap(), callers)
    }

    fn admitted(buckets: &Buckets, caller: u32, now: u64, events: usize) -> usize {
        (0..events).filter(|_| buckets.charge(&caller, now).is_ok()).count()
    }

    #[test]
    fn a_place_takes_what_the_documentation_says() {
        assert_eq!(size_of::<Mutex<[Place; WAYS]>>(), 17 * WAYS);
    }

    #[test]
    fn each_caller_has_a_bucket_of_its_own() {
        let buckets = buckets(3, 3, 1024);
        assert_eq!(admitted(&buckets, 1, NOW, 9), 3);
        assert_eq!(admitted(&buckets, 2, NOW, 9), 3);
        assert_eq!(buckets.look(&1, NOW), Err(Duration::from_secs(1)));
        assert_eq!(buckets.look(&1, NOW + SECOND), Ok(()));
        assert_eq!(admitted(&buckets, 1, NOW + SECOND, 9), 1);
        assert_eq!((buckets.debtors(NOW), buckets.debtors(NOW + 4 * SECOND)), (2, 0));
    }

    #[test]
    fn a_debt_that_is_told_counts_and_none_is_lowered() {
        let buckets = buckets(4, 4, 1024);
        buckets.raise(&1, NOW, Duration::from_secs(3));
        assert_eq!(admitted(&buckets, 1, NOW, 9), 1);
        buckets.raise(&1, NOW, Duration::from_secs(1));
        assert_eq!(admitted(&buckets, 1, NOW, 9), 0);
        // However much is told, nobody waits longer than for one event.
        buckets.raise(&1, NOW, Duration::MAX);
        assert_eq!(buckets.look(&1, NOW), Err(Duration::from_secs(1)));
    }

    #[test]
    fn a_flood_from_many_addresses_frees_nobody_who_is_limited_and_locks_nobody_out() {
        let buckets = buckets(100, 60, 1024);
        assert_eq!(admitted(&buckets, 0, NOW, 200), 100);
        // Fifty times as many addresses as there are places.
        let others = (1..=50_000).filter(|caller| buckets.charge(caller, NOW).is_ok()).count();
        assert_eq!(buckets.look(&0, NOW), Err(Duration::from_millis(600)));
        assert_eq!(others, 50_000);
        assert!(buckets.debtors(NOW) <= 1024);
        // What has run off is forgotten, for newcomers too.
        assert_eq!(admitted(&buckets, 200_000, NOW + 120 * SECOND, 200), 100);
    }

    #[test]
    fn who_is_pushed_out_comes_back_to_no_smaller_debt() {
        // One set alone, and more callers than it has places, in turns.
        let buckets = buckets(50, 60, WAYS);
        let mut admitted = [0; 3 * WAYS];
        for _ in 0..1000 {
            for (caller, admitted) in admitted.iter_mut().enumerate() {
                *admitted += usize::from(buckets.charge(&caller, NOW).is_ok());
            }
        }
        assert!(admitted.iter().all(|count| *count <= 50), "{admitted:?}");
        assert_eq!(admitted.iter().sum::<usize>(), 50 * WAYS);
    }
}
