//! One connection, and how it fares.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use redis::RedisError;
use tokio::sync::Notify;

use super::fault::{self, Verdict};
use super::wire::Wire;
use crate::settings::Node;

/// A connection in use. Whoever uses it says how it went.
pub(super) struct Live {
    /// Later ones have higher numbers.
    pub(super) number: u64,
    pub(super) wire: Wire,
    /// Where it leads.
    pub(super) nodes: Vec<Node>,
    strikes: AtomicU32,
    /// Why it is given up, once it is.
    verdict: Mutex<Option<String>>,
    given_up: Notify,
}

impl Live {
    pub(super) fn new(number: u64, wire: Wire, nodes: Vec<Node>) -> Self {
        let (strikes, verdict, given_up) = (AtomicU32::new(0), Mutex::default(), Notify::new());
        Self { number, wire, nodes, strikes, verdict, given_up }
    }

    /// A call was answered.
    pub(super) fn answered(&self) {
        // On a Cluster one good node says nothing of the others; there strikes fade with time.
        if matches!(self.wire, Wire::Single(_)) {
            self.strikes.store(0, Ordering::Relaxed);
        }
    }

    /// A ping was answered.
    pub(super) fn pinged(&self) {
        self.answered();
        let _ = self.strikes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
    }

    /// Something went wrong that may have been chance.
    pub(super) fn strike(&self, reason: &str) {
        if self.strikes.fetch_add(1, Ordering::Relaxed) + 1 >= STRIKES {
            self.give_up(reason);
        }
    }

    /// Another connection is wanted. The first reason is kept.
    pub(super) fn give_up(&self, reason: &str) {
        self.verdict.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| reason.to_owned());
        self.given_up.notify_one();
    }

    /// Why another connection is wanted, if it is.
    pub(super) fn verdict(&self) -> Option<String> {
        self.verdict.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.verdict.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Returns when it has been given up. For one waiter.
    pub(super) async fn given_up(&self) {
        self.given_up.notified().await;
    }

    /// Whether a ping at once would tell something.
    pub(super) fn is_suspicious(&self) -> bool {
        self.strikes.load(Ordering::Relaxed) > 0 && matches!(self.wire, Wire::Single(_))
    }

    /// Draws the conclusion from an error.
    pub(super) fn judge(&self, error: &RedisError) -> Verdict {
        let verdict = Verdict::of(error);
        match (verdict, &self.wire) {
            (Verdict::Answered | Verdict::Moving, _) => self.answered(),
            // A Cluster's connection mends the ones to its nodes; three strikes say it does not.
            (Verdict::Slow, _) | (Verdict::Lost, Wire::Cluster(_)) => self.strike(&fault::describe(error)),
            (Verdict::Lost | Verdict::Refused, _) => self.give_up(&fault::describe(error)),
        }
        verdict
    }
}

/// So many calls in a row without an answer end a connection.
const STRIKES: u32 = 3;
