//! Changes of the Redis layout: `migrations/NNNN_name.lua`, applied in order.
//!
//! A migration is a script that is run on each record, found by `SCAN`, beside instances of the
//! version before and after. It is idempotent, so that an interrupted run simply begins again;
//! it is recorded in `{prefix}:schema` when every record has had it. The rules for writing one
//! stand in `migrations/README.md`.

use std::time::Duration;

use futures_util::future::try_join_all;
use redis::Script;

use crate::store::{RedisStore, StoreError};

/// One change of the layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    /// Its place in the chain, from 1.
    pub number: u32,
    /// What its file is called, without number and ending.
    pub name: &'static str,
    /// The Lua text.
    pub script: &'static str,
}

/// Every migration, in order.
pub const MIGRATIONS: &[Migration] = &[Migration {
    number: 1,
    name: "base_layout",
    script: include_str!("../migrations/0001_base_layout.lua"),
}];

/// What one migration did, or would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The migration.
    pub migration: Migration,
    /// How many records it was shown. `SCAN` may count some twice.
    pub records: u64,
    /// How many it changed; 0 where nothing was applied.
    pub changed: u64,
}

/// Why the layout was not migrated, or is not ours to use.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// A later version has been here.
    #[error("the schema in Redis is {found}, this build knows {known}: use a newer build")]
    Newer {
        /// What is recorded.
        found: u32,
        /// The last migration this build has.
        known: u32,
    },
    /// Redis failed for longer than was worth waiting. What is done stays done; a further run
    /// goes on.
    #[error("the migration stopped and can be run again: {0}")]
    Store(#[from] StoreError),
}

/// The migrations of `chain` that have not been applied yet.
///
/// # Errors
/// [`MigrateError`].
pub async fn pending(store: &RedisStore, chain: &[Migration]) -> Result<Vec<Migration>, MigrateError> {
    let known = last_number(chain);
    let found = store.schema().await?.unwrap_or(0);
    if found > known {
        return Err(MigrateError::Newer { found, known });
    }
    Ok(chain.iter().filter(|migration| migration.number > found).copied().collect())
}

/// What [`apply`] would do: each pending migration and the records it would be shown.
///
/// # Errors
/// [`MigrateError`].
pub async fn plan(store: &RedisStore, chain: &[Migration]) -> Result<Vec<Step>, MigrateError> {
    let pending = pending(store, chain).await?;
    let mut records = 0;
    if !pending.is_empty() {
        let mut walk = store.walk(None).await?;
        while let Some(names) = patiently(async || walk.next().await).await? {
            records += count(names.len());
        }
    }
    Ok(pending.into_iter().map(|migration| Step { migration, records, changed: 0 }).collect())
}

/// Applies the pending migrations of `chain` one after the other and tells `done` of each.
///
/// # Errors
/// [`MigrateError`]. The migrations told to `done` are recorded.
pub async fn apply(
    store: &RedisStore,
    chain: &[Migration],
    mut done: impl FnMut(&Step),
) -> Result<(), MigrateError> {
    for migration in pending(store, chain).await? {
        let script = Script::new(migration.script);
        let mut step = Step { migration, records: 0, changed: 0 };
        let mut walk = store.walk(None).await?;
        while let Some(names) = patiently(async || walk.next().await).await? {
            for some in names.chunks(AT_ONCE) {
                let runs = some.iter().map(|name| patiently(async || store.run_on(&script, name).await));
                let changed = try_join_all(runs).await?.into_iter().filter(|changed| *changed);
                step.changed += count(changed.count());
            }
            step.records += count(names.len());
        }
        patiently(async || store.advance_schema(migration.number).await).await?;
        done(&step);
    }
    Ok(())
}

/// What `serve` asks before it serves: whether the layout is one this build knows. An empty
/// installation is recorded as being of the newest layout.
///
/// # Errors
/// [`MigrateError::Newer`] is a reason not to serve; [`MigrateError::Store`] says nothing about
/// the layout.
pub async fn check_schema(store: &RedisStore, chain: &[Migration]) -> Result<(), MigrateError> {
    let known = last_number(chain);
    match store.schema().await? {
        Some(found) if found > known => Err(MigrateError::Newer { found, known }),
        Some(_) => Ok(()),
        None => {
            let mut walk = store.walk(None).await?;
            while let Some(names) = walk.next().await? {
                if !names.is_empty() {
                    return Ok(());
                }
            }
            Ok(store.begin_schema(known).await?)
        }
    }
}

fn last_number(chain: &[Migration]) -> u32 {
    chain.last().map_or(0, |migration| migration.number)
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Asks again for a while: a failover in the middle need not end a run over many records.
async fn patiently<T>(mut ask: impl AsyncFnMut() -> Result<T, StoreError>) -> Result<T, StoreError> {
    let mut left = ATTEMPTS;
    loop {
        left -= 1;
        match ask().await {
            Err(StoreError::Timeout | StoreError::Unavailable(_)) if left > 0 => {
                tokio::time::sleep(PAUSE).await
            }
            outcome => return outcome,
        }
    }
}

/// Records in work at once: enough to hide the way to Redis, too few to hold up anybody there.
const AT_ONCE: usize = 32;

const ATTEMPTS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(500);
