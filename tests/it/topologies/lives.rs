//! A whole life of a session over each kind of Redis.

use crate::support::redis::cluster::ClusterSetup;
use crate::support::redis::sentinel::SentinelSetup;
use crate::support::redis::{RedisConfig, RedisServer};
use crate::support::{World, eventually};

use super::{PATIENT, has_its_store, status_of};

/// What the shipped user needs besides in a Cluster: docs/OPERATIONS.md.
pub(super) const FOR_A_CLUSTER: [&str; 3] = ["+cluster|info", "+cluster|slots", "+asking"];

/// The shipped ACL user as arguments of a server's command line.
pub(super) fn shipped_user(further: &[&str]) -> Vec<String> {
    let file = include_str!("../../../deploy/redis.acl");
    let line = file.lines().find_map(|line| line.strip_prefix("user whisk-bff ")).expect("the user's line");
    let line = line.replace("CHANGE-THIS-PASSWORD", "s3cret");
    let words = ["--user", "whisk-bff"].into_iter().chain(line.split_whitespace());
    words.chain(further.iter().copied()).map(str::to_owned).collect()
}

/// The same URL with the shipped user's login.
pub(super) fn as_shipped_user(url: &str) -> String {
    url.replacen("://", "://whisk-bff:s3cret@", 1)
}

enum Ground {
    One(RedisServer),
    Group(SentinelSetup),
    Cluster(ClusterSetup),
}

impl Ground {
    /// The servers that are written to.
    fn primaries(&self) -> Vec<&RedisServer> {
        match self {
            Self::One(server) => vec![server],
            Self::Group(setup) => vec![&setup.primary],
            Self::Cluster(setup) => setup.nodes.iter().collect(),
        }
    }

    async fn keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        for server in self.primaries() {
            keys.extend(server.keys().await);
            assert_eq!(server.ttl_violations().await, [""; 0]);
        }
        keys
    }
}

struct Case {
    what: &'static str,
    ground: Ground,
    url: String,
}

async fn cases() -> Vec<Case> {
    let one = |config| async { Ground::One(RedisServer::start(config).await) };
    let url = |ground: &Ground| match ground {
        Ground::One(server) => server.url(),
        Ground::Group(setup) => setup.url(),
        Ground::Cluster(setup) => setup.url(),
    };
    let mut cases = Vec::new();
    let tls = one(RedisConfig { tls: true, ..Default::default() }).await;
    cases.push(Case { what: "TLS, a private CA, a client's certificate", url: url(&tls), ground: tls });
    let arguments = shipped_user(&[]);
    let limited = one(RedisConfig { arguments: arguments.clone(), ..Default::default() }).await;
    cases.push(Case { what: "the shipped ACL user", url: as_shipped_user(&url(&limited)), ground: limited });
    let numbered = one(RedisConfig { db: 5, arguments, ..Default::default() }).await;
    let url_of_five = as_shipped_user(&url(&numbered));
    assert!(url_of_five.ends_with("/5"));
    cases.push(Case { what: "a database number", url: url_of_five, ground: numbered });
    let group = Ground::Group(SentinelSetup::start().await);
    cases.push(Case { what: "Sentinel", url: url(&group), ground: group });
    let rules = shipped_user(&FOR_A_CLUSTER);
    let rules: Vec<_> = rules.iter().map(String::as_str).collect();
    let cluster = Ground::Cluster(ClusterSetup::start_with(&rules).await);
    cases.push(Case { what: "a Cluster", url: as_shipped_user(&url(&cluster)), ground: cluster });
    cases
}

/// Contract §3 `store.url`, §7, R53: login, call, refresh, logout, by two instances, over TLS with
/// a private CA and a client's certificate, as an ACL user of the documented permissions, in a
/// database of another number, over Sentinel and over a Cluster.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_lives_and_ends_over_every_kind_of_redis() {
    for Case { what, ground, url } in cases().await {
        let world = World::builder().instances(2).set("store.url", &url).set(PATIENT.0, PATIENT.1);
        let world = world.spawn().await;
        for instance in [0, 1] {
            eventually(what, async || has_its_store(&world, instance)).await;
        }
        let browser = world.logged_in().await;
        let other = world.browser();
        other.go_to(1).log_in().await;
        for instance in [0, 1] {
            let answer = browser.go_to(instance).get("/v2/me").await;
            assert_eq!(answer.status, 200, "{what}: {answer:?}");
            assert_eq!(answer.json()["id"], world.sandbox.config().users[0].id);
        }
        let sessions = ground.keys().await.iter().filter(|key| key.starts_with("whisk-bff:s:{")).count();
        assert_eq!(sessions, 2, "{what}: the database of the URL holds both");

        world.sandbox.expire_access_tokens();
        for instance in [1, 0] {
            let answer = browser.go_to(instance).get("/v2/me").await;
            assert_eq!(answer.status, 200, "{what}, after a refresh: {answer:?}");
        }
        assert_eq!(world.sandbox.journal().granted("refresh_token"), 1, "{what}");

        let cookie = browser.cookie_line();
        browser.expect_ended();
        assert_eq!(browser.go_to(1).post("/auth/logout").await.status, 204, "{what}");
        for instance in [1, 0] {
            let dead = async || status_of(&browser, &cookie, instance).await == 401;
            eventually(what, dead).await;
        }
        assert_eq!(other.get("/v2/me").await.status, 200, "{what}: the other one lives");
        let sessions = ground.keys().await.iter().filter(|key| key.starts_with("whisk-bff:s:{")).count();
        assert_eq!(sessions, 1, "{what}");
        if url.contains("whisk-bff:s3cret@") {
            for server in ground.primaries() {
                let refused: Vec<redis::Value> = server.ask(&["ACL", "LOG"]).await;
                assert!(refused.is_empty(), "{what}: {refused:?}");
            }
        }
        if what == "a database number" {
            let keyspace: String = ground.primaries()[0].ask(&["INFO", "keyspace"]).await;
            assert!(keyspace.contains("db5:") && !keyspace.contains("db0:"), "{keyspace}");
        }
    }
}
