//! One piece of work for all who ask for it at the same time.
//!
//! The first caller for a key starts the work in a task of its own; the others, and the first
//! itself, wait for its result. The entry is freed when the work ends, whatever way it ends. The
//! name is that of Go's `singleflight`.
//!
//! Every order in which two callers and their work can run is tried by `tests/model/single_flight.rs`,
//! which includes this file over a lock and tasks of its own.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;

use tokio::sync::watch;

use super::sync::{Mutex, PoisonError};
use super::tasks::Tasks;

type Flights<K, T> = Arc<Mutex<HashMap<K, watch::Receiver<Option<T>>>>>;

/// Joins callers by key. Cheap to clone.
pub struct SingleFlight<K, T> {
    tasks: Tasks,
    flights: Flights<K, T>,
}

/// A caller's seat: who began the work, and where its result will be.
#[derive(Debug)]
pub struct Seat<T> {
    /// Whether this caller began it.
    pub first: bool,
    result: watch::Receiver<Option<T>>,
}

impl<T: Clone> Seat<T> {
    /// Waits for the result; `None` if the work died without one.
    pub async fn result(mut self) -> Option<T> {
        self.result.wait_for(Option::is_some).await.ok().and_then(|result| result.clone())
    }
}

impl<K, T> SingleFlight<K, T>
where
    K: Copy + Eq + Hash + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// No work yet.
    pub fn new(tasks: Tasks) -> Self {
        Self { tasks, flights: Arc::default() }
    }

    /// Joins the work on `key`, or begins it. The work runs whether or not the seat is kept.
    pub fn join<F>(&self, key: K, work: impl FnOnce() -> F) -> Seat<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(result) = flights.get(&key) {
            return Seat { first: false, result: result.clone() };
        }
        let (sender, result) = watch::channel(None);
        flights.insert(key, result.clone());
        drop(flights);
        let landing = Landing { key, flights: Arc::clone(&self.flights) };
        let work = work();
        self.tasks.spawn(async move {
            let outcome = work.await;
            // Freed before the result is told: whoever comes now begins anew and reads what was
            // stored, and never joins a flight that is over.
            drop(landing);
            sender.send_replace(Some(outcome));
        });
        Seat { first: true, result }
    }
}

impl<K, T> Clone for SingleFlight<K, T> {
    fn clone(&self) -> Self {
        Self { tasks: self.tasks.clone(), flights: Arc::clone(&self.flights) }
    }
}

impl<K, T> fmt::Debug for SingleFlight<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SingleFlight").finish_non_exhaustive()
    }
}

/// Frees the entry when the work ends, panics or is dropped.
struct Landing<K: Eq + Hash, T> {
    key: K,
    flights: Flights<K, T>,
}

impl<K: Eq + Hash, T> Drop for Landing<K, T> {
    fn drop(&mut self) {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}
