//! A Cluster loses one of its three primaries under steady traffic, and gets it back with its data.

use std::time::{Duration, Instant};

use crate::support::redis::cluster::ClusterSetup;
use crate::support::{Browser, eventually};

use super::traffic::{Crowd, INSTANCES, call, counted};
use super::{has_its_store, short_or_long};

/// From the moment in which the Cluster says that it is whole until every session works.
const RECOVERY: Duration = Duration::from_secs(3);

/// R115, R61, contract §6.5 and §6.6: a primary is killed, and by Redis's default no other one
/// answers either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_stops_for_a_lost_primary_logs_nobody_out() {
    survive(&[], false).await;
}

/// R115, R61, contract §6.5 and §6.6: a primary is killed, and the others go on. Their sessions work
/// all the time, known or not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_goes_on_without_a_primary_logs_nobody_out() {
    survive(&["--cluster-require-full-coverage", "no"], true).await;
}

async fn survive(further: &[&str], others_go_on: bool) {
    let mut setup = ClusterSetup::start_with(further).await;
    let crowd = Crowd::gather(&setup.url(), |world| world).await;
    crowd.warm_up().await;
    let (at_first, at_others) = cold_sessions(&setup, &crowd).await;

    let (calls, (away, well)) = crowd
        .call_while(async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let away = Instant::now();
            setup.nodes[0].kill();
            tokio::time::sleep(Duration::from_secs(short_or_long(4, 20))).await;
            for instance in 0..INSTANCES {
                let (user, browser) = &at_first;
                assert_eq!(call(browser, *user, instance).await.status, 503, "nobody knows it");
                let (user, browser) = &at_others;
                let expected = if others_go_on { 200 } else { 503 };
                assert_eq!(call(browser, *user, instance).await.status, expected, "at {instance}");
            }
            setup.nodes[0].restart().await;
            setup.wait_until_whole().await;
            let back = Instant::now();
            for instance in 0..INSTANCES {
                for (user, browser) in [&at_first, &at_others] {
                    while call(browser, *user, instance).await.status != 200 {
                        assert!(back.elapsed() < RECOVERY, "user {user} at {instance}");
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                }
            }
            let well = Instant::now();
            crowd.logins_work().await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            (away, well)
        })
        .await;

    let (before, rest): (Vec<_>, Vec<_>) = calls.into_iter().partition(|call| call.began < away);
    let (during, after): (Vec<_>, Vec<_>) = rest.into_iter().partition(|call| call.began < well);
    let statuses = [counted(&before), counted(&during), counted(&after)];
    for (statuses, when) in statuses.iter().zip(["before", "during", "after"]) {
        assert!(statuses.contains_key(&200), "{when}: {statuses:?}");
        assert!(!statuses.contains_key(&503), "{when}: who is known is served: {statuses:?}");
    }
    for instance in 0..INSTANCES {
        eventually("a store that is well", async || has_its_store(&crowd.world, instance)).await;
    }
    crowd.all_work().await;
    crowd.logins_work().await;
    assert_eq!(crowd.world.sandbox.journal().grants("refresh_token"), 0);
    for node in &setup.nodes {
        assert_eq!(node.ttl_violations().await, [""; 0]);
    }
}

/// Two sessions that nobody has asked for, with their users: one whose record the first node has,
/// one whose record another has.
async fn cold_sessions(setup: &ClusterSetup, crowd: &Crowd) -> ((usize, Browser), (usize, Browser)) {
    let (mut at_first, mut at_others) = (None, None);
    let user = crowd.browsers.len();
    let began = Instant::now();
    loop {
        let before = sessions_of(setup).await;
        let newcomer = (user, crowd.newcomer(user).await);
        let place = if sessions_of(setup).await > before { &mut at_first } else { &mut at_others };
        place.get_or_insert(newcomer);
        (at_first, at_others) = match (at_first, at_others) {
            (Some(at_first), Some(at_others)) => return (at_first, at_others),
            one => one,
        };
        assert!(began.elapsed() < Duration::from_secs(30), "every session has the same place");
    }
}

/// How many sessions the first node has.
async fn sessions_of(setup: &ClusterSetup) -> usize {
    setup.nodes[0].keys().await.iter().filter(|key| key.starts_with("whisk-bff:s:")).count()
}
