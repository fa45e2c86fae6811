//! `whisk-bff end-sessions`: an operator ends sessions, beside the running instances.

use std::process::{Command, Output};
use std::sync::Arc;

use arc_swap::ArcSwap;
use whisk_bff::app::sealing_keys;
use whisk_bff::clock::{Clock, SystemClock};
use whisk_bff::model::{AccessToken, Principal, Scopes, TokenSet};
use whisk_bff::settings::Settings;
use whisk_bff::store::{Key, open};
use whisk_bff::telemetry::Metrics;
use whisk_bff::tokens::{CacheLimits, Lifetimes, SessionContent, TokenVault};

use super::{assert_over, with_cookie};
use crate::refresh::HOUR;
use crate::support::records::{Records, record_name};
use crate::support::world::logs;
use crate::support::{World, eventually};

fn end_sessions(world: &World, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_whisk-bff"));
    command.arg("end-sessions").args(arguments).env_clear().envs(world.environment());
    command.output().unwrap()
}

#[track_caller]
fn assert_ended(output: &Output, count: u64) {
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{out}{error}");
    assert_eq!(out, format!("{count} sessions ended\n"), "{error}");
}

/// R61: all sessions, while two instances serve them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_ends_every_session_on_every_instance() {
    let world = World::builder().redis().instances(2).spawn().await;
    let browsers = [world.logged_in().await, world.logged_in().await, world.logged_in().await];
    for browser in &browsers {
        browser.expect_ended();
        for instance in [0, 1] {
            assert_eq!(browser.go_to(instance).get("/v2/me").await.status, 200);
        }
    }
    assert_ended(&end_sessions(&world, &["--all"]), 3);
    let began = std::time::Instant::now();
    for browser in &browsers {
        let cookie = browser.cookie_line();
        for instance in [0, 1] {
            browser.go_to(instance);
            eventually("it is over", async || {
                browser.send(with_cookie("/v2/me", &cookie)).await.status == 401
            })
            .await;
            assert!(began.elapsed().as_millis() < 1000 || instance == 0, "{:?}", began.elapsed());
        }
        assert_over(&browser.send(with_cookie("/v2/me", &cookie)).await);
    }
    assert!(Records::of(&world).await.sessions().await.is_empty());
    assert_ended(&end_sessions(&world, &["--all"]), 0);
}

/// R61: the one session that the log names, and no other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_ends_the_session_that_the_log_names() {
    let world = World::builder().redis().spawn().await;
    let (meant, other) = (world.logged_in().await, world.logged_in().await);
    meant.expect_ended();
    assert_eq!(meant.get("/v2/me").await.status, 200);
    let name = record_name(&meant);
    let digest = &name["whisk-bff:s:{".len()..][..12];
    assert!(logs().contains(&format!("\"{digest}\"")), "the log calls it by this name");

    assert_ended(&end_sessions(&world, &["--session", digest]), 1);

    let cookie = meant.cookie_line();
    eventually("it is over", async || meant.send(with_cookie("/v2/me", &cookie)).await.status == 401).await;
    assert_eq!(other.get("/v2/me").await.status, 200);
}

/// R61: one user's sessions, of those whose user is known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_ends_one_users_sessions() {
    let world = World::builder().redis().spawn().await;
    let other = world.logged_in().await;
    let vault = vault(&world).await;
    let mut of = Vec::new();
    for user in ["user-1", "user-2", "user-1"] {
        of.push((user, vault.create(&content(user)).await.unwrap().0));
    }

    assert_ended(&end_sessions(&world, &["--user", "user-1"]), 2);

    for (user, id) in &of {
        let left = vault.load(&Key::session(id)).await.unwrap();
        assert_eq!(left.is_some(), *user == "user-2", "{user}");
    }
    assert_eq!(other.get("/v2/me").await.status, 200);
}

/// A vault over the world's Redis, with the world's keys.
async fn vault(world: &World) -> TokenVault {
    let settings = Settings::load(&[], world.environment()).unwrap();
    let store = open(&settings.store, world.clock.clone(), &tokio::runtime::Handle::current()).await.unwrap();
    let keys = Arc::new(ArcSwap::from_pointee(sealing_keys(&settings).unwrap()));
    let lifetimes = Lifetimes { idle: HOUR, absolute: 2 * HOUR };
    let metrics = Metrics::new(keys.load().ids());
    TokenVault::new(store, keys, world.clock.clone(), lifetimes, CacheLimits::NONE, metrics)
}

fn content(user: &str) -> SessionContent {
    let now = SystemClock.now();
    let access = AccessToken::parse("a-token-of-no-use".to_owned()).unwrap();
    SessionContent {
        principal: Principal::User,
        user_id: Some(user.to_owned()),
        scopes: Scopes::split(""),
        created_at: now,
        ends_at: now.plus(HOUR),
        tokens: TokenSet { access, refresh: None, expires_at: Some(now.plus(HOUR)) },
        tokens_since: now,
        afterlife: HOUR,
    }
}

/// R61: a record that cannot be read does not stand in the way of ending the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreadable_record_does_not_keep_the_others_alive() {
    let world = World::builder().redis().spawn().await;
    let browsers = [world.logged_in().await, world.logged_in().await, world.logged_in().await];
    browsers.iter().for_each(crate::support::Browser::expect_ended);
    let mut records = Records::of(&world).await;
    let (garbage, newer) = (record_name(&browsers[0]), record_name(&browsers[1]));
    records.overwrite(&garbage, b"\x00garbage").await;
    let mut bytes = records.bytes(&newer).await.unwrap();
    bytes[0] = 9;
    records.overwrite(&newer, &bytes).await;

    let output = end_sessions(&world, &["--all"]);

    assert_eq!(output.status.code(), Some(1), "one session of a newer version may live on");
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 sessions ended"), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("newer"), "{output:?}");
    let mut left = records.sessions().await;
    left.sort();
    let mut expected = vec![garbage, newer];
    expected.sort();
    assert_eq!(left, expected);
}

/// R61: it must be said which, and a name that is too short to be meant is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_saying_which_no_session_is_ended() {
    let world = World::builder().redis().spawn().await;
    let browser = world.logged_in().await;
    for (arguments, code) in [
        (&[][..], 64),
        (&["--all", "--user", "x"][..], 64),
        (&["--session", "abc"][..], 64),
        (&["--nonsense"][..], 64),
    ] {
        let output = end_sessions(&world, arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
    }
    assert_ended(&end_sessions(&world, &["--user", "nobody"]), 0);
    assert_ended(&end_sessions(&world, &["--session", "AAAAAAAAAAAA"]), 0);
    assert_eq!(browser.get("/v2/me").await.status, 200);
}
