//! Access tokens are renewed once, unnoticed, and what goes wrong with it ends no session.

mod dead_grants;
mod failures;
mod no_refresh_token;
mod once;
mod survival;
mod tokens;
mod unauthorized;

use std::time::Duration;

use futures_util::future::join_all;

use crate::support::world::WorldBuilder;
use crate::support::{Answer, Browser, World};

pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// A world whose access tokens live an hour.
pub(crate) fn hourly() -> WorldBuilder {
    World::builder().sandbox(|config| config.behaviour.access_token_lifetime = HOUR)
}

/// So many calls at the same time, spread over the first instances.
pub(crate) async fn at_once(browser: &Browser, calls: usize, instances: usize) -> Vec<Answer> {
    join_all((0..calls).map(|n| async move { browser.go_to(n % instances).get("/v2/me").await })).await
}

/// How many of the answers have each status, as one line to compare.
pub(crate) fn statuses(answers: &[Answer]) -> String {
    let mut counted = std::collections::BTreeMap::<u16, usize>::new();
    for answer in answers {
        *counted.entry(answer.status.as_u16()).or_default() += 1;
    }
    counted.iter().map(|(status, count)| format!("{count}×{status}")).collect::<Vec<_>>().join(" ")
}

/// The texts of the refresh tokens that the token endpoint was sent, oldest first.
pub(crate) fn presented(world: &World) -> Vec<String> {
    let calls = world.sandbox.journal().token().into_iter().filter_map(|entry| entry.token);
    calls
        .filter(|call| call.grant_type.as_deref() == Some("refresh_token"))
        .filter_map(|call| call.presented)
        .collect()
}

/// How often a refresh token was presented, whatever became of it.
pub(crate) fn refreshes(world: &World) -> usize {
    world.sandbox.journal().grants("refresh_token")
}
