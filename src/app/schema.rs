//! The store, and whether its layout is one this build knows.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::clock::SharedClock;
use crate::migrate::{MIGRATIONS, MigrateError, check_schema};
use crate::settings::{self, StoreUrl};
use crate::store::{self, RedisStore, Store, StoreError};

use super::StartError;

/// A check that waits for a Redis that was away at start.
pub(super) struct Check(Option<Arc<RedisStore>>);

/// Opens the store and, where Redis answers, checks its schema at once.
pub(super) async fn open(
    settings: &settings::Store,
    clock: SharedClock,
    runtime: &Handle,
) -> Result<(Arc<dyn Store>, Check), StartError> {
    let StoreUrl::Redis(url) = &settings.url else {
        return Ok((store::open(settings, clock, runtime).await?, Check(None)));
    };
    let redis =
        Arc::new(RedisStore::new(url.clone(), &settings.key_prefix, settings.timeout, clock, runtime)?);
    let check = match check_schema(&redis, MIGRATIONS).await {
        Ok(()) => Check(None),
        Err(MigrateError::Store(error)) => {
            tracing::warn!(target: "store", %error, "the store is away at start; it is looked for until it is there");
            Check(Some(Arc::clone(&redis)))
        }
        Err(error) => return Err(error.into()),
    };
    Ok((redis, check))
}

impl Check {
    /// Waits until the schema has been found newer than this build knows. Never returns otherwise.
    pub(super) async fn refused(self) -> MigrateError {
        if let Some(redis) = self.0 {
            loop {
                tokio::time::sleep(Duration::from_millis(500)).await;
                match check_schema(&redis, MIGRATIONS).await {
                    Ok(()) => break,
                    Err(MigrateError::Store(StoreError::Timeout | StoreError::Unavailable(_))) => {}
                    Err(error) => return error,
                }
            }
        }
        std::future::pending().await
    }
}
