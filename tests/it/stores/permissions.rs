//! The ACL user that the documentation of the Redis store asks for is enough, and not too much.

use std::time::Duration;

use whisk_bff::clock::ManualClock;
use whisk_bff::store::Place;

use super::feed::Ear;
use super::{contract, open, record, some_key};
use crate::support::redis::cluster::ClusterSetup;
use crate::support::redis::{RedisConfig, RedisServer};

/// The rules as an operator reads them, for a server's command line: `--user NAME RULE…`.
fn documented() -> Vec<String> {
    let text = include_str!("../../../src/store/redis.rs");
    let mut lines = text.lines().skip_while(|line| !line.starts_with("//! user whisk-bff "));
    let rules: Vec<_> = lines.by_ref().take_while(|line| !line.contains("```")).collect();
    let rules = rules.join(" ").replace("//!", "").replace("PASSWORD", "s3cret");
    let mut words: Vec<_> = rules.split_whitespace().map(str::to_owned).collect();
    words[0] = "--user".to_owned();
    assert!(words.len() > 20, "{words:?}");
    words
}

/// The commands that the rules name.
fn commands(rules: &[String]) -> Vec<String> {
    rules.iter().filter_map(|rule| rule.strip_prefix('+')).map(str::to_owned).collect()
}

async fn nothing_was_refused(server: &RedisServer) {
    let refused: Vec<redis::Value> = server.ask(&["ACL", "LOG"]).await;
    assert!(refused.is_empty(), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_permissions_are_enough_and_each_is_used() {
    let arguments = documented();
    let named = commands(&arguments);
    let server = RedisServer::start(RedisConfig { arguments, ..Default::default() }).await;
    let url = server.url().replace("redis://", "redis://whisk-bff:s3cret@");
    let (clock, planted) = (ManualClock::new(), contract::Planted::new());
    for (key, bytes) in planted.bytes() {
        let mut command = redis::cmd("SET");
        command.arg(format!("whisk-bff:s:{{{}}}", key.hash_text())).arg(bytes).arg("PX").arg(3_600_000);
        command.query_async::<()>(&mut server.connection().await).await.unwrap();
    }
    server.ask::<()>(&["CONFIG", "RESETSTAT"]).await;
    let store = open(&url, clock.clone()).await;
    let ear = Ear::of(&store).await;
    contract::run(store.clone(), clock.clone(), &planted).await;
    let key = some_key();
    store.create(&key, &record(&(clock.clone() as _), 1, Duration::from_secs(3600))).await.unwrap();
    store.take(&key).await.unwrap();
    ear.hears(&key).await;
    store.keys(Place::Session).await.unwrap();

    // What `migrate` and the check of the layout ask.
    let handle = tokio::runtime::Handle::current();
    let redis = whisk_bff::store::open_redis(&super::settings(&url), clock, &handle).unwrap().unwrap();
    redis.begin_schema(1).await.unwrap();
    redis.advance_schema(1).await.unwrap();
    assert_eq!(redis.schema().await.unwrap(), Some(1));
    redis.walk(None).await.unwrap().next().await.unwrap();

    nothing_was_refused(&server).await;
    let used: String = server.ask(&["INFO", "commandstats"]).await;
    for command in named {
        assert!(used.contains(&format!("cmdstat_{command}:")), "{command} is not used: {used}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_permissions_are_enough_for_a_cluster() {
    let mut rules = documented();
    rules.extend(["+cluster|slots", "+cluster|info", "+asking"].map(str::to_owned));
    let rules: Vec<_> = rules.iter().map(String::as_str).collect();
    let setup = ClusterSetup::start_with(&rules).await;
    let url = setup.url().replace("redis+cluster://", "redis+cluster://whisk-bff:s3cret@");
    let store = open(&url, ManualClock::new()).await;
    let ear = Ear::of(&store).await;
    for _ in 0..10 {
        let key = some_key();
        let first = record(&(ManualClock::new() as _), 1, Duration::from_secs(3600));
        store.create(&key, &first).await.unwrap();
        store.take(&key).await.unwrap();
        ear.hears(&key).await;
    }
    assert!(store.keys(Place::Session).await.unwrap().is_empty());
    for node in &setup.nodes {
        nothing_was_refused(node).await;
    }
}
