//! One user a visitor, whatever the parallelism, the number of instances, and their fate.

use std::time::Duration;

use futures_util::future::join_all;
use whisk_bff::model::Visitor;
use whisk_bff::store::Key;
use whisk_sandbox::{Gate, TokenFault};

use super::{VISITOR, anonymous, offering, visitor};
use crate::support::records::{Records, record_name};
use crate::support::{Answer, Browser, Call, World, eventually};

const LEASE_CONFLICT: &str = "whisk_bff_store_operations_total{operation=\"lease\",outcome=\"conflict\"}";

async fn at_once(browser: &Browser, calls: usize, instances: usize) -> Vec<Answer> {
    // Each call of a page that began before any answer has the visitor cookie and no session.
    let cookie = browser.cookie_line();
    join_all((0..calls).map(|n| {
        let call = Call::post("/auth/anonymous").no_cookies().header("cookie", &cookie);
        async move { browser.go_to(n % instances).send(call).await }
    }))
    .await
}

fn assert_one_user(world: &World, answers: &[Answer]) {
    let first = answers[0].json();
    assert!(first["user_id"].is_string());
    let cookie = |answer: &Answer| {
        let lines = answer.set_cookies();
        lines.into_iter().find(|line| line.starts_with("__Host-Http-whisk=")).expect("the session's cookie")
    };
    for answer in answers {
        assert!([200, 201].contains(&answer.status.as_u16()), "{answer:?}");
        assert_eq!((answer.json(), cookie(answer)), (first.clone(), cookie(&answers[0])));
    }
    let created = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!((created, world.sandbox.anonymous_users_created()), (1, 1));
    assert_eq!(world.sandbox.journal().anonymous().len(), 1);
}

/// W25, R51, contract §4: a hundred calls at once on three instances: one user, one session.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_parallel_posts_on_three_instances_create_one_user() {
    let world = offering().redis().instances(3).spawn().await;
    world.sandbox.behaviour(|whisk| whisk.token_latency = Duration::from_millis(100));
    let browser = visitor(&world).await;

    let answers = at_once(&browser, 100, 3).await;

    assert_one_user(&world, &answers);
    let mut records = Records::of(&world).await;
    assert_eq!(records.sessions().await, [record_name(&browser)]);
    for instance in 0..3 {
        assert_eq!(browser.go_to(instance).get("/v2/me").await.json()["id"], answers[0].json()["user_id"]);
    }
    let count = |outcome: &str| -> f64 {
        let sample = format!("whisk_bff_anonymous_users_total{{outcome=\"{outcome}\"}}");
        (0..3).map(|instance| world.metric(instance, &sample)).sum()
    };
    assert_eq!((count("created"), count("joined"), count("lost")), (1.0, 99.0, 0.0));
    browser.expect_alive();
}

/// W25: the same with the store in memory, and with an address that may have one user alone: those
/// who join are not charged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_join_are_not_charged_for_a_user() {
    let world = offering().set("limits.anonymous_users", "1/1h").spawn().await;
    let browser = visitor(&world).await;
    assert_one_user(&world, &at_once(&browser, 20, 1).await);
    assert_eq!(browser.post("/auth/anonymous").await.status, 200);

    let another = visitor(&world).await;
    another.post("/auth/anonymous").await.assert_problem(429, "rate_limited");
    assert!(another.cookie(VISITOR).is_some(), "it may ask again");
    assert_eq!(world.sandbox.anonymous_users_created(), 1);
}

/// W25, contract §4: a call that comes late with the visitor's cookie finds the session that was
/// made for it, as long as there is one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_call_finds_the_visitors_session_and_never_revives_it() {
    let world = offering().redis().instances(2).spawn().await;
    let browser = visitor(&world).await;
    let cookie = format!("{VISITOR}={}", browser.cookie(VISITOR).unwrap());
    let late = || Call::post("/auth/anonymous").no_cookies().header("cookie", &cookie);
    let made = browser.send(late()).await;
    assert_eq!(made.status, 201);

    let joined = browser.go_to(1).send(late()).await;
    assert_eq!((joined.status.as_u16(), joined.json()), (200, made.json()));
    assert_eq!(joined.set_cookies().len(), 2);

    assert_eq!(browser.post("/auth/logout").await.status, 204);
    for instance in [1, 0] {
        let answer = browser.go_to(instance).send(late()).await;
        answer.assert_problem(409, "visitor_required");
        let cookies = answer.set_cookies();
        assert!(cookies.len() == 1 && cookies[0].starts_with(&format!("{VISITOR}=;")), "{cookies:?}");
    }
    assert!(Records::of(&world).await.sessions().await.is_empty());
    assert_eq!(world.sandbox.anonymous_users_created(), 1);
}

/// R32: the lease is renewed while Whisk is slower than a lease lasts (6 s).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_creation_slower_than_its_lease_stays_the_only_one() {
    let world = offering().redis().instances(2).set("whisk.timeout", "20s").spawn().await;
    let browser = visitor(&world).await;
    let slow = TokenFault::Delay(Duration::from_secs(8));
    world.sandbox.behaviour(|whisk| whisk.anonymous_faults.push_back(slow));
    assert_one_user(&world, &at_once(&browser, 10, 2).await);
}

/// R32: the lease of an instance that died runs out, and the next one creates the user.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lease_of_a_dead_instance_holds_no_visitor_up_for_good() {
    let world = offering().redis().spawn().await;
    let browser = visitor(&world).await;
    let [lease, record] = names(&browser.cookie(VISITOR).unwrap());
    let mut records = Records::of(&world).await;
    let taken: String = records.ask(&["SET", &lease, "a-dead-instance", "PX", "1500"]).await;
    assert_eq!(taken, "OK");

    assert_eq!(browser.post("/auth/anonymous").await.status, 201);

    assert_eq!(world.sandbox.anonymous_users_created(), 1);
    assert_eq!(records.bytes(&lease).await, None, "and it is given back");
    let left: i64 = records.ask(&["PTTL", &record]).await;
    assert!((600_000..=720_000).contains(&left), "the record outlives the visitor's name: {left}");
}

/// What a visitor's lease and record are called in Redis.
fn names(cookie: &str) -> [String; 2] {
    let visitor = Visitor::parse(&cookie[44..]).expect("a visitor behind a signature");
    let hash = Key::visitor(visitor.id()).hash_text();
    ["l", "v"].map(|place| format!("whisk-bff:{place}:{{{hash}}}"))
}

/// R33: an instance that waits takes the session that another made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_waited_answers_with_the_session_that_another_made() {
    let world = offering().redis().instances(2).spawn().await;
    let browser = visitor(&world).await;
    let gate = Gate::new();
    world.sandbox.behaviour(|whisk| whisk.anonymous_faults.push_back(TokenFault::Gate(gate.clone())));
    let cookie = browser.cookie_line();
    let call = || Call::post("/auth/anonymous").no_cookies().header("cookie", &cookie);
    let first = async { browser.go_to(0).send(call()).await };
    let second = async {
        gate.reached().await;
        let waiting = async { browser.go_to(1).send(call()).await };
        let open = async {
            eventually("the other instance waits", async || world.metric(1, LEASE_CONFLICT) >= 1.0).await;
            gate.open();
        };
        tokio::join!(waiting, open).0
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (201, 200));
    assert_one_user(&world, &[first, second]);
}

/// R29, R30, W29, contract §6.7, §7: what is stored of a visitor names nobody and ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_stored_of_a_visitor_names_nobody() {
    let world = offering().redis().spawn().await;
    let browser = visitor(&world).await;
    let cookie = browser.cookie(VISITOR).unwrap();
    let mut records = Records::of(&world).await;
    let names: Vec<String> = records.ask(&["KEYS", "whisk-bff:[stvl]:*"]).await;
    assert!(names.is_empty(), "a visitor who only looks costs nothing: {names:?}");
    assert_eq!(browser.post("/auth/anonymous").await.status, 201);
    browser.expect_alive();
    let names: Vec<String> = records.ask(&["KEYS", "whisk-bff:[stvl]:*"]).await;
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names.contains(&record_name(&browser)));
    let id = cookie[44..].split('.').next().unwrap();
    let mut dump = names.join(" ");
    for name in &names {
        dump += &String::from_utf8_lossy(&records.bytes(name).await.unwrap());
    }
    let session = crate::support::records::session_id(&browser);
    for secret in [id, session.as_str(), "AT_MARK"] {
        assert!(!dump.contains(secret));
    }
}

/// W24: 256 random bits, and another for each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_two_visitors_share_a_user() {
    let world = offering().spawn().await;
    let mut ids = Vec::new();
    for _ in 0..10 {
        let browser = anonymous(&world).await;
        ids.push(browser.get("/v2/me").await.json()["id"].to_string());
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), world.sandbox.anonymous_users_created()), (10, 10));
}
