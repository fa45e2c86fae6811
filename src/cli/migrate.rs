//! `whisk-bff migrate`

use std::sync::Arc;

use super::{Failure, print, runtime};
use crate::clock::SystemClock;
use crate::migrate::{MIGRATIONS, Step, apply, plan};
use crate::settings::{Settings, StoreUrl};
use crate::store::RedisStore;

pub(super) fn run(settings: &Settings, dry_run: bool) -> Result<(), Failure> {
    let StoreUrl::Redis(url) = &settings.store.url else {
        return print("Only a Redis store has a layout to migrate; there is nothing to do.\n");
    };
    let runtime = runtime()?;
    runtime.block_on(async {
        let store = RedisStore::new(
            url.clone(),
            &settings.store.key_prefix,
            settings.store.timeout,
            Arc::new(SystemClock),
            &tokio::runtime::Handle::current(),
        )?;
        let mut steps = Vec::new();
        if dry_run {
            steps = plan(&store, MIGRATIONS).await?;
        } else {
            apply(&store, MIGRATIONS, |step| steps.push(step.clone())).await?;
        }
        print(&report(&steps, dry_run))
    })
}

fn report(steps: &[Step], dry_run: bool) -> String {
    if steps.is_empty() {
        return "The layout is up to date.\n".to_owned();
    }
    let verb = if dry_run { "would be applied to" } else { "was applied to" };
    let line = |step: &Step| {
        format!("{:04}_{} {verb} {} records\n", step.migration.number, step.migration.name, step.records)
    };
    steps.iter().map(line).collect()
}
