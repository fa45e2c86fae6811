//! The seven promises of a session's life (docs/ARCHITECTURE.md), each in its plain form. The same
//! under harder faults: `refresh`, `sessions`, `stores`.

use std::time::{Duration, Instant};

use whisk_sandbox::{ApiFault, Gate, TokenFault};

use crate::refresh::{HOUR, SECOND, at_once, hourly, refreshes, statuses};
use crate::sessions::{assert_over, same_cookie, with_cookie};
use crate::support::records::{Records, record_name, session_id};
use crate::support::{Call, World, eventually};

/// Contract §6.1, R31: sixty calls on three instances meet an expired token, then sixty an aging
/// one: each time Whisk is asked once, and each call succeeds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_1_one_refresh() {
    let world = hourly().redis().instances(3).spawn().await;
    let browser = world.logged_in().await;
    world.sandbox.behaviour(|whisk| whisk.token_latency = Duration::from_millis(50));
    world.advance(HOUR + SECOND);
    assert_eq!(statuses(&at_once(&browser, 60, 3).await), "60×200");
    assert_eq!(refreshes(&world), 1);
    world.advance(HOUR - 10 * SECOND);
    assert_eq!(statuses(&at_once(&browser, 60, 3).await), "60×200");
    eventually("the aging token is refreshed", async || {
        world.sandbox.journal().granted("refresh_token") == 2
    })
    .await;
    assert_eq!(statuses(&at_once(&browser, 60, 3).await), "60×200");
    assert_eq!(refreshes(&world), 2);
}

/// Contract §6.2, R37: a call and a refresh are in flight when a logout is answered: within a
/// second the cookie is dead on every instance, and stays so when the refresh comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_2_logout_wins() {
    let world = hourly().redis().instances(2).spawn().await;
    let browser = world.logged_in().await;
    for instance in [1, 0] {
        assert_eq!(browser.go_to(instance).get("/v2/me").await.status, 200);
    }
    browser.expect_ended();
    let (cookie, record) = (browser.cookie_line(), record_name(&browser));
    let (token, call) = (Gate::new(), Gate::new());
    world.sandbox.behaviour(|whisk| {
        whisk.token_faults.push_back(TokenFault::Gate(token.clone()));
        whisk.api_faults.push_back(ApiFault::Gate(call.clone()));
    });
    world.advance(HOUR - 10 * SECOND);

    let in_flight = browser.send(with_cookie("/v2/me", &cookie).reaches_the_api());
    let log_out = async {
        token.reached().await;
        call.reached().await;
        assert_eq!(browser.go_to(1).post("/auth/logout").await.status, 204);
        let answered = Instant::now();
        for instance in [0, 1] {
            browser.go_to(instance);
            eventually("the cookie is dead", async || {
                browser.send(with_cookie("/v2/me", &cookie)).await.status == 401
            })
            .await;
        }
        assert!(answered.elapsed() < SECOND, "{:?}", answered.elapsed());
        token.open();
        call.open();
    };
    let (_, ()) = tokio::join!(in_flight, log_out);

    let mut records = Records::of(&world).await;
    let lease = record.replacen(":s:", ":l:", 1);
    eventually("the refresh is over", async || records.bytes(&lease).await.is_none()).await;
    assert_eq!(records.bytes(&record).await, None);
    for instance in [0, 1] {
        assert_over(&browser.go_to(instance).send(with_cookie("/v2/me", &cookie)).await);
    }
}

/// Contract §6.3, R38, R39: what is no `invalid_grant` ends nothing; `invalid_grant` does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_3_only_invalid_grant_ends_a_session() {
    let world = hourly().spawn().await;
    let browser = world.logged_in().await;
    world.advance(HOUR - 20 * SECOND);
    let refusal = TokenFault::Status(401, "{\"error\":\"invalid_client\"}".into(), "application/json".into());
    let down = TokenFault::Status(503, String::new(), String::new());
    world.sandbox.behaviour(|whisk| whisk.token_faults.extend([refusal, down]));
    assert_eq!(browser.get("/v2/me").await.status, 200, "the old token is used until it expires");
    eventually("the first failure", async || refreshes(&world) == 1).await;
    world.advance(21 * SECOND);
    eventually("the second failure", async || {
        let answer = browser.get("/v2/me").await;
        assert!(answer.set_cookies().is_empty());
        if answer.status != 200 {
            answer.assert_problem(503, "login_server_unavailable");
        }
        answer.status == 200
    })
    .await;
    assert_eq!(refreshes(&world), 3, "and it has healed by itself");

    browser.expect_ended();
    world.sandbox.kill_refresh_families();
    world.advance(HOUR + SECOND);
    browser.get("/v2/me").await.assert_problem(401, "session_ended");
    assert_eq!(browser.session_cookie(), None);
}

/// Contract §6.4, R35: the browser hangs up during a code exchange and comes again, and hangs up
/// during a refresh.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_4_a_browser_that_hangs_up_loses_nothing() {
    let world = hourly().redis().spawn().await;
    let browser = world.browser();
    let callback = browser.authorize("/auth/login").await;
    let gate = Gate::new();
    world.sandbox.behaviour(|whisk| whisk.token_faults.push_back(TokenFault::Gate(gate.clone())));
    let patience = async {
        gate.reached().await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    tokio::select! {
        _ = browser.come_back(&callback) => panic!("the answer is held"),
        () = patience => {}
    }
    gate.open();
    let mut records = Records::of(&world).await;
    eventually("the session is stored", async || records.sessions().await.len() == 1).await;
    eventually("the browser that comes again gets it", async || {
        browser.come_back(&callback).await.status == 303
    })
    .await;
    browser.expect_alive();
    assert_eq!(browser.get("/v2/me").await.status, 200);
    assert_eq!(world.sandbox.journal().grants("authorization_code"), 1);

    let gate = Gate::new();
    world.sandbox.behaviour(|whisk| whisk.token_faults.push_back(TokenFault::Gate(gate.clone())));
    world.advance(HOUR + SECOND);
    tokio::select! {
        _ = browser.get("/v2/me") => panic!("the answer is held"),
        () = gate.reached() => {}
    }
    gate.open();
    let record = record_name(&browser);
    eventually("the new tokens are stored", async || records.generation(&record).await == 2).await;
    assert_eq!(browser.get("/v2/me").await.status, 200);
    assert_eq!(refreshes(&world), 1);
}

/// Contract §6.5, R115: Redis hangs: 503 or business as usual, no cookie removed, no redirect; and
/// afterwards all is as before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_5_an_outage_of_the_store_logs_nobody_out() {
    let world = World::builder().redis().instances(2).spawn().await;
    let browser = world.logged_in().await;
    assert_eq!(browser.get("/v2/me").await.status, 200);
    let cookie = browser.session_cookie();
    world.redis().freeze();
    let mut answers = Vec::new();
    for instance in [0, 1] {
        browser.go_to(instance);
        for target in ["/v2/me", "/auth/session", "/v2/lists"] {
            answers.push(browser.send(Call::get(target).reaches_the_api()).await);
        }
    }
    world.redis().thaw();
    for answer in answers {
        assert!([200, 503].contains(&answer.status.as_u16()), "{answer:?}");
        assert!(answer.set_cookies().is_empty() && answer.header("location").is_empty(), "{answer:?}");
    }
    assert_eq!(browser.session_cookie(), cookie);
    for instance in [0, 1] {
        browser.go_to(instance);
        eventually("the store is back", async || browser.get("/v2/me").await.status == 200).await;
    }
}

/// Contract §6.6, R60: with Redis and with the embedded file, every session of before works after.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_6_a_restart_loses_no_stored_session() {
    let directory = tempfile::tempdir().unwrap();
    let file = format!("embedded:{}", directory.path().join("sessions.redb").display());
    for builder in [hourly().redis().instances(2), hourly().set("store.url", file)] {
        let mut world = builder.spawn().await;
        let mut browsers = Vec::new();
        for _ in 0..5 {
            browsers.push(world.logged_in().await);
        }
        world.advance(HOUR + SECOND);
        assert_eq!(browsers[0].get("/v2/me").await.status, 200, "one of them with refreshed tokens");
        world.restart(0, &[]);
        for old in &browsers {
            let browser = same_cookie(world.browser(), old);
            assert_eq!(browser.get("/v2/me").await.status, 200);
        }
        assert_eq!(refreshes(&world), 5);
    }
}

/// Contract §6.7, R29, R30: what is in Redis names nobody and opens for nobody without the key, and
/// each key has an end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_7_nothing_at_rest_is_usable_without_the_key() {
    let mut world = World::builder().redis().spawn().await;
    let browser = world.logged_in().await;
    let mut records = Records::of(&world).await;
    let names: Vec<String> = records.ask(&["KEYS", "*"]).await;
    assert!(names.contains(&record_name(&browser)), "a session is named by the hash of its id");
    let mut secrets = world.sandbox.issued_secrets();
    secrets.extend([session_id(&browser), browser.session_cookie().unwrap()]);
    for name in &names {
        let left: i64 = records.ask(&["PTTL", name]).await;
        assert!(left > 0, "{name}: {left}");
        let bytes = records.bytes(name).await.unwrap();
        let text = format!("{name} {}", String::from_utf8_lossy(&bytes));
        assert!(secrets.iter().all(|secret| !text.contains(secret)), "{name}");
    }
    // The whole of Redis, and a broker with another key of the same name.
    world.restart(0, &[("sealing.keys", "k1:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=")]);
    browser.expect_ended();
    let thief = same_cookie(world.browser(), &browser);
    assert_over(&thief.get("/v2/me").await);
    assert!(world.sandbox.journal().api().is_empty());
}
