//! The connections that wait for a call.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Poll;
use std::time::Duration;

use futures_util::future::poll_fn;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::conn::Conn;
use super::link::Link;

/// Idle connections, as many as there were calls at once. One worker's, so that the lock is never
/// waited for.
pub(super) struct Pool {
    state: Mutex<State>,
    /// `forward.pool_idle_timeout`.
    idle_timeout: Duration,
}

#[derive(Default)]
struct State {
    /// The last to become idle is the last here, and the first to be used.
    idle: Vec<Idle>,
    /// Calls that are connecting, and take an idle connection if there is one sooner.
    waiting: VecDeque<oneshot::Sender<Conn>>,
    /// Whether a task looks after the idle ones.
    swept: bool,
}

struct Idle {
    conn: Conn,
    since: Instant,
}

impl Pool {
    pub(super) fn new(idle_timeout: Duration) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), idle_timeout })
    }

    /// The connection used last. Whether it still stands shows when it is used.
    pub(super) fn take(&self) -> Option<Conn> {
        let now = Instant::now();
        // If that has waited for too long, so have those before it; the sweeper closes them.
        self.lock().idle.pop_if(|idle| self.is_fresh(idle, now)).map(|idle| idle.conn)
    }

    /// The next connection that becomes idle, if that is soon.
    pub(super) fn wait(&self) -> oneshot::Receiver<Conn> {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.lock();
        state.waiting.retain(|waiting| !waiting.is_closed());
        state.waiting.push_back(sender);
        receiver
    }

    /// For a connection whose call is over, unless it is of no more use.
    pub(super) fn put_back(self: &Arc<Self>, link: Link) {
        if let Some(conn) = link.into_conn() {
            self.put(conn);
        }
    }

    /// For an idle connection.
    pub(super) fn put(self: &Arc<Self>, mut conn: Conn) {
        let mut state = self.lock();
        while let Some(waiting) = state.waiting.pop_front() {
            match waiting.send(conn) {
                Ok(()) => return,
                Err(unwanted) => conn = unwanted,
            }
        }
        state.idle.push(Idle { conn, since: Instant::now() });
        let swept = std::mem::replace(&mut state.swept, true);
        drop(state);
        if !swept {
            self.begin_sweeping();
        }
    }

    /// For a connection whose call is over for the browser, but not for the API: it may still be
    /// taking the request's body. Driven by a task until it is idle or ends.
    pub(super) fn drive(self: &Arc<Self>, mut link: Link) {
        let pool = Arc::downgrade(self);
        let driving = async move {
            let over = poll_fn(|cx| {
                let over = link.advance();
                if over || link.is_idle() {
                    return Poll::Ready(over);
                }
                link.listen(cx);
                Poll::Pending
            });
            if !over.await
                && let Some(pool) = pool.upgrade()
            {
                pool.put_back(link);
            }
        };
        // There is none only while the worker ends.
        if let Ok(worker) = Handle::try_current() {
            worker.spawn(driving);
        }
    }

    /// Takes out what the API has closed, and what has been idle for too long: that is returned, and
    /// whether any is left.
    fn sweep(&self) -> (Vec<Idle>, bool) {
        let now = Instant::now();
        let mut state = self.lock();
        // The longer ago, the nearer to the front.
        let expired = state.idle.partition_point(|idle| !self.is_fresh(idle, now));
        let expired = state.idle.drain(..expired).collect();
        state.idle.retain_mut(|idle| idle.conn.is_quiet());
        state.swept = !state.idle.is_empty();
        (expired, state.swept)
    }

    fn begin_sweeping(self: &Arc<Self>) {
        let sweeper = Sweeper { pool: Arc::downgrade(self) };
        if let Ok(worker) = Handle::try_current() {
            worker.spawn(sweeper.run(self.idle_timeout.clamp(SHORTEST, LONGEST)));
        }
    }

    fn is_fresh(&self, idle: &Idle, now: Instant) -> bool {
        now.saturating_duration_since(idle.since) <= self.idle_timeout
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks after a pool as long as that has something in it, by the clock: a timer a call, or a task
/// woken by each connection that is used, would cost more than the pool saves.
struct Sweeper {
    pool: Weak<Pool>,
}

impl Sweeper {
    async fn run(mut self, pause: Duration) {
        loop {
            sleep(pause).await;
            let Some(pool) = self.pool.upgrade() else { return };
            let (expired, left) = pool.sweep();
            for idle in expired {
                tokio::spawn(idle.conn.close());
            }
            if !left {
                // Another may have begun by the time this is dropped.
                self.pool = Weak::new();
                return;
            }
        }
    }
}

/// A sweeper whose worker ends leaves its place to the next.
impl Drop for Sweeper {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.upgrade() {
            pool.lock().swept = false;
        }
    }
}

/// Between two looks at the pool.
const SHORTEST: Duration = Duration::from_millis(90);
const LONGEST: Duration = Duration::from_secs(1);
