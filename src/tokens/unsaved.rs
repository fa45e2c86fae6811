//! Tokens that the authorization server has issued and the store has not taken yet.
//!
//! With rotation the old refresh token is dead the moment the new one is issued. If the store is
//! away in that moment, throwing the new tokens away would end the session. They are kept here
//! and written until the store takes them, or has a newer version, or the session is gone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::tasks::Tasks;
use super::vault::{Session, TokenVault};
use crate::store::Key;

/// The longest pause between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// Sessions whose newest version only this process knows. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Unsaved {
    sessions: Arc<Mutex<HashMap<Key, Arc<Session>>>>,
}

impl Unsaved {
    /// Keeps `session`, and tries to write it over `read` until it is decided.
    pub(super) fn keep(
        &self,
        vault: &TokenVault,
        tasks: &Tasks,
        read: Arc<Session>,
        session: Session,
    ) -> Arc<Session> {
        let session = Arc::new(session);
        self.lock().insert(session.key, Arc::clone(&session));
        let (unsaved, vault, kept) = (self.clone(), vault.clone(), Arc::clone(&session));
        tasks.spawn(async move {
            let mut pause = Duration::from_millis(20);
            // Ends with any answer: done, moved or gone are all final.
            while vault.replace(&read, kept.content.clone()).await.is_err() && unsaved.keeps(&kept) {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE);
            }
            unsaved.drop_version(&kept);
        });
        session
    }

    /// The newest version of a session, if only this process has it.
    pub(super) fn get(&self, key: &Key) -> Option<Arc<Session>> {
        self.lock().get(key).cloned()
    }

    /// Waits until a session's newest version is stored, or it has ended.
    pub(super) async fn settled(&self, key: &Key) {
        while self.get(key).is_some() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Drops a session that ended.
    pub(super) fn forget(&self, key: &Key) {
        self.lock().remove(key);
    }

    /// Whether `session` is still the version that is kept.
    fn keeps(&self, session: &Arc<Session>) -> bool {
        self.lock().get(&session.key).is_some_and(|kept| Arc::ptr_eq(kept, session))
    }

    /// Drops this version. One that came after it is another task's to write.
    fn drop_version(&self, session: &Arc<Session>) {
        let mut sessions = self.lock();
        if sessions.get(&session.key).is_some_and(|kept| Arc::ptr_eq(kept, session)) {
            sessions.remove(&session.key);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
