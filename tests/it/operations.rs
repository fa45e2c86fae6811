//! What an operator sees and does: logs, probes, metrics, outages, stops. The broker is the real
//! program, in a process of its own, beside the world's.
#![allow(clippy::await_holding_lock, reason = "nobody else in a test asks for its Redis meanwhile")]

mod admin;
mod events;
mod logs;
mod outage;
mod redis_user;
mod schema;
mod stopping;

use std::collections::HashMap;
use std::sync::Arc;

use crate::support::process::Process;
use crate::support::world::WorldBuilder;
use crate::support::{Browser, World, eventually};

/// A world with Redis, whose own instance shares the process' sessions: it says at the end whether
/// one was lost.
fn world() -> WorldBuilder {
    // A busy machine is no outage.
    World::builder().redis().set("store.timeout", "10s")
}

/// The world's settings, with these changed.
fn environment(world: &World, changed: &[(&str, &str)]) -> HashMap<String, String> {
    let mut environment = world.environment();
    for (key, value) in changed {
        let name = if key.contains('.') {
            format!("WHISK_BFF__{}", key.to_uppercase().replace('.', "__"))
        } else {
            (*key).to_owned()
        };
        environment.insert(name, (*value).to_owned());
    }
    environment
}

/// A process in this world, ready to serve.
async fn process(world: &World, changed: &[(&str, &str)]) -> Process {
    let process = Process::serve(environment(world, changed)).await;
    if process.has_admin() {
        eventually("a ready process", async || process.ask_admin("/readyz").0 == 200).await;
    }
    process
}

/// A browser of this world at a process.
fn browser_at(world: &World, process: &Process) -> Browser {
    Browser::new(vec![process.address()], Arc::clone(&world.evidence), Arc::clone(&world.sandbox))
}
