//! `src/tokens/single_flight.rs` itself, run by `shuttle`, which decides at each lock and each
//! await who goes on. It looks at every order there is, or at many drawn at random.
//!
//! The file is included as it stands. What it takes from its parent, a lock and a way to start
//! tasks, is shuttle's here. A run in which somebody waits for ever is a deadlock, which shuttle
//! reports.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use shuttle::future::{JoinHandle, block_on, spawn, yield_now};
use shuttle::{check_dfs, check_random};

use flights::{Seat, SingleFlight};
use tasks::Tasks;

#[allow(dead_code, unreachable_pub)]
#[path = "../../src/tokens/single_flight.rs"]
mod flights;

mod sync {
    pub(super) use shuttle::sync::{Mutex, PoisonError};
}

mod tasks {
    //! In the place of `src/tokens/tasks.rs`.

    use std::future::Future;
    use std::panic::AssertUnwindSafe;

    use futures_util::FutureExt as _;

    #[derive(Clone, Default)]
    pub(super) struct Tasks;

    impl Tasks {
        /// A task that panics dies alone, as tokio has it.
        pub(super) fn spawn<F>(&self, work: F)
        where
            F: Future + Send + 'static,
            F::Output: Send + 'static,
        {
            drop(shuttle::future::spawn(AssertUnwindSafe(work).catch_unwind()));
        }
    }
}

/// What is worked on, and what the tests look at.
#[derive(Clone)]
struct Work {
    flights: SingleFlight<u8, usize>,
    begun: Arc<AtomicUsize>,
    at_once: Arc<AtomicUsize>,
    done: Arc<AtomicUsize>,
}

impl Work {
    fn new() -> Self {
        let count = || Arc::new(AtomicUsize::new(0));
        Self { flights: SingleFlight::new(Tasks), begun: count(), at_once: count(), done: count() }
    }

    /// A caller for `key`, whose work tells how many were begun with it.
    fn join(&self, key: u8) -> Seat<usize> {
        let Self { begun, at_once, done, .. } = self.clone();
        self.flights.join(key, move || async move {
            assert_eq!(at_once.fetch_add(1, Ordering::SeqCst), 0, "two worked on it at once");
            let number = begun.fetch_add(1, Ordering::SeqCst) + 1;
            yield_now().await;
            at_once.fetch_sub(1, Ordering::SeqCst);
            done.fetch_add(1, Ordering::SeqCst);
            number
        })
    }

    /// The same, and the work dies.
    fn join_and_die(&self, key: u8) -> Seat<usize> {
        self.flights.join(key, || async {
            yield_now().await;
            // Past the panic hook, which would print it each time.
            std::panic::resume_unwind(Box::new("died"))
        })
    }
}

/// A caller in a task of its own: whether it began the work, and what it got.
fn call(work: &Work, key: u8) -> JoinHandle<(bool, Option<usize>)> {
    let work = work.clone();
    spawn(async move {
        let seat = work.join(key);
        (seat.first, seat.result().await)
    })
}

#[test]
fn two_callers_in_every_order() {
    check_dfs(
        || {
            let work = Work::new();
            let other = call(&work, 1);
            let seat = work.join(1);
            let (first, result) = (seat.first, block_on(seat.result()));
            let (other_first, other_result) = block_on(other).unwrap();
            assert!(first || other_first);
            assert!(result.is_some() && other_result.is_some());
            let begun = usize::from(first) + usize::from(other_first);
            assert_eq!(work.begun.load(Ordering::SeqCst), begun, "who is first begins, and nobody else");
            assert!(begun == 2 || result == other_result, "of one flight there is one result");
        },
        None,
    );
}

#[test]
fn a_crowd_in_many_orders() {
    let crowd = || {
        let work = Work::new();
        let calls: Vec<_> = (0..6).map(|_| call(&work, 1)).collect();
        let mut first = 0;
        for call in calls {
            let (began, result) = block_on(call).unwrap();
            first += usize::from(began);
            assert!(result.is_some_and(|number| number >= 1));
        }
        assert_eq!(first, work.begun.load(Ordering::SeqCst));
    };
    check_random(crowd, 5_000);
}

#[test]
fn who_comes_after_the_result_begins_anew() {
    check_dfs(
        || {
            let work = Work::new();
            assert_eq!(block_on(work.join(1).result()), Some(1));
            let seat = work.join(1);
            assert!(seat.first, "no flight that is over is joined");
            assert_eq!(block_on(seat.result()), Some(2));
        },
        None,
    );
}

#[test]
fn work_that_dies_frees_its_place_and_its_waiters() {
    check_dfs(
        || {
            let work = Work::new();
            let other = {
                let work = work.clone();
                spawn(async move { work.join_and_die(1).result().await })
            };
            assert_eq!(block_on(work.join_and_die(1).result()), None);
            assert_eq!(block_on(other).unwrap(), None);
            let next = work.join(1);
            assert!(next.first, "its place was free");
            assert_eq!(block_on(next.result()), Some(1));
        },
        None,
    );
}

#[test]
fn work_goes_on_when_its_callers_leave() {
    check_dfs(
        || {
            let work = Work::new();
            drop(work.join(1));
            let seat = work.join(1);
            let begun = if seat.first { 2 } else { 1 };
            assert_eq!(block_on(seat.result()), Some(begun));
            assert_eq!(work.done.load(Ordering::SeqCst), begun);
        },
        None,
    );
}

#[test]
fn another_key_waits_for_nobody() {
    check_dfs(
        || {
            let work = Work::new();
            let stuck = work.flights.join(1, std::future::pending::<usize>);
            assert!(stuck.first);
            assert_eq!(block_on(work.join(2).result()), Some(1));
        },
        None,
    );
}
