//! Sentinel promotes another primary under steady traffic.

use std::time::{Duration, Instant};

use crate::support::eventually;
use crate::support::redis::sentinel::SentinelSetup;

use super::traffic::{Crowd, INSTANCES, call, counted};
use super::{has_its_store, short_or_long};

/// From the moment in which sentinels name another primary until every session works.
const RECOVERY: Duration = Duration::from_secs(3);

/// R115, R61, contract §6.5 and §6.6: the primary is killed under calls of many sessions at two
/// instances. Nobody is logged out or sent away, who was known is served throughout, and within
/// seconds of the promotion all is as before, new logins included. The old primary's return, with
/// its old data and believing itself a primary, changes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_of_sentinel_logs_nobody_out() {
    let mut setup = SentinelSetup::start().await;
    let crowd = Crowd::gather(&setup.url(), |world| world).await;
    crowd.warm_up().await;
    let known = crowd.browsers.len();
    let cold = crowd.newcomer(known).await;
    eventually("a replica that follows", async || {
        setup.replica.keys().await.len() == setup.primary.keys().await.len()
    })
    .await;

    let (old, new) = (setup.primary.port(), setup.replica.port());
    assert_eq!(setup.named().await, old);
    let (calls, (away, well)) = crowd
        .call_while(async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let away = Instant::now();
            setup.primary.kill();
            // Nobody knows this session yet, and nobody can be asked.
            let unknown = call(&cold, known, 0).await;
            assert_eq!((unknown.status, setup.named().await), (503, old));
            eventually("another primary", async || setup.named().await == new).await;
            let back = Instant::now();
            for instance in 0..INSTANCES {
                while call(&cold, known, instance).await.status != 200 {
                    assert!(back.elapsed() < RECOVERY, "the session that nobody knew, at {instance}");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            let well = Instant::now();
            crowd.logins_work().await;
            setup.primary.restart().await;
            tokio::time::sleep(Duration::from_secs(short_or_long(2, 20))).await;
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
    assert_eq!(setup.replica.ttl_violations().await, [""; 0]);
}
