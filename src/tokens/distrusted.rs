//! Tokens that the API refused although they were new.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::vault::Session;
use crate::model::Generation;
use crate::store::Key;

/// For how long a refusal counts.
const COUNTS: Duration = Duration::from_secs(10);
/// How many are remembered; beyond it, all are forgotten, which costs a refresh each.
const MOST: usize = 4096;

/// Which versions of sessions were refused. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Distrusted(Arc<Mutex<HashMap<Key, (Generation, Instant)>>>);

impl Distrusted {
    /// Notes that this version's token was refused.
    pub(super) fn note(&self, session: &Session) {
        let mut refused = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.len() >= MOST {
            refused.retain(|_, (_, at)| at.elapsed() < COUNTS);
        }
        if refused.len() >= MOST {
            refused.clear();
        }
        refused.insert(session.key, (session.generation, Instant::now()));
    }

    /// Whether this version's token was refused a moment ago.
    pub(super) fn holds(&self, session: &Session) -> bool {
        let refused = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        refused
            .get(&session.key)
            .is_some_and(|(generation, at)| *generation == session.generation && at.elapsed() < COUNTS)
    }
}
