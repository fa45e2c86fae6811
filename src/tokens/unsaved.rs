//! Tokens that the authorization server has issued and the store has not taken yet.
//!
//! With rotation the old refresh token is dead the moment the new one is issued. If the store is
//! away in that moment, throwing the new tokens away would end the session. They are kept here
//! and written until the store takes them, or has a newer version, or the session is gone.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::error::VaultError;
use super::tasks::Tasks;
use super::vault::{Session, TokenVault};
use crate::store::{Key, StoreError};

/// The longest pause between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// How long an end is remembered: longer than a refresh may take.
const REMEMBERED: Duration = Duration::from_secs(60);
/// How many ends are remembered.
const MOST_ENDS: usize = 4096;

/// Sessions whose newest version only this process knows. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Unsaved {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    sessions: HashMap<Key, Arc<Session>>,
    /// Ends of the last minute: what a refresh in flight brings home after one is not kept.
    ended: VecDeque<(Instant, Key)>,
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
        {
            let mut state = self.lock();
            if state.ended.iter().any(|(_, ended)| *ended == session.key) {
                return session;
            }
            state.sessions.insert(session.key, Arc::clone(&session));
        }
        let (unsaved, vault, kept) = (self.clone(), vault.clone(), Arc::clone(&session));
        tasks.spawn(async move {
            let mut pause = Duration::from_millis(20);
            // Ends with any answer: done, moved or gone are all final, and so is a record of a later
            // version.
            let later = |answer: Result<_, VaultError>| {
                answer.is_err_and(|VaultError(error)| !matches!(*error, StoreError::Record(_)))
            };
            while later(vault.replace(&read, kept.content.clone()).await) && unsaved.keeps(&kept) {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE);
            }
            unsaved.drop_version(&kept);
        });
        session
    }

    /// The newest version of a session, if only this process has it.
    pub(super) fn get(&self, key: &Key) -> Option<Arc<Session>> {
        self.lock().sessions.get(key).cloned()
    }

    /// Waits until a session's newest version is stored, or it has ended.
    pub(super) async fn settled(&self, key: &Key) {
        while self.get(key).is_some() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Drops a session that ended.
    pub(super) fn forget(&self, key: &Key) {
        let mut state = self.lock();
        state.sessions.remove(key);
        while state.ended.front().is_some_and(|(at, _)| at.elapsed() > REMEMBERED)
            || state.ended.len() >= MOST_ENDS
        {
            state.ended.pop_front();
        }
        state.ended.push_back((Instant::now(), *key));
    }

    /// Whether `session` is still the version that is kept.
    fn keeps(&self, session: &Arc<Session>) -> bool {
        self.lock().sessions.get(&session.key).is_some_and(|kept| Arc::ptr_eq(kept, session))
    }

    /// Drops this version. One that came after it is another task's to write.
    fn drop_version(&self, session: &Arc<Session>) {
        let mut state = self.lock();
        if state.sessions.get(&session.key).is_some_and(|kept| Arc::ptr_eq(kept, session)) {
            state.sessions.remove(&session.key);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
