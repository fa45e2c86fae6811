//! What somebody finds who reads Redis, or writes to it.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use whisk_sandbox::{Gate, TokenFault};

use crate::refresh::{HOUR, SECOND, hourly};
use crate::support::records::{Records, record_name, session_id};
use crate::support::{World, eventually};

/// R29, contract §6.7: a record copied over another's name opens for nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_copied_over_another_key_opens_for_nobody() {
    let world = World::builder().redis().instances(2).spawn().await;
    let (alice, bob) = (world.logged_in().await, world.logged_in().await);
    let mut records = Records::of(&world).await;
    let (hers, his) = (record_name(&alice), record_name(&bob));
    let record = records.bytes(&hers).await.unwrap();
    records.overwrite(&his, &record).await;
    bob.expect_ended();

    // The other instance has not seen his session before.
    let answer = bob.go_to(1).get("/v2/me").await;

    assert_eq!(answer.status, 401, "{answer:?}");
    assert_eq!(bob.get("/auth/session").await.json()["authenticated"], false);
    assert_eq!(world.sandbox.journal().api().len(), 0, "her token was not used for him");
    assert_eq!(records.bytes(&hers).await, Some(record));
    assert_eq!(alice.go_to(1).get("/v2/me").await.status, 200);
}

/// R28, R29: neither tokens, codes, verifiers, secrets nor cookie values are in Redis, in any
/// stage of a session: a login in progress, a session, a refresh.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_of_redis_holds_no_secret() {
    let world = hourly().redis().spawn().await;
    let browser = world.logged_in().await;
    let waiting = world.browser();
    waiting.authorize("/auth/login").await;
    let gate = Gate::new();
    world.sandbox.behaviour(|whisk| whisk.token_faults.push_back(TokenFault::Gate(gate.clone())));
    world.advance(HOUR + SECOND);

    let look = async {
        gate.reached().await;
        let during = dump(&world).await;
        gate.open();
        during
    };
    let (answer, during) = tokio::join!(browser.get("/v2/me"), look);
    assert_eq!(answer.status, 200);
    let dump = [during, dump(&world).await].concat();

    let found: Vec<&str> = ["whisk-bff:s:{", "whisk-bff:t:{", "whisk-bff:l:{"]
        .into_iter()
        .filter(|kind| contains(&dump, kind.as_bytes()))
        .collect();
    assert_eq!(found.len(), 3, "every kind of key was there: {found:?}");
    let id = session_id(&browser);
    let mut secrets = world.sandbox.issued_secrets();
    secrets.extend(["AT_MARK", "RT_MARK", "CODE_MARK", "SEC_MARK", "demo-baker"].map(str::to_owned));
    secrets.extend([browser.session_cookie().unwrap(), id.clone()]);
    let login_cookies = waiting.cookie_line();
    secrets.extend(login_cookies.split("; ").map(|pair| pair.split_once('=').unwrap().1.to_owned()));
    let asked = world.sandbox.journal().authorize();
    let state = asked.iter().filter_map(|call| call.query()?.split_once("state=")).next_back().unwrap().1;
    let state = state.split('&').next().unwrap();
    secrets.push(state.to_owned());
    for secret in &secrets {
        assert!(!secret.is_empty());
        let forms = [
            secret.clone().into_bytes(),
            STANDARD.encode(secret).into(),
            URL_SAFE_NO_PAD.encode(secret).into(),
        ];
        for form in forms {
            assert!(!contains(&dump, &form), "{}… is in Redis", &secret[..secret.len().min(8)]);
        }
    }
    // Nor the id's own bytes.
    if let Ok(bytes) = URL_SAFE_NO_PAD.decode(&id) {
        assert!(!contains(&dump, &bytes));
    }
}

/// R30: a login in progress, a session, a lease, a pause after a failure and the layout's version:
/// each key has an end. (The world looks for keys without one after each test with Redis, too.)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_key_in_redis_has_an_end() {
    let world = hourly().redis().spawn().await;
    let browser = world.logged_in().await;
    world.browser().authorize("/auth/login").await;
    let gate = Gate::new();
    world.sandbox.behaviour(|whisk| {
        whisk.token_faults.push_back(TokenFault::Gate(gate.clone()));
        whisk.token_faults.push_back(TokenFault::Status(503, String::new(), String::new()));
    });
    world.advance(HOUR + SECOND);
    let mut records = Records::of(&world).await;
    let look = async {
        gate.reached().await;
        let kinds = mortal_kinds(&world).await;
        gate.open();
        kinds
    };
    let (answer, kinds) = tokio::join!(browser.get("/v2/me"), look);
    assert_eq!(answer.status, 200);
    assert_eq!(kinds, ["l", "s", "schema", "t"]);

    world.advance(HOUR + SECOND);
    assert_eq!(browser.get("/v2/me").await.status, 503);
    assert!(mortal_kinds(&world).await.contains(&"l".to_owned()), "the pause after a failure");
    eventually("the session heals", async || browser.get("/v2/me").await.status == 200).await;
    let lease = record_name(&browser).replacen(":s:", ":l:", 1);
    assert_eq!(records.bytes(&lease).await, None, "and a lease that is given back is gone");
    let session: i64 = records.ask(&["PTTL", &record_name(&browser)]).await;
    assert!(Duration::from_millis(session.unsigned_abs()) <= 60 * 24 * HOUR, "{session}");
}

/// The kinds of keys there are, each of which has an end.
async fn mortal_kinds(world: &World) -> Vec<String> {
    let mut records = Records::of(world).await;
    let mut kinds = Vec::new();
    for key in records.ask::<Vec<String>>(&["KEYS", "*"]).await {
        let left: i64 = records.ask(&["PTTL", &key]).await;
        assert!(left > 0, "{key}: {left}");
        kinds.push(key.split(':').nth(1).unwrap().to_owned());
    }
    kinds.sort();
    kinds.dedup();
    kinds
}

/// Every name and value in Redis.
async fn dump(world: &World) -> Vec<u8> {
    let mut records = Records::of(world).await;
    let mut bytes = Vec::new();
    for key in records.ask::<Vec<String>>(&["KEYS", "*"]).await {
        bytes.extend_from_slice(key.as_bytes());
        bytes.push(b'\n');
        bytes.extend(records.bytes(&key).await.unwrap_or_default());
    }
    bytes
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}
