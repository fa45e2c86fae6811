//! The link to Redis: one shared connection, watched over and replaced by a task of its own.
//!
//! The connections of the `redis` crate do not come back by themselves: not from a peer that
//! hangs, nor from one that was demoted to a replica. So a supervisor, on a runtime that outlives
//! every worker, makes one, publishes it, and makes another when
//!
//! * it broke;
//! * three calls in a row had no answer (a frozen peer, a black hole);
//! * the server refuses to work (`READONLY`, `LOADING`, `MASTERDOWN`, `CLUSTERDOWN`).
//!
//! A ping a second finds out while nobody calls. Between attempts it pauses, at most a second, so
//! that Redis is found within two seconds of its return. Callers wait for the next connection as
//! long as their own time allows.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use redis::{RedisError, RedisResult, cmd};
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::connect::Connector;
use super::fault::{self, Verdict};
use super::wire::Wire;
use crate::store::StoreError;

/// Whether a call may be made again when its answer was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// A second time does what once does.
    Allowed,
    /// A second time could answer otherwise.
    Forbidden,
}

/// The way to Redis. Ends its supervisor when dropped.
pub(super) struct Link {
    shared: Arc<Shared>,
    supervisor: AbortHandle,
}

struct Shared {
    connector: Connector,
    timeout: Duration,
    current: ArcSwapOption<Live>,
    /// The number of the newest connection: wakes those who wait for one.
    newest: watch::Sender<u64>,
    /// Why there is no connection.
    reason: Mutex<String>,
}

/// One connection and how it fares.
struct Live {
    number: u64,
    wire: Wire,
    strikes: AtomicU32,
    /// Why it is given up, once it is.
    verdict: Mutex<Option<String>>,
    given_up: Notify,
}

impl Link {
    /// Starts to connect, on `handle`'s runtime, and does not wait for it.
    pub(super) fn start(connector: Connector, timeout: Duration, handle: &Handle) -> Self {
        let shared = Arc::new(Shared {
            connector,
            timeout,
            current: ArcSwapOption::empty(),
            newest: watch::Sender::new(0),
            reason: Mutex::new("not connected yet".to_owned()),
        });
        let supervisor = handle.spawn(supervise(Arc::clone(&shared))).abort_handle();
        Self { shared, supervisor }
    }

    /// One call, in the time that the store has for it, a new connection included.
    pub(super) async fn call<T, F>(
        &self,
        repeat: Repeat,
        command: impl Fn(Wire) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let shared = &self.shared;
        let deadline = Instant::now() + shared.timeout;
        let mut newer_than = 0;
        let mut first_fault: Option<RedisError> = None;
        loop {
            let Ok(live) = timeout_at(deadline, shared.live(newer_than)).await else {
                return Err(match first_fault {
                    Some(fault) => fault::store_error(&fault),
                    None => StoreError::Unavailable(shared.reason()),
                });
            };
            let fault = match timeout_at(deadline, command(live.wire.clone())).await {
                Ok(Ok(answer)) => {
                    live.answered();
                    return Ok(answer);
                }
                Ok(Err(fault)) => fault,
                Err(_) => {
                    live.strike("no answer in time");
                    return Err(StoreError::Timeout);
                }
            };
            let again = match live.judge(&fault) {
                Verdict::Refused => true,
                Verdict::Lost => repeat == Repeat::Allowed,
                Verdict::Slow | Verdict::Answered => false,
            };
            if !again || first_fault.is_some() {
                return Err(fault::store_error(&fault));
            }
            newer_than = if live.is_given_up() { live.number } else { newer_than };
            first_fault = Some(fault);
        }
    }

    /// The connection there is now, for what needs several commands on one.
    pub(super) async fn wire(&self) -> Result<Wire, StoreError> {
        match timeout(self.shared.timeout, self.shared.live(0)).await {
            Ok(live) => Ok(live.wire.clone()),
            Err(_) => Err(StoreError::Unavailable(self.shared.reason())),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.supervisor.abort();
        self.shared.current.store(None);
    }
}

impl Shared {
    /// A connection that is newer than `number` and not given up; waits for one.
    async fn live(&self, number: u64) -> Arc<Live> {
        let mut newest = self.newest.subscribe();
        loop {
            newest.mark_unchanged();
            if let Some(live) = self.current.load_full()
                && live.number > number
                && !live.is_given_up()
            {
                return live;
            }
            if newest.changed().await.is_err() {
                // The sender lives as long as `self`.
                std::future::pending::<()>().await;
            }
        }
    }

    fn reason(&self) -> String {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Live {
    fn answered(&self) {
        // On a Cluster one good node says nothing of the others; there strikes fade with time.
        if matches!(self.wire, Wire::Single(_)) {
            self.strikes.store(0, Ordering::Relaxed);
        }
    }

    fn strike(&self, reason: &str) {
        if self.strikes.fetch_add(1, Ordering::Relaxed) + 1 >= STRIKES {
            self.give_up(reason);
        }
    }

    fn give_up(&self, reason: &str) {
        self.verdict.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| reason.to_owned());
        self.given_up.notify_one();
    }

    fn is_given_up(&self) -> bool {
        self.verdict.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn judge(&self, error: &RedisError) -> Verdict {
        let verdict = Verdict::of(error);
        match (verdict, &self.wire) {
            (Verdict::Answered, _) => self.answered(),
            // A Cluster's connection mends the ones to its nodes; three strikes say it does not.
            (Verdict::Slow, _) | (Verdict::Lost, Wire::Cluster(_)) => self.strike(&fault::describe(error)),
            (Verdict::Lost | Verdict::Refused, _) => self.give_up(&fault::describe(error)),
        }
        verdict
    }

    /// Returns when the connection is to be replaced, with the reason.
    async fn watch_over(&self, patience: Duration) -> String {
        loop {
            if let Some(reason) = self.verdict.lock().unwrap_or_else(PoisonError::into_inner).clone() {
                return reason;
            }
            let suspicious = self.strikes.load(Ordering::Relaxed) > 0 && matches!(self.wire, Wire::Single(_));
            tokio::select! {
                () = self.given_up.notified() => continue,
                () = sleep(if suspicious { Duration::ZERO } else { PING_EVERY }) => {}
            }
            let mut wire = self.wire.clone();
            match timeout(patience, cmd("PING").query_async::<()>(&mut wire)).await {
                Ok(Ok(())) => {
                    self.answered();
                    let _ =
                        self.strikes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
                }
                Ok(Err(fault)) => drop(self.judge(&fault)),
                Err(_) => self.strike("no answer in time"),
            }
        }
    }
}

/// Connects, watches, and connects again, for ever.
async fn supervise(shared: Arc<Shared>) {
    let mut number = 0;
    let mut failures = 0;
    let mut up = None;
    loop {
        sleep(pause(failures)).await;
        let reason = match shared.connector.connect().await {
            Ok(wire) => {
                number += 1;
                let live = Arc::new(Live {
                    number,
                    wire,
                    strikes: AtomicU32::new(0),
                    verdict: Mutex::new(None),
                    given_up: Notify::new(),
                });
                shared.current.store(Some(Arc::clone(&live)));
                shared.newest.send_replace(number);
                if up != Some(true) {
                    tracing::info!(store = shared.connector.address(), "store connected");
                    up = Some(true);
                }
                let since = Instant::now();
                let reason = live.watch_over(shared.timeout).await;
                shared.current.store(None);
                // Where connecting works and nothing else does, pause a little.
                failures = if since.elapsed() > PING_EVERY { 0 } else { (failures + 1).min(2) };
                reason
            }
            Err(reason) => {
                failures += 1;
                reason
            }
        };
        if up != Some(false) {
            tracing::warn!(store = shared.connector.address(), reason, "store connection lost");
            up = Some(false);
        }
        *shared.reason.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }
}

/// Nothing before the first attempt; then 50 ms, doubled up to a second, of which up to half is
/// taken off at random so that instances do not come all at once.
fn pause(failures: u32) -> Duration {
    let Some(doublings) = failures.checked_sub(1) else { return Duration::ZERO };
    let longest = LONGEST_PAUSE.min(Duration::from_millis(50) * 2_u32.pow(doublings.min(6)));
    longest.mul_f64(rand::random_range(0.5..=1.0))
}

const STRIKES: u32 = 3;
const PING_EVERY: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
