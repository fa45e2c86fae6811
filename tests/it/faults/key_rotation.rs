//! The sealing keys change under load.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{PATIENT, Plant, world};
use crate::support::process::Process;
use crate::support::records::{Records, record_name};
use crate::support::{Browser, eventually};

const FIRST: &str = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const SECOND: &str = "k2:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";
const THIRD: &str = "k3:QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8=";
const READ_AGAIN: &str = "the sealing keys were read again";
const NOT_READ: &str = "the sealing keys in use stay: the file cannot be used";

/// R122: twice a key is added, then made the active one, while sessions are used and refreshed at
/// two instances: no 401, no cookie. What is written is sealed under the new key, the metrics tell
/// which keys still open records, and a file that is no ring changes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_changes_of_the_sealing_key_under_load_log_nobody_out() {
    let world = world().spawn().await;
    let file = world.directory().join("keys");
    write(&file, &[FIRST]);
    let settings = [PATIENT, ("sealing.keys", ""), ("sealing.keys_file", file.to_str().unwrap())];
    let plant = Plant::of(world, 2, &settings).await;
    // Tokens are renewed all the time, and with them the records.
    plant.world.sandbox.behaviour(|whisk| whisk.access_token_lifetime = Duration::from_secs(2));
    let mut browsers = Vec::new();
    for _ in 0..6 {
        browsers.push(Arc::new(plant.logged_in().await));
    }
    let load = Load::begin(&browsers);

    for (ring, active) in [
        (vec![FIRST, SECOND], "k1"),
        (vec![SECOND, FIRST], "k2"),
        (vec![SECOND, FIRST, THIRD], "k2"),
        (vec![THIRD, SECOND, FIRST], "k3"),
    ] {
        write(&file, &ring);
        // The file's change is seen by itself; with SIGHUP at once.
        if ring.len() == 3 {
            plant.processes.iter().for_each(hang_up);
        }
        for process in &plant.processes {
            eventually("the ring is read", async || {
                let read: Vec<_> = told(process, READ_AGAIN);
                read.last().is_some_and(|record| record["active"] == active)
                    && read.len() >= ring_number(&ring)
            })
            .await;
        }
        let mut records = Records::of(&plant.world).await;
        eventually("all records are sealed under the active key", async || {
            for browser in &browsers {
                if records.key_id(&record_name(browser)).await != active {
                    return false;
                }
            }
            true
        })
        .await;
    }

    let opened = |key: &str| -> f64 {
        let sample = format!("whisk_bff_records_opened_total{{key_id=\"{key}\"}}");
        (0..2).map(|process| plant.metric(process, &sample)).sum()
    };
    assert!(opened("k1") > 0.0 && opened("k2") > 0.0 && opened("k3") > 0.0);
    let (first, second, third) = (opened("k1"), opened("k2"), opened("k3"));
    eventually("records are opened", async || opened("k3") > third).await;
    assert_eq!((opened("k1"), opened("k2")), (first, second), "nothing needs these two any more");
    assert_eq!(opened("other"), 0.0);

    std::fs::write(&file, "this is no key\n").unwrap();
    plant.processes.iter().for_each(hang_up);
    for process in &plant.processes {
        eventually("the fault is told", async || !told(process, NOT_READ).is_empty()).await;
    }
    let third = opened("k3");
    eventually("the ring stays in use", async || opened("k3") > third).await;
    let newcomer = plant.logged_in().await;
    assert_eq!(Records::of(&plant.world).await.key_id(&record_name(&newcomer)).await, "k3");
    for process in [0, 1] {
        assert_eq!(newcomer.go_to(process).get("/v2/me").await.status, 200);
    }

    assert!(load.end().await > 100);
    restart_with(plant, &[THIRD, SECOND, FIRST]);
}

/// The world's own instance, which looks for lost sessions at the end, gets the keys, too.
fn restart_with(mut plant: Plant, ring: &[&str]) {
    plant.processes.clear();
    plant.world.restart(0, &[("sealing.keys", &ring.join(","))]);
}

/// How many rings have been written when this one is in use.
fn ring_number(ring: &[&str]) -> usize {
    match (ring.len(), ring[0]) {
        (2, FIRST) => 1,
        (2, _) => 2,
        (_, SECOND) => 3,
        _ => 4,
    }
}

/// By another file that takes its place, as careful people do.
fn write(file: &Path, ring: &[&str]) {
    let new = file.with_extension("new");
    std::fs::write(&new, ring.join("\n") + "\n").unwrap();
    std::fs::rename(new, file).unwrap();
}

fn hang_up(process: &Process) {
    let status = std::process::Command::new("kill").args(["-HUP", &process.pid().to_string()]).status();
    assert!(status.unwrap().success());
}

fn told(process: &Process, message: &str) -> Vec<serde_json::Value> {
    process.records().into_iter().filter(|record| record["message"] == message).collect()
}

/// Each browser calls both instances in turn until the end.
struct Load {
    over: Arc<AtomicBool>,
    callers: tokio::task::JoinSet<usize>,
}

impl Load {
    fn begin(browsers: &[Arc<Browser>]) -> Self {
        let over: Arc<AtomicBool> = Arc::default();
        let mut callers = tokio::task::JoinSet::new();
        for browser in browsers {
            let (browser, over) = (Arc::clone(browser), Arc::clone(&over));
            callers.spawn(async move {
                let mut calls = 0;
                while !over.load(Ordering::SeqCst) {
                    let answer = browser.go_to(calls % 2).get("/v2/me").await;
                    assert_eq!(answer.status, 200, "{answer:?}");
                    assert_eq!(answer.set_cookies(), [""; 0]);
                    calls += 1;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                calls
            });
        }
        Self { over, callers }
    }

    /// How many calls there were, each of them answered with 200.
    async fn end(self) -> usize {
        self.over.store(true, Ordering::SeqCst);
        self.callers.join_all().await.into_iter().sum()
    }
}
