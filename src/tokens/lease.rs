//! An exclusive right among instances, kept for as long as its holder works.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::tasks::Tasks;
use crate::crypto::random_bytes;
use crate::store::{Key, LeaseOwner, Leased, Store, StoreError};

/// How long a lease lasts unless it is renewed: the time after which another instance takes over
/// from one that died.
pub(super) const LEASE: Duration = Duration::from_secs(6);

/// A right that was granted. It is renewed until it is given back or dropped, panic included; one
/// that is dropped runs out by itself.
#[derive(Debug)]
pub struct KeptLease {
    store: Arc<dyn Store>,
    key: Key,
    owner: LeaseOwner,
    renewal: JoinHandle<()>,
}

/// What became of asking for a lease.
#[derive(Debug)]
pub enum Asked {
    /// It is the caller's.
    Granted(KeptLease),
    /// Another has it.
    Held,
    /// The last holder failed a moment ago.
    CoolingDown {
        /// How long the pause still lasts.
        left: Duration,
    },
}

impl KeptLease {
    /// Asks once. `owner` is the same in all tries of one task.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn ask(
        store: &Arc<dyn Store>,
        tasks: &Tasks,
        key: Key,
        owner: &LeaseOwner,
    ) -> Result<Asked, StoreError> {
        Ok(match store.lease(&key, owner, LEASE).await? {
            Leased::Granted => Asked::Granted(Self {
                store: Arc::clone(store),
                key,
                owner: owner.clone(),
                renewal: tasks.spawn(renew(Arc::clone(store), key, owner.clone())),
            }),
            Leased::Held => Asked::Held,
            Leased::CoolingDown { left } => Asked::CoolingDown { left },
        })
    }

    /// Gives it back. With `cool_down`, nobody gets it for that time.
    pub async fn give_back(mut self, cool_down: Option<Duration>) {
        self.renewal.abort();
        // Waited for, so that no renewal follows the release.
        let _ = (&mut self.renewal).await;
        if let Err(error) = self.store.release(&self.key, &self.owner, cool_down).await {
            tracing::debug!(target: "lease", %error, "a lease was left to run out");
        }
    }
}

impl Drop for KeptLease {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

async fn renew(store: Arc<dyn Store>, key: Key, owner: LeaseOwner) {
    loop {
        tokio::time::sleep(LEASE / 3).await;
        if let Err(error) = store.lease(&key, &owner, LEASE).await {
            tracing::debug!(target: "lease", %error, "a lease was not renewed");
        }
    }
}

/// Between half of `pause` and all of it, so that instances that wait do not ask in step.
pub fn jittered(pause: Duration) -> Duration {
    let [byte] = random_bytes::<1>();
    pause / 2 + pause.mul_f64(f64::from(byte) / 512.0)
}
