//! What goes wrong between real processes: instances that are killed, a Redis that goes away, a
//! token endpoint that is slow or gone, keys that change. Several instances of the program share
//! one Redis and one Whisk.
//!
//! Each test has a short form. `WHISK_BFF_LONG_TESTS=1` runs it for as long, or as often, as the
//! promise is made for.
// Measures are shown with `--nocapture`; only a test's own task talks to its Redis.
#![allow(clippy::print_stdout, clippy::await_holding_lock)]

mod coherence;
mod crashes;
mod hangups;
mod key_rotation;
mod logouts;
mod outages;
mod redemptions;
mod sizes;
mod token_outage;
mod unsaved;

use std::collections::HashMap;
use std::sync::Arc;

use crate::support::process::{Process, ask};
use crate::support::world::WorldBuilder;
use crate::support::{Browser, World, eventually};

/// How often, or how long: the second where `WHISK_BFF_LONG_TESTS` says so.
fn short_or_long<T>(short: T, long: T) -> T {
    if std::env::var("WHISK_BFF_LONG_TESTS").is_ok_and(|value| value == "1") { long } else { short }
}

/// A world with Redis. Its own instance says at the end whether a session was lost.
fn world() -> WorldBuilder {
    World::builder().redis()
}

/// A busy machine is no outage, where none is meant.
const PATIENT: (&str, &str) = ("store.timeout", "10s");

/// Instances of the program in one world. When it is dropped, no secret may be in their logs.
struct Plant {
    world: World,
    processes: Vec<Process>,
}

impl Plant {
    /// So many processes with the world's settings and these.
    async fn of(world: World, count: usize, changed: &[(&str, &str)]) -> Self {
        let mut plant = Self { world, processes: Vec::new() };
        for _ in 0..count {
            plant.add(changed).await;
        }
        plant
    }

    /// One more process, ready to serve. Answers its number.
    async fn add(&mut self, changed: &[(&str, &str)]) -> usize {
        let process = Process::serve(self.environment(changed)).await;
        eventually("a ready process", async || process.ask_admin("/readyz").0 == 200).await;
        self.processes.push(process);
        self.processes.len() - 1
    }

    /// The world's settings with these changed; those that are empty are left out.
    fn environment(&self, changed: &[(&str, &str)]) -> HashMap<String, String> {
        let mut environment = self.world.environment();
        for (key, value) in changed {
            let name = format!("WHISK_BFF__{}", key.to_uppercase().replace('.', "__"));
            if value.is_empty() {
                environment.remove(&name);
            } else {
                environment.insert(name, (*value).to_owned());
            }
        }
        environment
    }

    /// A browser with an empty cookie jar, at the first process.
    fn browser(&self) -> Browser {
        let addresses = self.processes.iter().map(Process::address).collect();
        Browser::new(addresses, Arc::clone(&self.world.evidence), Arc::clone(&self.world.sandbox))
    }

    async fn logged_in(&self) -> Browser {
        let browser = self.browser();
        browser.log_in().await;
        browser
    }

    /// The value of one sample line of a process' `/metrics`, 0 where it is not there.
    fn metric(&self, process: usize, sample: &str) -> f64 {
        let (_, text) = ask(self.processes[process].admin(), "/metrics");
        let line = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.trim().parse().expect("a number"))
    }

    /// Waits until the world's own instance, which speaks for the world at the end, has its store back.
    async fn recovered(&self) {
        let admin = self.world.admin(0);
        eventually("a store that is back", async || {
            let checks: serde_json::Value = serde_json::from_str(&ask(admin, "/readyz").1).expect("JSON");
            let store = serde_json::json!({ "name": "store", "status": "ok" });
            checks["checks"].as_array().expect("checks").contains(&store)
        })
        .await;
    }

    /// Waits until a process serves this browser's session without asking the store.
    async fn warm(&self, browser: &Browser, process: usize) {
        browser.go_to(process);
        eventually("a warm session", async || {
            let hits = self.metric(process, CACHE_HITS);
            assert_eq!(browser.get("/v2/me").await.status, 200);
            self.metric(process, CACHE_HITS) > hits
        })
        .await;
    }
}

const CACHE_HITS: &str = "whisk_bff_cache_hits_total";
const LOADS: &str = "whisk_bff_store_operations_total{operation=\"load\",outcome=\"done\"}";

impl Drop for Plant {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let logs: String = self.processes.iter().map(Process::logs).collect();
        for secret in self.world.sandbox.issued_secrets() {
            assert!(!logs.contains(&secret), "{}… is in a log", &secret[..secret.len().min(12)]);
        }
    }
}
