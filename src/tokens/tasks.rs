//! Work that outlives the request that began it.
//!
//! A code exchange or a refresh consumes a credential at the authorization server. A browser that
//! hangs up drops its request's future, and the answer with it; such work therefore runs in a
//! task of its own, on a runtime that is not a request worker's, and shutdown waits for it.

use std::future::Future;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

/// Starts tasks on the runtime that shutdown waits for. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tasks {
    runtime: Handle,
    tracker: TaskTracker,
}

impl Tasks {
    /// Tasks on `runtime`.
    pub fn new(runtime: Handle) -> Self {
        Self { runtime, tracker: TaskTracker::new() }
    }

    /// Starts a task. Dropping the handle does not end it.
    pub fn spawn<F>(&self, work: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tracker.spawn_on(work, &self.runtime)
    }

    /// Waits until every task has ended. New ones may still begin meanwhile, and are waited for.
    pub async fn finished(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}
