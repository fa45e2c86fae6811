//! A login without `offline_access` lasts as long as its access token.

use whisk_sandbox::{ApiFault, RefreshTokenPolicy};

use super::{HOUR, SECOND, hourly, refreshes};
use crate::support::records::{Records, record_name};
use crate::support::world::WorldBuilder;

fn without_refresh_tokens() -> WorldBuilder {
    hourly().sandbox(|config| config.behaviour.issue_refresh_token = RefreshTokenPolicy::Never)
}

/// W4, R45: the session ends with the token; nothing is ever asked with an empty refresh token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_refresh_token_the_session_ends_with_the_access_token() {
    let world = without_refresh_tokens().redis().spawn().await;
    let browser = world.logged_in().await;
    browser.expect_ended();
    let record = record_name(&browser);
    let session = browser.get("/auth/session").await.json();
    let at = |name: &str| humantime::parse_rfc3339(session[name].as_str().unwrap()).unwrap();
    for end in ["expires_at", "idle_expires_at"] {
        assert!(
            at(end).duration_since(at("created_at")).unwrap() <= HOUR,
            "{end} is no later than the token's"
        );
    }
    world.advance(HOUR - 10 * SECOND);
    assert_eq!(browser.get("/v2/me").await.status, 200, "an aging token is used to its end");
    world.advance(11 * SECOND);
    let seen = world.sandbox.journal().next();
    let answer = browser.get("/v2/me").await;
    answer.assert_problem(401, "session_ended");
    assert_eq!(Records::of(&world).await.bytes(&record).await, None);
    assert_eq!(browser.get("/auth/session").await.json()["authenticated"], false);
    assert!(world.sandbox.journal().since(seen).is_empty());
    assert_eq!(refreshes(&world), 0);
}

/// W16: without a refresh token, a body that names a dead token ends the session; any other 401
/// is the browser's, and the session stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_refresh_token_only_a_401_that_names_a_dead_token_ends_the_session() {
    let dead = [
        "auth.tokenExpired",
        "auth.tokenNotFound",
        "auth.tokenInvalid",
        "oauth.unauthorized",
        "user.tokenExpired",
    ];
    let cases = dead
        .iter()
        .flat_map(|code| {
            [
                (format!("{{\"code\":\"{code}\",\"message\":\"m\"}}"), true),
                (format!("{{\"error_code\":\"{code}\",\"message\":\"m\"}}"), true),
            ]
        })
        .chain([
            ("{\"code\":\"auth.tokenRequired\"}".to_owned(), false),
            ("{\"code\":\"something.else\"}".to_owned(), false),
            ("{\"message\":\"auth.tokenExpired\"}".to_owned(), false),
            ("auth.tokenExpired".to_owned(), false),
            ("[]".to_owned(), false),
            (String::new(), false),
        ]);
    let world = without_refresh_tokens().spawn().await;
    for (body, ends) in cases {
        let browser = world.logged_in().await;
        let fault = ApiFault::Status(401, body.clone(), "application/json".to_owned());
        world.sandbox.behaviour(|whisk| whisk.api_faults.push_back(fault));
        let seen = world.sandbox.journal().next();
        let answer = browser.get("/v2/me").await;
        assert_eq!(world.sandbox.journal().since(seen).len(), 1, "{body}: one call, no refresh");
        if ends {
            browser.expect_ended();
            answer.assert_problem(401, "session_ended");
            assert_eq!(browser.session_cookie(), None, "{body}");
            assert_eq!(browser.get("/auth/session").await.json()["authenticated"], false);
        } else {
            assert_eq!((answer.status.as_u16(), answer.text()), (401, body.clone()));
            assert_eq!(answer.header("x-whisk-bff-error"), "", "{body}: it is the API's answer");
            assert_eq!(browser.get("/v2/me").await.status, 200, "{body}");
        }
    }
    assert_eq!(refreshes(&world), 0);
}
