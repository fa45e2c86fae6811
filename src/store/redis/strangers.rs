//! Changes that no instance of ours makes: an operator deletes a key, a tool restores one.
//!
//! Nobody publishes those, so the server itself is asked to tell of every change below our
//! sessions' prefix (`CLIENT TRACKING … BCAST`, Redis 6), on a RESP3 connection of its own. It
//! tells of our own changes too, a slide of the idle timeout included; hearing twice does no harm.
//!
//! The feed does not count as alive before the server has agreed to tell. One that does not know
//! the command, or does not allow it, is a server whose keys nobody changes by hand: the log says
//! so once. In a Cluster each node that the URL names is asked, and no other: there, a hand's
//! change may go unheard until `store.cache_max_age`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use redis::{PushInfo, PushKind, Value};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use super::link::{Link, Standing};
use super::names::Names;
use super::supervisor::pause;
use crate::settings::Node;
use crate::store::{Listener, Place};

/// Hears what strangers do.
pub(super) struct Strangers {
    pub(super) link: Arc<Link>,
    pub(super) names: Names,
    pub(super) listener: Arc<dyn Listener>,
    /// Servers that have not agreed to tell yet, plus one while that is not known.
    deaf: Arc<AtomicUsize>,
}

impl Strangers {
    pub(super) fn new(link: Arc<Link>, names: Names, listener: Arc<dyn Listener>) -> Self {
        Self { link, names, listener, deaf: Arc::new(AtomicUsize::new(1)) }
    }

    /// Zero while every server tells, or has said that it will not.
    pub(super) fn deaf(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.deaf)
    }

    pub(super) async fn hear(&self) {
        let mut standing = self.link.standing();
        loop {
            let nodes = standing.borrow_and_update().nodes.clone();
            self.deaf.store(nodes.len().max(1), Ordering::Release);
            self.listener.interrupted();
            let all = async {
                join_all(nodes.iter().map(|node| self.attend(node))).await;
                // Nobody to attend to yet: this must not run round in circles.
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = all => {}
                moved = moved(&mut standing, &nodes) => if !moved { return },
            }
        }
    }

    /// Listens to one server for as long as it is among ours.
    async fn attend(&self, node: &Node) {
        let mut failures = 0;
        loop {
            sleep(pause(failures)).await;
            let (sender, mut told) = mpsc::unbounded_channel();
            match self.link.track(node, &self.names.sessions(), sender).await {
                // Kept open for as long as it tells.
                Ok(Some(_connection)) => {
                    failures = 0;
                    self.listener.interrupted();
                    self.deaf.fetch_sub(1, Ordering::AcqRel);
                    while told.recv().await.is_some_and(|push| self.heard(&push)) {}
                    self.deaf.fetch_add(1, Ordering::AcqRel);
                    self.listener.interrupted();
                }
                Ok(None) => {
                    tracing::warn!(
                        "Redis does not tell of changes made by hand: `client|tracking` is not allowed"
                    );
                    self.deaf.fetch_sub(1, Ordering::AcqRel);
                    std::future::pending::<()>().await;
                }
                Err(reason) => {
                    failures += 1;
                    tracing::debug!(reason, "changes made by hand are not heard yet");
                }
            }
        }
    }

    /// Passes on what was told; `false` once nothing more will be.
    fn heard(&self, push: &PushInfo) -> bool {
        match push.kind {
            PushKind::Disconnection => return false,
            PushKind::Invalidate => {}
            _ => return true,
        }
        for value in &push.data {
            match value {
                Value::Array(names) => names.iter().for_each(|name| self.changed(name)),
                // All keys at once: the database was flushed.
                _ => self.listener.interrupted(),
            }
        }
        true
    }

    fn changed(&self, name: &Value) {
        if let Value::BulkString(name) = name
            && let Ok(name) = std::str::from_utf8(name)
            && let Some(key) = self.names.parse(Place::Session, name)
        {
            self.listener.changed(&key);
        }
    }
}

/// Waits until the servers are others than `nodes`; `false` at the end of the link.
async fn moved(standing: &mut watch::Receiver<Standing>, nodes: &[Node]) -> bool {
    loop {
        if standing.changed().await.is_err() {
            return false;
        }
        if standing.borrow().nodes != nodes {
            return true;
        }
        // The same servers, newly reached: what tells is on its own connections.
        sleep(Duration::ZERO).await;
    }
}
