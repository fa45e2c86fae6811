//! The link to Redis: one shared connection, watched over and replaced by a task of its own.
//!
//! The connections of the `redis` crate do not come back by themselves: not from a peer that
//! hangs, nor from one that was demoted to a replica. So a supervisor, on a runtime that outlives
//! every worker, makes one, publishes it, and makes another when
//!
//! * it broke;
//! * three calls in a row had no answer (a frozen peer, a black hole);
//! * the server refuses to work (`READONLY`, `LOADING`, `MASTERDOWN`, `CLUSTERDOWN`);
//! * the server is another primary than it was, or a sentinel announces another one.
//!
//! What another connection would not change (`OOM`, `MISCONF`, `NOREPLICAS`, `NOPERM`) fails the
//! call alone. A ping a second finds out while nobody calls. Between attempts it pauses, at most a second, so
//! that Redis is found within two seconds of its return. Callers wait for the next connection as
//! long as their own time allows.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use redis::aio::{MultiplexedConnection, PubSub};
use redis::{PushInfo, RedisError, RedisResult};
use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::connect::Connector;
use super::deeds::Deeds;
use super::fault::{self, Verdict};
use super::live::Live;
use super::supervisor::supervise;
use super::wire::Wire;
use crate::settings::{Node, Topology};
use crate::store::{Key, StoreError};

/// Whether a call may be made again when its answer was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// A second time does what once does.
    Allowed,
    /// A second time could answer otherwise.
    Forbidden,
}

/// The way to Redis. Ends its tasks when dropped.
pub(super) struct Link {
    shared: Arc<Shared>,
    tasks: Vec<AbortHandle>,
}

/// What the link shares with its tasks.
pub(super) struct Shared {
    pub(super) connector: Connector,
    pub(super) timeout: Duration,
    pub(super) deeds: Arc<Deeds>,
    current: ArcSwapOption<Live>,
    /// The number of the newest connection: wakes those who wait for one.
    newest: watch::Sender<u64>,
    /// Where the connection leads.
    pub(super) standing: watch::Sender<Standing>,
    /// Why there is no connection.
    reason: Mutex<String>,
    /// Somewhere else is Redis to be found, at once.
    pub(super) hurry: Notify,
    /// Something is to be repeated that was not remembered yet when the rest was.
    pub(super) again: Notify,
}

/// Where the connection leads. Stays as it was while there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// How often the primaries have changed.
    pub(super) changes: u64,
    /// When they did last.
    pub(super) changed_at: Option<Instant>,
    /// Servers that hear what is published through the connection.
    pub(super) nodes: Vec<Node>,
}

impl Link {
    /// Starts to connect, on `handle`'s runtime, and does not wait for it.
    pub(super) fn start(connector: Connector, timeout: Duration, deeds: Arc<Deeds>, handle: &Handle) -> Self {
        let shared = Arc::new(Shared {
            connector,
            timeout,
            deeds,
            current: ArcSwapOption::empty(),
            newest: watch::Sender::new(0),
            standing: watch::Sender::default(),
            reason: Mutex::new("not connected yet".to_owned()),
            hurry: Notify::new(),
            again: Notify::new(),
        });
        let mut tasks = vec![handle.spawn(supervise(Arc::clone(&shared))).abort_handle()];
        if let Topology::Sentinel { nodes, master } = shared.connector.topology() {
            for sentinel in nodes.clone() {
                let (shared, master) = (Arc::clone(&shared), master.clone());
                let following = async move {
                    shared.connector.follow(&sentinel, &master, |node| shared.switch_to(node)).await;
                };
                tasks.push(handle.spawn(following).abort_handle());
            }
        }
        Self { shared, tasks }
    }

    /// Where the connection leads, and when that changes.
    pub(super) fn standing(&self) -> watch::Receiver<Standing> {
        self.shared.standing.subscribe()
    }

    /// Whether there is a connection just now.
    pub(super) fn is_up(&self) -> bool {
        self.shared.current.load().as_ref().is_some_and(|live| !live.is_given_up())
    }

    /// A connection to `node` of the caller's own, that hears `channel`.
    pub(super) async fn subscribe(&self, node: &Node, channel: &str) -> Result<PubSub, String> {
        self.shared.connector.subscribe(node, channel).await
    }

    /// A connection to `node` that tells of changes to keys that begin with `prefix`; `None` where
    /// the server will not.
    pub(super) async fn track(
        &self,
        node: &Node,
        prefix: &str,
        told: UnboundedSender<PushInfo>,
    ) -> Result<Option<MultiplexedConnection>, String> {
        self.shared.connector.track(node, prefix, told).await
    }

    /// How often the primaries have changed. Asked before a call for [`Link::acknowledged`].
    pub(super) fn changes(&self) -> u64 {
        self.shared.standing.borrow().changes
    }

    /// Whether the primaries have changed so lately that another instance may not have repeated its
    /// writes yet.
    pub(super) fn is_settling(&self) -> bool {
        self.shared.standing.borrow().changed_at.is_some_and(|at| at.elapsed() < SETTLING)
    }

    /// A change of this record was told.
    pub(super) fn heard_of(&self, key: &Key) {
        self.shared.deeds.heard_of(key);
    }

    /// Whether the record may be one that another instance has ended or replaced, and will again.
    pub(super) fn may_be_forgotten(&self, key: &Key) -> bool {
        self.is_settling() && self.shared.deeds.may_be_forgotten(key)
    }

    /// A write that began when the primaries had changed that often has been acknowledged and is
    /// remembered now. Where they have changed since, that may have been by an old one, too late for
    /// the repetition: it is repeated again.
    pub(super) fn acknowledged(&self, changes: u64) {
        if self.changes() != changes {
            self.shared.again.notify_one();
        }
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
                // Nodes disagree for a moment about whose it is; the client follows their words to
                // and fro without a pause, and gives up.
                Verdict::Moving if Instant::now() + MOVING_PAUSE < deadline => {
                    sleep(MOVING_PAUSE).await;
                    continue;
                }
                Verdict::Refused => true,
                Verdict::Lost => repeat == Repeat::Allowed,
                Verdict::Slow | Verdict::Moving | Verdict::Answered => false,
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
        for task in &self.tasks {
            task.abort();
        }
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

    /// Publishes a connection, or that there is none.
    pub(super) fn offer(&self, live: Option<Arc<Live>>) {
        let number = live.as_ref().map(|live| live.number);
        self.current.store(live);
        if let Some(number) = number {
            self.newest.send_replace(number);
        }
    }

    /// A sentinel has announced this primary.
    fn switch_to(&self, node: &Node) {
        match self.current.load_full() {
            Some(live) if live.nodes.contains(node) => {}
            Some(live) => live.give_up("Sentinel announced another primary"),
            None => self.hurry.notify_one(),
        }
    }

    fn reason(&self) -> String {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why there is no connection.
    pub(super) fn set_reason(&self, reason: String) {
        *self.reason.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }
}

/// Before a command is made again whose slot was on its way.
const MOVING_PAUSE: Duration = Duration::from_millis(20);

/// Instances find another primary within this time of each other: the longest pause between two
/// attempts, and an attempt.
const SETTLING: Duration = Duration::from_secs(2);
