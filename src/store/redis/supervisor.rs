//! The task that makes connections, watches over each, and makes the next.
//!
//! A connection that leads to another primary than the one before (see `primaries`) is offered to
//! callers after this process has repeated its own writes of the last minute (see `deeds`), so that
//! none of them is seen undone; if that takes longer than callers would wait, then while it is in
//! use already.

use std::sync::Arc;
use std::time::Duration;

use redis::RedisError;
use tokio::time::{Instant, sleep, timeout};

use super::connect::Reached;
use super::fault;
use super::link::Shared;
use super::live::Live;
use super::primaries::Primaries;
use super::wire::Wire;
use crate::settings::Node;

/// Connects, watches, and connects again, for ever.
pub(super) async fn supervise(shared: Arc<Shared>) {
    let mut course = Course { known: None, since: 0, owing: false };
    let mut number = 0;
    let mut failures = 0;
    let mut up = None;
    loop {
        tokio::select! {
            () = sleep(pause(failures)) => {}
            () = shared.hurry.notified() => {}
        }
        let reached = match shared.connector.connect().await {
            Ok(reached) => shared.prepare(reached, &mut course).await,
            Err(reason) => Err(reason),
        };
        let reason = match reached {
            Ok(reached) => {
                number += 1;
                let live = Arc::new(Live::new(number, reached.wire, reached.nodes));
                shared.offer(Some(Arc::clone(&live)));
                if up != Some(true) {
                    tracing::info!(store = shared.connector.address(), "store connected");
                    up = Some(true);
                }
                let since = Instant::now();
                let reason = shared.watch_over(&live, &mut course).await;
                shared.offer(None);
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
        shared.set_reason(reason);
    }
}

/// What is known of the primaries, and what they have still to be told again.
struct Course {
    known: Option<Primaries>,
    /// Deeds up to this number have been repeated since the last change.
    since: u64,
    /// There may be more of them.
    owing: bool,
}

impl Shared {
    /// Notes where a new connection leads, and repeats there what may have been lost.
    async fn prepare(&self, reached: Reached, course: &mut Course) -> Result<Reached, String> {
        self.meet(&reached.primaries, &reached.nodes, course);
        // In time, or later: see `watch_over`.
        if course.owing
            && let Ok(Err(error)) = timeout(self.patience(), self.repeat(&reached.wire, course)).await
        {
            return Err(fault::describe(&error));
        }
        Ok(reached)
    }

    /// Takes note of the primaries, and of whether they have changed. The change is made known
    /// before anything is repeated: a call that is answered afterwards by an old one sees it, and
    /// asks for a repetition of its own. See [`Link::acknowledged`](super::link::Link::acknowledged).
    fn meet(&self, primaries: &Primaries, named: &[Node], course: &mut Course) {
        let mut nodes: Vec<Node> = named.iter().chain(&primaries.nodes).cloned().collect();
        nodes.sort_unstable_by(|one, other| (&one.host, one.port).cmp(&(&other.host, other.port)));
        nodes.dedup();
        let changed = course.known.as_ref().is_some_and(|known| known.lack(primaries));
        course.known = Some(primaries.clone());
        if changed {
            tracing::info!(store = self.connector.address(), "the store has another primary");
            course.since = 0;
            course.owing = true;
        }
        self.standing.send_if_modified(|standing| {
            let moved = changed || standing.nodes != nodes;
            if changed {
                standing.changes += 1;
                standing.changed_at = Some(Instant::now());
            }
            standing.nodes = nodes;
            moved
        });
    }

    async fn repeat(&self, wire: &Wire, course: &mut Course) -> Result<(), RedisError> {
        let repeated = self.deeds.repeat(wire, &mut course.since).await?;
        course.owing = false;
        if repeated > 0 {
            tracing::info!(repeated, "writes of the last minute repeated on another primary");
        }
        Ok(())
    }

    /// Returns when the connection is to be replaced, with the reason.
    async fn watch_over(&self, live: &Live, course: &mut Course) -> String {
        loop {
            if let Some(reason) = live.verdict() {
                return reason;
            }
            if course.owing {
                match timeout(REPETITION, self.repeat(&live.wire, course)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(fault)) => drop(live.judge(&fault)),
                    Err(_) => live.strike("no answer in time"),
                }
                if course.owing {
                    sleep(REPETITION_PAUSE).await;
                }
                continue;
            }
            tokio::select! {
                () = live.given_up() => continue,
                () = self.again.notified() => {
                    course.owing = true;
                    continue;
                }
                () = sleep(if live.is_suspicious() { Duration::ZERO } else { PING_EVERY }) => {}
            }
            match timeout(self.timeout, live.wire.ping()).await {
                Ok(Ok(())) => live.pinged(),
                Ok(Err(fault)) => {
                    live.judge(&fault);
                    continue;
                }
                Err(_) => {
                    live.strike("no answer in time");
                    continue;
                }
            }
            // A Cluster that lacks a server cannot answer for all; it is asked again.
            if let Ok(Ok(primaries)) = timeout(self.patience(), Primaries::of(&live.wire)).await {
                self.look_at(live, &primaries, course);
            }
        }
    }

    /// A primary may become another one behind a connection that stands.
    fn look_at(&self, live: &Live, primaries: &Primaries, course: &mut Course) {
        match &live.wire {
            Wire::Single(_) if primaries.is_replica() => live.give_up("the server is a replica"),
            _ if !primaries.is_known() => {}
            // Callers wait until what may have been lost has been repeated.
            Wire::Single(_) => {
                if course.known.as_ref().is_some_and(|known| known.lack(primaries)) {
                    live.give_up("the server has begun another history");
                }
            }
            Wire::Cluster(_) => self.meet(primaries, &live.nodes, course),
        }
    }

    fn patience(&self) -> Duration {
        self.timeout.min(LONGEST_PATIENCE)
    }
}

/// Nothing before the first attempt; then 50 ms, doubled up to a second, of which up to half is
/// taken off at random so that instances do not come all at once.
pub(super) fn pause(failures: u32) -> Duration {
    let Some(doublings) = failures.checked_sub(1) else { return Duration::ZERO };
    let longest = LONGEST_PAUSE.min(Duration::from_millis(50) * 2_u32.pow(doublings.min(6)));
    longest.mul_f64(rand::random_range(0.5..=1.0))
}

const PING_EVERY: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// For what is done while callers wait, or besides.
const LONGEST_PATIENCE: Duration = Duration::from_millis(500);

/// For repeating on a connection that is in use. Each attempt goes on where the last one ended.
const REPETITION: Duration = Duration::from_secs(2);
const REPETITION_PAUSE: Duration = Duration::from_millis(50);
