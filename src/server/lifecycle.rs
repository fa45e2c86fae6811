//! What the whole process is going through.

use std::sync::Arc;

use tokio::sync::watch;

/// How far the process is on its way out. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Lifecycle {
    stage: Arc<watch::Sender<Stage>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Serving,
    Draining,
    GivingUp,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self { stage: Arc::new(watch::Sender::new(Stage::Serving)) }
    }
}

impl Lifecycle {
    /// From now on `/readyz` says no and each answer closes its connection, so that the load
    /// balancer, and what it keeps open, go elsewhere.
    pub fn drain(&self) {
        self.stage.send_replace(Stage::Draining);
    }

    /// From now on no call waits any longer for a token: the process ends in a moment.
    pub fn give_up(&self) {
        self.stage.send_replace(Stage::GivingUp);
    }

    /// Whether the process drains.
    pub fn is_draining(&self) -> bool {
        *self.stage.borrow() >= Stage::Draining
    }

    /// Waits until waiting makes no sense.
    pub async fn gave_up(&self) {
        // The sender is `self`'s own: this ends with the stage alone.
        let _ = self.stage.subscribe().wait_for(|stage| *stage == Stage::GivingUp).await;
    }
}
