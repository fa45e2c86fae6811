//! `whisk-bff end-sessions`: an operator ends sessions (OWASP ASVS 5.0, 7.4.5).
//!
//! Works on the store directly. With Redis it may run beside the instances, and they obey at
//! once; an embedded store has to be stopped first, since one process at a time has it open.

use std::sync::Arc;

use arc_swap::ArcSwap;
use clap::Args;

use super::{Failure, print, runtime};
use crate::app::sealing_keys;
use crate::clock::SystemClock;
use crate::settings::Settings;
use crate::store::{Place, RecordError, StoreError, open};
use crate::telemetry::Metrics;
use crate::tokens::{CacheLimits, Lifetimes, TokenVault};

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(super) struct Which {
    /// The session that the log calls by this name (its first twelve characters, or more).
    #[arg(long, value_name = "DIGEST", value_parser = digest, allow_hyphen_values = true)]
    session: Option<String>,
    /// Every session of the user that Whisk calls by this id.
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    user: Option<String>,
    /// Every session.
    #[arg(long)]
    all: bool,
}

pub(super) fn run(settings: &Settings, which: &Which) -> Result<(), Failure> {
    runtime()?.block_on(async {
        let clock = Arc::new(SystemClock);
        let store = open(&settings.store, clock.clone(), &tokio::runtime::Handle::current()).await?;
        let keys = Arc::new(ArcSwap::from_pointee(sealing_keys(settings)?));
        let metrics = Metrics::new(keys.load().ids());
        let lifetimes =
            Lifetimes { idle: settings.session.idle_timeout, absolute: settings.session.absolute_timeout };
        let vault = TokenVault::new(Arc::clone(&store), keys, clock, lifetimes, CacheLimits::NONE, metrics);
        let (mut ended, mut newer) = (0_u64, 0_u64);
        for key in store.keys(Place::Session).await? {
            if which.session.as_ref().is_some_and(|digest| !key.hash_text().starts_with(digest)) {
                continue;
            }
            match store.load(&key).await {
                Ok(_) => {}
                // It may be a session, and one that is meant. The others end all the same.
                Err(StoreError::Record(RecordError::NewerFormat(_))) => {
                    newer += 1;
                    continue;
                }
                Err(StoreError::Record(RecordError::Malformed)) => continue,
                Err(error) => return Err(error.into()),
            }
            let named = match &which.user {
                Some(user) => vault
                    .load(&key)
                    .await?
                    .is_some_and(|session| session.content.user_id.as_ref() == Some(user)),
                None => true,
            };
            if named && store.take(&key).await?.is_some() {
                ended += 1;
            }
        }
        print(&format!("{ended} sessions ended\n"))?;
        if newer > 0 {
            let left = "records of a newer version were left; use that version's command for them";
            return Err(anyhow::anyhow!("{newer} {left}").into());
        }
        Ok(())
    })
}

fn digest(text: &str) -> Result<String, &'static str> {
    if text.len() < 12 {
        Err("a session's digest has at least twelve characters")
    } else {
        Ok(text.to_owned())
    }
}
