//! A Cluster's slots move from node to node while their sessions are used.

use std::process::Command;
use std::sync::Arc;

use redis::cmd;

use crate::support::redis::cluster::ClusterSetup;
use crate::support::{Browser, eventually};

use super::lives::{FOR_A_CLUSTER, as_shipped_user, shipped_user};
use super::traffic::{Crowd, INSTANCES, counted};
use super::{PATIENT, has_its_store, short_or_long};

/// R61, contract §6.6: some hundred slots move by `redis-cli --cluster reshard`, and each slot that
/// holds a session by hand, slowly, so that it is asked for in every state there is. Every call asks
/// the store; tokens are refreshed, people log in and out meanwhile. No call fails, nobody loses a
/// session, and the shipped user's permissions are enough.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_is_resharded_fails_no_call() {
    let rules = shipped_user(&FOR_A_CLUSTER);
    let rules: Vec<_> = rules.iter().map(String::as_str).collect();
    let setup = ClusterSetup::start_with(&rules).await;
    let crowd = Crowd::gather(&as_shipped_user(&setup.url()), |world| {
        world.set("store.cache_max_age", "0s").set(PATIENT.0, PATIENT.1)
    })
    .await;
    let refreshes = || crowd.world.sandbox.journal().granted("refresh_token");
    let sessions = crowd.browsers.len();

    let (calls, moved) = crowd
        .call_while(async {
            let mut moved = 0;
            for round in 0..short_or_long(1, 4) {
                tokio::join!(reshard(&setup, round, 300), crowd.logins_work());
                // Each session's record is with one node before, with the next after.
                for slot in slots_of_sessions(&setup).await {
                    move_slot(&setup, slot, &crowd, moved).await;
                    moved += 1;
                }
            }
            moved
        })
        .await;
    assert!(calls.iter().all(|call| call.status == 200), "{:?}", counted(&calls));
    assert!(moved >= sessions && refreshes() >= sessions, "{moved} slots, {} refreshes", refreshes());
    for instance in 0..INSTANCES {
        eventually("a store that is well", async || has_its_store(&crowd.world, instance)).await;
    }
    crowd.all_work().await;
    crowd.logins_work().await;
    let journal = crowd.world.sandbox.journal();
    assert_eq!(journal.grants("refresh_token"), journal.granted("refresh_token"), "one was spent twice");
    for node in &setup.nodes {
        assert_eq!(node.ttl_violations().await, [""; 0]);
        let refused: Vec<redis::Value> = node.ask(&["ACL", "LOG"]).await;
        assert!(refused.is_empty(), "{refused:?}");
    }
}

/// As operators do it: from one node to the next.
async fn reshard(setup: &ClusterSetup, round: usize, slots: usize) {
    let id = async |node: usize| setup.nodes[node % 3].ask::<String>(&["CLUSTER", "MYID"]).await;
    let (from, to) = (id(round).await, id(round + 1).await);
    let mut command = Command::new("redis-cli");
    command.args(["--cluster", "reshard", &format!("127.0.0.1:{}", setup.nodes[0].port())]);
    command.args(["--cluster-from", &from, "--cluster-to", &to]);
    command.args(["--cluster-slots", &slots.to_string(), "--cluster-yes"]);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// The slots in which there are sessions, and with which node.
async fn slots_of_sessions(setup: &ClusterSetup) -> Vec<(usize, u16)> {
    let mut slots = Vec::new();
    for (number, node) in setup.nodes.iter().enumerate() {
        for key in node.keys().await {
            if key.starts_with("whisk-bff:s:") {
                slots.push((number, node.ask::<u16>(&["CLUSTER", "KEYSLOT", &key]).await));
            }
        }
    }
    slots.sort_unstable();
    slots.dedup();
    slots
}

/// Moves one slot to the next node, and lets calls meet every state: nothing moved yet, some
/// moved, all moved and not yet announced. Everybody's tokens are refreshed in one of them, and
/// somebody logs in and out.
async fn move_slot(setup: &ClusterSetup, (from, slot): (usize, u16), crowd: &Crowd, number: usize) {
    let (source, target) = (&setup.nodes[from], &setup.nodes[(from + 1) % 3]);
    let (source_id, target_id): (String, String) =
        (source.ask(&["CLUSTER", "MYID"]).await, target.ask(&["CLUSTER", "MYID"]).await);
    let slot = slot.to_string();
    let state = async |state: usize| {
        if number % 3 == state {
            crowd.world.sandbox.expire_access_tokens();
        }
        let all = crowd.browsers.iter().map(|browser| used(Arc::clone(browser)));
        futures_util::future::join_all(all).await;
        let visitor = crowd.newcomer(crowd.browsers.len()).await;
        assert_eq!(visitor.go_to((number + 1) % INSTANCES).post("/auth/logout").await.status, 204);
        visitor.expect_ended();
    };
    target.ask::<()>(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &source_id]).await;
    source.ask::<()>(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &target_id]).await;
    state(0).await;
    loop {
        let keys: Vec<String> = source.ask(&["CLUSTER", "GETKEYSINSLOT", &slot, "100"]).await;
        if keys.is_empty() {
            break;
        }
        for key in keys {
            let mut command = cmd("MIGRATE");
            command.arg("127.0.0.1").arg(target.port()).arg(&key).arg(0).arg(5000);
            command.query_async::<String>(&mut source.connection().await).await.unwrap();
        }
    }
    state(1).await;
    for node in [target, source, &setup.nodes[(from + 2) % 3]] {
        node.ask::<()>(&["CLUSTER", "SETSLOT", &slot, "NODE", &target_id]).await;
    }
    state(2).await;
}

/// A call at each instance.
async fn used(browser: Arc<Browser>) {
    for instance in 0..INSTANCES {
        let answer = browser.go_to(instance).get("/v2/me").await;
        assert_eq!(answer.status, 200, "at {instance}: {answer:?}");
    }
}
