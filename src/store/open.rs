//! The store that the settings name.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::{EmbeddedStore, MemoryStore, RedisStore, Store, StoreError};
use crate::clock::SharedClock;
use crate::settings::{self, StoreUrl};

/// Opens the store. What it does in the background runs on `handle`'s runtime, which must outlive
/// it. A Redis that is not there is no error: it is looked for until it is.
///
/// # Errors
/// [`StoreError::Unavailable`]: see [`EmbeddedStore::open`] and [`RedisStore::new`].
pub async fn open(
    settings: &settings::Store,
    clock: SharedClock,
    handle: &Handle,
) -> Result<Arc<dyn Store>, StoreError> {
    let timeout = settings.timeout;
    Ok(match &settings.url {
        StoreUrl::Memory => Arc::new(MemoryStore::new(clock)),
        StoreUrl::Embedded { path } => {
            let path = path.clone();
            let opening = tokio::task::spawn_blocking(move || EmbeddedStore::open(&path, timeout, clock));
            Arc::new(
                opening
                    .await
                    .map_err(|_| StoreError::Unavailable("the file cannot be opened".to_owned()))??,
            )
        }
        StoreUrl::Redis(url) => {
            Arc::new(RedisStore::new(url.clone(), &settings.key_prefix, timeout, clock, handle)?)
        }
    })
}

/// The same for those who need Redis itself, as `migrate` does; `None` where the settings name
/// another kind of store.
///
/// # Errors
/// See [`RedisStore::new`].
pub fn open_redis(
    settings: &settings::Store,
    clock: SharedClock,
    handle: &Handle,
) -> Result<Option<Arc<RedisStore>>, StoreError> {
    match &settings.url {
        StoreUrl::Redis(url) => {
            let store = RedisStore::new(url.clone(), &settings.key_prefix, settings.timeout, clock, handle)?;
            Ok(Some(Arc::new(store)))
        }
        StoreUrl::Memory | StoreUrl::Embedded { .. } => Ok(None),
    }
}
