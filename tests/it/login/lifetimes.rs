//! How long a login lasts, by what the token endpoint says of the token's life.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use whisk_sandbox::{ExpiresIn, RefreshTokenPolicy};

use super::*;

const DAY: u64 = 24 * 60 * 60;
/// `session.absolute_timeout` and `session.idle_timeout`.
const YEAR: u64 = 365 * DAY;
const MONTH: u64 = 30 * DAY;

/// Each form of `expires_in`, and the seconds it is worth.
fn forms() -> Vec<(ExpiresIn, Option<u64>)> {
    let raw = |value: Value| ExpiresIn::Raw(value);
    vec![
        (raw(json!(2_592_000)), Some(2_592_000)),
        (raw(json!(86_400)), Some(86_400)),
        (raw(json!("86400")), Some(86_400)),
        (raw(json!(86_400.0)), Some(86_400)),
        (raw(json!(1_000_000_000_000_000_000_u64)), Some(10 * YEAR)),
        (raw(json!(1e300)), Some(10 * YEAR)),
        (raw(json!("99999999999999999999999999999999999999999999")), Some(10 * YEAR)),
        (ExpiresIn::Absent, None),
        (ExpiresIn::Null, None),
        (raw(json!(0)), None),
        (raw(json!(-1)), None),
        (raw(json!("0")), None),
        (raw(json!("-86400")), None),
        (raw(json!("soon")), None),
        (raw(json!("")), None),
        (raw(json!("86400s")), None),
        (raw(json!(86_400.5)), None),
        (raw(json!(true)), None),
        (raw(json!([86_400])), None),
        (raw(json!({"seconds": 86_400})), None),
    ]
}

/// W6, R24: with a refresh token, no form costs a login, makes it last for ever or is followed by
/// a loop of refreshes; a day later those that said a day have been refreshed once, those that
/// made no sense not at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_form_of_expires_in_logs_in_and_starts_no_refresh_loop() {
    let world = World::spawn().await;
    for (form, worth) in forms() {
        world.sandbox.behaviour(|behaviour| behaviour.expires_in = form.clone());
        let browser = world.logged_in().await;
        let told = session(&browser).await;
        assert!(is_about(life(&told, "expires_at"), YEAR), "{form:?}: {told}");
        assert!(is_about(life(&told, "idle_expires_at"), MONTH), "{form:?}: {told}");
        let before = world.sandbox.journal().grants("refresh_token");
        for _ in 0..3 {
            assert_eq!(browser.get("/v2/me").await.status, 200, "{form:?}");
        }
        assert_eq!(world.sandbox.journal().grants("refresh_token"), before, "{form:?}");

        let later = Duration::from_secs(DAY + 1);
        world.clock.advance(later);
        world.sandbox.advance(later);
        for _ in 0..3 {
            assert_eq!(browser.get("/v2/me").await.status, 200, "{form:?}");
        }
        let refreshes = usize::from(worth.is_some_and(|seconds| seconds <= DAY));
        assert_eq!(world.sandbox.journal().grants("refresh_token"), before + refreshes, "{form:?}");
        browser.expect_ended();
    }
}

/// W6, R24, R45: without a refresh token a login lasts as long as its access token, and where
/// nobody knows how long that is, as long as the settings say.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_refresh_token_a_login_lasts_as_long_as_its_access_token() {
    let world = World::spawn().await;
    for (form, worth) in forms() {
        world.sandbox.behaviour(|behaviour| {
            behaviour.expires_in = form.clone();
            behaviour.issue_refresh_token = RefreshTokenPolicy::Never;
        });
        let browser = world.logged_in().await;
        let told = session(&browser).await;
        let expected = worth.map_or(YEAR, |seconds| seconds.min(YEAR));
        assert!(is_about(life(&told, "expires_at"), expected), "{form:?}: {told}");
        assert!(is_about(life(&told, "idle_expires_at"), expected.min(MONTH)), "{form:?}: {told}");
        assert_eq!(browser.get("/v2/me").await.status, 200, "{form:?}");
    }
    assert_eq!(world.sandbox.journal().grants("refresh_token"), 0);
}

/// Seconds from the session's beginning to that moment.
fn life(session: &Value, moment: &str) -> u64 {
    let time =
        |name: &str| -> SystemTime { humantime::parse_rfc3339(session[name].as_str().unwrap()).unwrap() };
    time(moment).duration_since(time("created_at")).unwrap().as_secs()
}

/// Whether two times are the same but for what an exchange takes, and for the minute by which the
/// idle timeout is set further, so that it need not be moved at every call.
fn is_about(seconds: u64, expected: u64) -> bool {
    (expected - 60..=expected + 120).contains(&seconds)
}
