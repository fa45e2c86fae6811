//! The suite that every kind of store runs: the promises of `whisk_bff::store::Store`.

use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use whisk_bff::clock::{ManualClock, SharedClock};
use whisk_bff::crypto::random_bytes;
use whisk_bff::model::{Digest, Generation, Rate};
use whisk_bff::store::{
    Charged, Created, Deadlines, Key, LeaseOwner, Leased, Place, Record, RecordError, Replaced, Store,
    StoreError,
};

use super::{record, some_key};

const HOUR: Duration = Duration::from_secs(3600);

/// Bytes that the store holds before the suite begins, and that none of its calls may change.
pub(crate) struct Planted {
    pub(crate) newer: (Key, Vec<u8>),
    pub(crate) malformed: (Key, Vec<u8>),
}

impl Planted {
    pub(crate) fn new() -> Self {
        Self {
            newer: (some_key(), b"\x02of a later version".to_vec()),
            malformed: (some_key(), b"\x01\x05k".to_vec()),
        }
    }

    pub(crate) fn bytes(&self) -> [(Key, Vec<u8>); 2] {
        [self.newer.clone(), self.malformed.clone()]
    }
}

struct Suite {
    store: Arc<dyn Store>,
    clock: SharedClock,
}

/// Runs every promise against a store that holds nothing but what was planted.
pub(crate) async fn run(store: Arc<dyn Store>, clock: Arc<ManualClock>, planted: &Planted) {
    let suite = Suite { store, clock: clock.clone() };
    suite.store.check().await.unwrap();
    suite.what_is_created_can_be_loaded_and_taken_once().await;
    suite.create_never_overwrites().await;
    suite.replace_writes_over_the_generation_it_names_alone().await;
    suite.remove_spares_a_later_generation().await;
    suite.replace_brings_nothing_back().await;
    suite.touch_moves_the_ends_later_and_nothing_else().await;
    suite.records_end_by_themselves(&clock).await;
    suite.of_many_takers_one_gets_the_record().await;
    suite.of_many_replacers_one_writes().await;
    suite.a_take_among_writers_wins().await;
    suite.a_lease_has_one_owner().await;
    suite.a_lease_ends_by_itself().await;
    suite.a_released_lease_cools_down_if_asked().await;
    suite.a_bucket_counts_for_all_who_share_it(&clock).await;
    suite.keys_are_listed_by_place().await;
    suite.what_is_not_understood_is_kept(planted).await;
}

impl Suite {
    fn record(&self, generation: u64) -> Record {
        record(&self.clock, generation, HOUR)
    }

    async fn created(&self, generation: u64) -> (Key, Record) {
        let (key, record) = (some_key(), self.record(generation));
        assert_eq!(self.store.create(&key, &record).await.unwrap(), Created::Done);
        (key, record)
    }

    async fn what_is_created_can_be_loaded_and_taken_once(&self) {
        let (key, record) = self.created(1).await;
        assert_eq!(self.store.load(&key).await.unwrap(), Some(record.clone()));
        assert_eq!(self.store.take(&key).await.unwrap(), Some(record));
        assert_eq!(self.store.take(&key).await.unwrap(), None);
        assert_eq!(self.store.load(&key).await.unwrap(), None);
    }

    async fn create_never_overwrites(&self) {
        let (key, first) = self.created(1).await;
        assert_eq!(self.store.create(&key, &self.record(1)).await.unwrap(), Created::Exists);
        assert_eq!(self.store.create(&key, &first).await.unwrap(), Created::Done, "the same bytes again");
        assert_eq!(self.store.load(&key).await.unwrap(), Some(first.clone()));
        let deadlines = Deadlines {
            expires_at: first.expires_at.plus(HOUR),
            cookie_until: first.cookie_until.plus(HOUR),
        };
        self.store.touch(&key, deadlines).await.unwrap();
        assert_eq!(
            self.store.create(&key, &first).await.unwrap(),
            Created::Done,
            "the same, touched meanwhile"
        );
        let touched = self.store.load(&key).await.unwrap().unwrap();
        assert_eq!(touched.expires_at, deadlines.expires_at, "repeating a create takes no time away");
    }

    async fn replace_writes_over_the_generation_it_names_alone(&self) {
        let (key, _) = self.created(u64::MAX - 2).await;
        let (wrong, old, new) = (Generation(7), Generation(u64::MAX - 2), self.record(u64::MAX - 1));
        assert_eq!(self.store.replace(&key, wrong, &new).await.unwrap(), Replaced::Moved(old));
        assert_eq!(self.store.replace(&key, old, &new).await.unwrap(), Replaced::Done);
        assert_eq!(self.store.replace(&key, old, &new).await.unwrap(), Replaced::Done, "the same again");
        assert_eq!(self.store.load(&key).await.unwrap(), Some(new.clone()));
        let other = self.record(u64::MAX - 1);
        assert_eq!(self.store.replace(&key, old, &other).await.unwrap(), Replaced::Moved(new.generation));
        assert_eq!(self.store.load(&key).await.unwrap(), Some(new));
    }

    async fn remove_spares_a_later_generation(&self) {
        let (key, _) = self.created(7).await;
        assert_eq!(self.store.remove(&key, Generation(6)).await.unwrap(), Replaced::Moved(Generation(7)));
        assert!(self.store.load(&key).await.unwrap().is_some());
        assert_eq!(self.store.remove(&key, Generation(7)).await.unwrap(), Replaced::Done);
        assert_eq!(self.store.load(&key).await.unwrap(), None);
        assert_eq!(self.store.remove(&key, Generation(7)).await.unwrap(), Replaced::Gone);
        assert_eq!(self.store.replace(&key, Generation(7), &self.record(8)).await.unwrap(), Replaced::Gone);
    }

    async fn replace_brings_nothing_back(&self) {
        let (key, _) = self.created(1).await;
        self.store.take(&key).await.unwrap();
        assert_eq!(self.store.replace(&key, Generation(1), &self.record(2)).await.unwrap(), Replaced::Gone);
        let deadlines = self.record(1);
        let deadlines = Deadlines { expires_at: deadlines.expires_at, cookie_until: deadlines.cookie_until };
        assert!(!self.store.touch(&key, deadlines).await.unwrap());
        assert_eq!(self.store.load(&key).await.unwrap(), None);
        assert!(!self.store.keys(Place::Session).await.unwrap().contains(&key));
    }

    async fn touch_moves_the_ends_later_and_nothing_else(&self) {
        let (key, record) = self.created(3).await;
        let earlier = Deadlines {
            expires_at: record.expires_at.minus(Duration::from_secs(60)),
            cookie_until: record.cookie_until.minus(Duration::from_secs(60)),
        };
        assert!(self.store.touch(&key, earlier).await.unwrap());
        assert_eq!(self.store.load(&key).await.unwrap(), Some(record.clone()), "never earlier");
        let one_later = Deadlines { cookie_until: record.cookie_until.plus(HOUR), ..earlier };
        assert!(self.store.touch(&key, one_later).await.unwrap());
        let expected = Record { cookie_until: one_later.cookie_until, ..record.clone() };
        assert_eq!(self.store.load(&key).await.unwrap(), Some(expected), "each by itself");
        let later = Deadlines {
            expires_at: record.expires_at.plus(HOUR),
            cookie_until: record.cookie_until.plus(HOUR),
        };
        assert!(self.store.touch(&key, later).await.unwrap());
        let expected =
            Record { expires_at: later.expires_at, cookie_until: later.cookie_until, ..record.clone() };
        assert_eq!(self.store.load(&key).await.unwrap(), Some(expected));
        let new = self.record(4);
        assert_eq!(self.store.replace(&key, record.generation, &new).await.unwrap(), Replaced::Done);
    }

    async fn records_end_by_themselves(&self, clock: &ManualClock) {
        let short = Duration::from_millis(700);
        let (ends, touched, replaced) = (some_key(), some_key(), some_key());
        for key in [&ends, &touched, &replaced] {
            self.store.create(key, &record(&self.clock, 1, short)).await.unwrap();
        }
        let longer = self.record(2);
        let deadlines = Deadlines { expires_at: longer.expires_at, cookie_until: longer.cookie_until };
        assert!(self.store.touch(&touched, deadlines).await.unwrap());
        assert_eq!(self.store.replace(&replaced, Generation(1), &longer).await.unwrap(), Replaced::Done);
        assert!(self.store.load(&ends).await.unwrap().is_some());
        tokio::time::sleep(short + Duration::from_millis(100)).await;
        assert_eq!(self.store.load(&ends).await.unwrap(), None);
        assert_eq!(self.store.take(&ends).await.unwrap(), None);
        assert_eq!(self.store.replace(&ends, Generation(1), &longer).await.unwrap(), Replaced::Gone);
        assert!(!self.store.touch(&ends, deadlines).await.unwrap());
        assert!(self.store.load(&touched).await.unwrap().is_some());
        assert!(self.store.load(&replaced).await.unwrap().is_some());

        // By the injected clock, too.
        let (key, _) = self.created(1).await;
        clock.advance(HOUR * 2);
        assert_eq!(self.store.load(&key).await.unwrap(), None);
        assert_eq!(self.store.replace(&key, Generation(1), &self.record(2)).await.unwrap(), Replaced::Gone);
        assert_eq!(
            self.store.create(&key, &self.record(9)).await.unwrap(),
            Created::Done,
            "the place is free"
        );
        assert!(self.store.load(&key).await.unwrap().is_some());

        // What has ended already is not written.
        let key = some_key();
        let ended = record(&self.clock, 1, Duration::ZERO);
        assert_eq!(self.store.create(&key, &ended).await.unwrap(), Created::Done);
        assert_eq!(self.store.load(&key).await.unwrap(), None);
        assert!(!self.store.keys(Place::Session).await.unwrap().contains(&key));
    }

    async fn of_many_takers_one_gets_the_record(&self) {
        let (key, record) = self.created(1).await;
        let taken = at_once(|_| {
            let store = Arc::clone(&self.store);
            async move { store.take(&key).await.unwrap() }
        })
        .await;
        let winners: Vec<_> = taken.into_iter().flatten().collect();
        assert_eq!(winners, [record]);
    }

    async fn of_many_replacers_one_writes(&self) {
        let (key, _) = self.created(1).await;
        let records: Vec<_> = (0..AT_ONCE).map(|_| self.record(2)).collect();
        let outcomes = at_once(|number| {
            let (store, record) = (Arc::clone(&self.store), records[number].clone());
            async move { store.replace(&key, Generation(1), &record).await.unwrap() }
        })
        .await;
        let winners: Vec<_> = (0..AT_ONCE).filter(|number| outcomes[*number] == Replaced::Done).collect();
        assert_eq!(winners.len(), 1);
        assert_eq!(
            outcomes.iter().filter(|outcome| **outcome == Replaced::Moved(Generation(2))).count(),
            AT_ONCE - 1
        );
        assert_eq!(self.store.load(&key).await.unwrap().as_ref(), Some(&records[winners[0]]));
    }

    async fn a_take_among_writers_wins(&self) {
        for _ in 0..20 {
            let (key, first) = self.created(1).await;
            let later = Deadlines { expires_at: first.expires_at.plus(HOUR), cookie_until: first.expires_at };
            at_once(|number| {
                let (store, record) = (Arc::clone(&self.store), self.record(2));
                async move {
                    match number {
                        25 => drop(store.take(&key).await.unwrap()),
                        n if n % 2 == 0 => drop(store.replace(&key, Generation(1), &record).await.unwrap()),
                        _ => drop(store.touch(&key, later).await.unwrap()),
                    }
                }
            })
            .await;
            assert_eq!(self.store.load(&key).await.unwrap(), None);
        }
    }

    async fn a_lease_has_one_owner(&self) {
        let (key, one, two) = (some_key(), LeaseOwner::random(), LeaseOwner::random());
        assert_eq!(self.store.lease(&key, &one, HOUR).await.unwrap(), Leased::Granted);
        assert_eq!(self.store.lease(&key, &two, HOUR).await.unwrap(), Leased::Held);
        assert_eq!(self.store.lease(&key, &one, HOUR).await.unwrap(), Leased::Granted, "renewed");
        self.store.release(&key, &two, None).await.unwrap();
        self.store.release(&key, &two, Some(HOUR)).await.unwrap();
        assert_eq!(
            self.store.lease(&key, &two, HOUR).await.unwrap(),
            Leased::Held,
            "only the owner releases"
        );
        self.store.release(&key, &one, None).await.unwrap();
        assert_eq!(self.store.lease(&key, &two, HOUR).await.unwrap(), Leased::Granted);
        assert_eq!(self.store.load(&key).await.unwrap(), None, "a lease is no record");

        let key = some_key();
        let granted = at_once(|_| {
            let store = Arc::clone(&self.store);
            async move { store.lease(&key, &LeaseOwner::random(), HOUR).await.unwrap() }
        })
        .await;
        assert_eq!(granted.iter().filter(|leased| **leased == Leased::Granted).count(), 1);
    }

    async fn a_lease_ends_by_itself(&self) {
        let (key, one, two) = (some_key(), LeaseOwner::random(), LeaseOwner::random());
        let short = Duration::from_millis(600);
        assert_eq!(self.store.lease(&key, &one, short).await.unwrap(), Leased::Granted);
        tokio::time::sleep(short / 2).await;
        assert_eq!(self.store.lease(&key, &one, short).await.unwrap(), Leased::Granted);
        tokio::time::sleep(short * 2 / 3).await;
        assert_eq!(self.store.lease(&key, &two, short).await.unwrap(), Leased::Held, "the renewal counts");
        tokio::time::sleep(short).await;
        assert_eq!(self.store.lease(&key, &two, short).await.unwrap(), Leased::Granted);
        self.store.release(&key, &one, Some(HOUR)).await.unwrap();
        assert_eq!(
            self.store.lease(&key, &two, short).await.unwrap(),
            Leased::Granted,
            "who lost it leaves it"
        );
    }

    async fn a_released_lease_cools_down_if_asked(&self) {
        let (key, one, two) = (some_key(), LeaseOwner::random(), LeaseOwner::random());
        let pause = Duration::from_millis(500);
        self.store.lease(&key, &one, HOUR).await.unwrap();
        self.store.release(&key, &one, Some(pause)).await.unwrap();
        for owner in [&one, &two] {
            match self.store.lease(&key, owner, HOUR).await.unwrap() {
                Leased::CoolingDown { left } => assert!(left <= pause && !left.is_zero(), "{left:?}"),
                other => panic!("{other:?}"),
            }
        }
        tokio::time::sleep(pause + Duration::from_millis(100)).await;
        assert_eq!(self.store.lease(&key, &two, HOUR).await.unwrap(), Leased::Granted);
    }

    async fn a_bucket_counts_for_all_who_share_it(&self, clock: &ManualClock) {
        let (bucket, other) = (Digest::of("bucket", &random_bytes::<16>()), Digest::of("bucket", b"other"));
        let rate = Rate::new(3, HOUR).unwrap();
        let charge = async |bucket| self.store.charge(bucket, rate).await.unwrap();
        let Some(first) = charge(&bucket).await else {
            // Nobody shares this store.
            return;
        };
        let third = HOUR / 3;
        assert_eq!(first, Charged::Admitted(third));
        let left: Vec<_> = join_all((0..9).map(|_| charge(&bucket))).await.into_iter().flatten().collect();
        let admitted = left.iter().filter(|charged| matches!(charged, Charged::Admitted(_))).count();
        assert_eq!((admitted, left.len()), (2, 9), "{left:?}");
        let Some(Charged::Refused(wait)) = charge(&bucket).await else { panic!("a fourth was admitted") };
        assert!(wait <= third && wait > third - Duration::from_secs(60), "{wait:?}");
        assert!(matches!(charge(&other).await, Some(Charged::Admitted(_))));
        clock.advance(wait);
        assert!(matches!(charge(&bucket).await, Some(Charged::Admitted(_))));
        assert!(matches!(charge(&bucket).await, Some(Charged::Refused(_))));
        clock.advance(2 * HOUR);
        assert_eq!(charge(&bucket).await, Some(Charged::Admitted(third)));
    }

    async fn keys_are_listed_by_place(&self) {
        let mut sessions = HashSet::new();
        for _ in 0..300 {
            sessions.insert(self.created(1).await.0);
        }
        let login = Key::login("a state");
        self.store.create(&login, &self.record(1)).await.unwrap();
        assert_eq!(self.store.keys(Place::Login).await.unwrap(), [login]);
        let listed = self.store.keys(Place::Session).await.unwrap();
        let set: HashSet<_> = listed.iter().copied().collect();
        assert_eq!(set.len(), listed.len(), "each once");
        assert!(sessions.is_subset(&set));
    }

    async fn what_is_not_understood_is_kept(&self, planted: &Planted) {
        let expected =
            [(planted.newer.0, RecordError::NewerFormat(2)), (planted.malformed.0, RecordError::Malformed)];
        let record = self.record(1);
        let deadlines = Deadlines { expires_at: record.expires_at, cookie_until: record.cookie_until };
        // Twice: the first round changes nothing.
        for (key, error) in expected.into_iter().chain(expected) {
            let errors = [
                self.store.load(&key).await.unwrap_err(),
                self.store.replace(&key, Generation(0), &record).await.unwrap_err(),
                self.store.touch(&key, deadlines).await.unwrap_err(),
                self.store.take(&key).await.unwrap_err(),
            ];
            for found in errors {
                assert!(matches!(&found, StoreError::Record(found) if *found == error), "{found:?}");
            }
            assert_eq!(self.store.create(&key, &record).await.unwrap(), Created::Exists);
        }
    }
}

const AT_ONCE: usize = 50;

/// Runs as many tasks at the same time, on all threads, and gives their results in order.
async fn at_once<T, F>(task: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let start = Arc::new(tokio::sync::Barrier::new(AT_ONCE));
    let tasks = (0..AT_ONCE).map(|number| {
        let (start, work) = (Arc::clone(&start), task(number));
        tokio::spawn(async move {
            start.wait().await;
            work.await
        })
    });
    join_all(tasks).await.into_iter().map(Result::unwrap).collect()
}
