//! The Redis user that the project ships: enough for all that whisk-bff does, and no more.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::{browser_at, environment, process, world};
use crate::support::process::run;
use crate::support::{World, eventually};

const FILE: &str = include_str!("../../../deploy/redis.acl");
const PASSWORD: &str = "a-password";

/// OWASP ASVS 13.2.2 (least privilege): a whole life as the shipped user, and Redis denied nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shipped_redis_user_may_do_what_is_done() {
    let world = world().spawn().await;
    let url = admit(&world).await;
    let changed = [("store.url", url.as_str()), ("server.drain_delay", "0s")];
    for command in [&["migrate", "--dry-run"][..], &["migrate"]] {
        let output = run(command, &environment(&world, &changed)).await;
        assert_eq!(output.status.code(), Some(0), "{command:?}: {output:?}");
    }
    let (mut one, other) = (process(&world, &changed).await, process(&world, &changed).await);
    let browser = browser_at(&world, &one);
    browser.log_in().await;
    for _ in 0..3 {
        assert_eq!(browser.get("/v2/me").await.status, 200);
    }
    world.sandbox.expire_access_tokens();
    assert_eq!(browser.get("/v2/me").await.status, 200, "the token was refreshed");
    let second = browser_at(&world, &other);
    second.log_in().await;
    assert_eq!(second.post("/auth/logout").await.status, 204);
    second.expect_ended();
    let third = browser_at(&world, &other);
    third.log_in().await;
    assert_eq!(third.get("/v2/me").await.status, 200);
    let ended = run(&["end-sessions", "--all"], &environment(&world, &changed)).await;
    assert_eq!(String::from_utf8_lossy(&ended.stdout), "2 sessions ended\n", "{ended:?}");
    for browser in [&browser, &third] {
        eventually("the end of a session", async || browser.get("/v2/me").await.status == 401).await;
        browser.expect_ended();
    }
    one.term();
    assert!(one.wait().await.success());

    let another_database = url.replace("/0", "/1");
    let apart = process(&world, &[("store.url", &another_database)]).await;
    let browser = browser_at(&world, &apart);
    browser.log_in().await;
    assert_eq!(browser.get("/v2/me").await.status, 200);
    browser.expect_ended();

    let denied: Vec<redis::Value> = world.redis().ask(&["ACL", "LOG"]).await;
    assert!(denied.is_empty(), "{denied:#?}");
}

/// The same, from the other side: nothing else, on no other keys.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shipped_redis_user_may_do_nothing_else() {
    let world = world().spawn().await;
    admit(&world).await;
    for refused in [
        &["FLUSHALL"][..],
        &["KEYS", "*"],
        &["CONFIG", "GET", "*"],
        &["EVAL", "return 1", "0"],
        &["ACL", "LIST"],
        &["MONITOR"],
        &["GET", "another:s:x"],
        &["SET", "whisk-bffx", "1"],
        &["PUBLISH", "another", "x"],
    ] {
        let words: Vec<&str> = ["ACL", "DRYRUN", "whisk-bff"].iter().chain(refused).copied().collect();
        let answer: String = world.redis().ask(&words).await;
        assert_ne!(answer, "OK", "{refused:?}");
    }
    let written = commands_in(Path::new("src/store/redis"));
    for word in rules().into_iter().filter_map(|rule| rule.strip_prefix('+').map(str::to_uppercase)) {
        // Sent by the driver: scripts by their hash, a database, a subscription.
        let by_the_driver = ["EVALSHA", "SCRIPT|LOAD", "SELECT", "SUBSCRIBE"].contains(&word.as_str());
        let command = word.split('|').next().unwrap();
        assert!(by_the_driver || written.contains(command), "{word} is granted and not used: {written:?}");
    }
}

/// Gives the world's Redis the shipped user. Returns the URL for it.
async fn admit(world: &World) -> String {
    let rules = rules();
    let words: Vec<&str> =
        ["ACL", "SETUSER", "whisk-bff"].into_iter().chain(rules.iter().map(String::as_str)).collect();
    let _: String = world.redis().ask(&words).await;
    world.redis().url().replace("redis://", &format!("redis://whisk-bff:{PASSWORD}@"))
}

/// The words of the user's line.
fn rules() -> Vec<String> {
    // Redis does not start with anything else in it, a comment for one.
    assert!(FILE.lines().all(|line| line.starts_with("user ")));
    let line = FILE.lines().find_map(|line| line.strip_prefix("user whisk-bff ")).expect("the user's line");
    assert!(line.contains(">CHANGE-THIS-PASSWORD "));
    line.replace("CHANGE-THIS-PASSWORD", PASSWORD).split(' ').map(str::to_owned).collect()
}

/// The commands that the files of a folder name: `cmd("X")`, `redis.call('X'`.
fn commands_in(folder: &Path) -> BTreeSet<String> {
    let mut commands = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        for (before, after) in [("cmd(\"", '"'), ("redis.call('", '\'')] {
            let found = text.split(before).skip(1).filter_map(|rest| rest.split(after).next());
            commands.extend(found.map(str::to_owned));
        }
    }
    commands
}
