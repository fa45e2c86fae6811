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
use crate::store::{Place, open};
use crate::telemetry::Metrics;
use crate::tokens::{Lifetimes, TokenVault};

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(super) struct Which {
    /// The session that the log calls by this name (its first twelve characters, or more).
    #[arg(long, value_name = "DIGEST")]
    session: Option<String>,
    /// Every session of the user that Whisk calls by this id.
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// Every session.
    #[arg(long)]
    all: bool,
}

pub(super) fn run(settings: &Settings, which: &Which) -> Result<(), Failure> {
    if which.session.as_ref().is_some_and(|digest| digest.len() < 12) {
        return Err(anyhow::anyhow!("a session's digest has at least twelve characters").into());
    }
    runtime()?.block_on(async {
        let clock = Arc::new(SystemClock);
        let store = open(&settings.store, clock.clone(), &tokio::runtime::Handle::current()).await?;
        let keys = Arc::new(ArcSwap::from_pointee(sealing_keys(settings)?));
        let metrics = Metrics::new(keys.load().ids());
        let lifetimes =
            Lifetimes { idle: settings.session.idle_timeout, absolute: settings.session.absolute_timeout };
        let vault = TokenVault::new(Arc::clone(&store), keys, clock, lifetimes, metrics);
        let mut ended = 0_u64;
        for key in store.keys(Place::Session).await? {
            let named = match which {
                Which { session: Some(digest), .. } => key.hash_text().starts_with(digest),
                Which { user: Some(user), .. } => vault
                    .load(&key)
                    .await?
                    .is_some_and(|session| session.content.user_id.as_ref() == Some(user)),
                Which { .. } => which.all,
            };
            if named && store.take(&key).await?.is_some() {
                ended += 1;
            }
        }
        print(&format!("{ended} sessions ended\n"))
    })
}
