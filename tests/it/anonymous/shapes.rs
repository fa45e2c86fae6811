//! The forms of the call that creates an anonymous user, and answers that are none.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use whisk_bff::clock::ManualClock;
use whisk_bff::oauth::AnonymousEndpoint;
use whisk_bff::settings::Settings;
use whisk_sandbox::{AnonymousShape, TokenFault};

use super::{VISITOR, anonymous, offering, visitor};
use crate::support::raw::{RawAnswer, RawServer};
use crate::support::records::{Records, record_name};
use crate::support::world::ORIGIN;

const LEGACY: &str = "{sandbox}/auth/anonymous/create";
const AUTHENTICATED: &str = "{sandbox}/x/v1/auth/anonymous/create";
const FLAT: &str = "{sandbox}/oauth/v2/token";

/// W20, W21, W22: the four forms, each by settings alone. The sandbox answers one, and refuses the
/// other three.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_the_four_forms_creates_a_session() {
    let current: &[(&str, &str)] = &[];
    let legacy = &[("anonymous.create_url", LEGACY)];
    let authenticated = &[
        ("anonymous.create_url", AUTHENTICATED),
        ("anonymous.client_id_header", "x-whisk-client-id"),
        ("anonymous.body", r#"{"user_params":{}}"#),
    ];
    let flat = &[
        ("anonymous.create_url", FLAT),
        ("anonymous.body", r#"{"grant_type":"anonymous","client_id":"{client_id}"}"#),
    ];
    for (shape, settings) in [
        (AnonymousShape::Current, current),
        (AnonymousShape::Legacy, legacy),
        (AnonymousShape::Authenticated, authenticated),
        (AnonymousShape::Flat, flat),
    ] {
        let mut builder = offering().sandbox(|config| config.behaviour.anonymous = shape);
        for (key, value) in settings {
            builder = builder.set(key, *value);
        }
        let world = builder.spawn().await;
        world.sandbox.behaviour(|whisk| whisk.anonymous_origins = vec![ORIGIN.to_owned()]);
        let browser = anonymous(&world).await;
        let session = browser.get("/auth/session").await.json();
        assert_eq!(session["kind"], "anonymous", "{shape:?}");
        assert_eq!(session["user_id"].is_string(), shape == AnonymousShape::Current, "{shape:?}");
        assert_eq!(browser.get("/v2/me").await.json()["anonymous"], true, "{shape:?}");
        let seen = &world.sandbox.journal().anonymous()[0];
        assert_eq!(seen.header("authorization"), None);
        assert!(!String::from_utf8_lossy(&seen.body).contains("SEC_MARK"), "{shape:?}");
    }
}

/// W21: the older host is never asked unless the settings name it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_that_is_not_configured_is_not_tried() {
    let world =
        offering().sandbox(|config| config.behaviour.anonymous = AnonymousShape::Authenticated).spawn().await;
    let browser = visitor(&world).await;
    browser.post("/auth/anonymous").await.assert_problem(502, "login_server_invalid");
    let targets: Vec<_> = world.sandbox.journal().entries().into_iter().map(|entry| entry.target).collect();
    assert_eq!(targets, ["/auth/anonymous/create"]);
}

/// W20–W23, R22–R27, contract §5: an answer that cannot be used is 502 and no session; the visitor
/// may try again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_answer_is_502_and_no_session() {
    let token = |members: &str| format!("{{\"token\":{{{members}}}}}");
    let good = r#""access_token":"AT_MARK","token_type":"Bearer""#;
    let bodies = [
        String::new(),
        "null".to_owned(),
        "[]".to_owned(),
        "<html>".to_owned(),
        "{}".to_owned(),
        token(good).replace("}}", "}"),
        token(""),
        "{\"token\":\"AT_MARK\"}".to_owned(),
        "{\"token\":[]}".to_owned(),
        "{\"authenticated\":{\"token\":7}}".to_owned(),
        token(r#""access_token":"AT_MARK""#),
        token(r#""access_token":"AT_MARK","token_type":"mac""#),
        token(r#""token_type":"Bearer""#),
        token(r#""access_token":"","token_type":"Bearer""#),
        token(r#""access_token":null,"token_type":"Bearer""#),
        token(r#""access_token":["AT_MARK"],"token_type":"Bearer""#),
        token(r#""access_token":"AT\r\nMARK","token_type":"Bearer""#),
        token(&format!(r#""access_token":"{}","token_type":"Bearer""#, "x".repeat(16 * 1024 + 1))),
        token(&format!("{good},\"refresh_token\":{{}}")),
        token(&format!("{good},{good}")),
    ];
    let garbage = bodies.into_iter().map(TokenFault::Garbage);
    let status = |status, body: &str| TokenFault::Status(status, body.to_owned(), "application/json".into());
    let refusal = "{\"code\":\"no\"}";
    let statuses = [204, 302, 400, 401, 403, 404, 409, 422].map(|code| status(code, refusal));
    let more = [
        status(401, "{\"error\":\"invalid_client\"}"),
        status(400, "{\"error\":\"invalid_grant\"}"),
        TokenFault::Redirect307("http://127.0.0.1:9/elsewhere".to_owned()),
        TokenFault::Endless,
    ];
    let world = offering().redis().spawn().await;
    let mut cases = 0;
    for fault in garbage.chain(statuses).chain(more) {
        let what = format!("{fault:?}");
        let browser = visitor(&world).await;
        world.sandbox.behaviour(|whisk| whisk.anonymous_faults.push_back(fault));
        let answer = browser.post("/auth/anonymous").await;
        assert_eq!(answer.header("x-whisk-bff-error"), "login_server_invalid", "{what}");
        answer.assert_problem(502, "login_server_invalid");
        assert!(answer.set_cookies().is_empty() && browser.cookie(VISITOR).is_some(), "{what}");
        cases += 1;
    }
    let asked = world.sandbox.journal().anonymous().len();
    assert_eq!((asked, world.sandbox.anonymous_users_created()), (cases, 0), "none is asked twice");
    assert!(Records::of(&world).await.sessions().await.is_empty());
    let invalid = "whisk_bff_anonymous_users_total{outcome=\"invalid\"}";
    assert_eq!(world.metric(0, invalid), asked as f64);
    anonymous(&world).await;
}

/// W6, W29, R23: what is odd and no harm: a lifetime that is none, ten kilobytes of preferences, of
/// which nothing is kept, and an id that is no text.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_odd_and_no_harm_creates_a_session_all_the_same() {
    let world = offering().redis().spawn().await;
    let mut records = Records::of(&world).await;
    let preferences = "x".repeat(10 * 1024);
    let mut sizes = Vec::new();
    for (user, expires_in, id) in [
        (json!({ "id": "u1" }), json!(2_592_000), json!("u1")),
        (json!({ "id": "u1", "preferences": { "diets": [preferences] } }), json!("2592000"), json!("u1")),
        (json!({ "id": 17 }), json!(2_592_000.0), json!(null)),
        (json!(null), json!(null), json!(null)),
        (json!([]), json!("soon"), json!(null)),
        (json!("u1"), json!(0), json!(null)),
        (json!({}), json!(-1), json!(null)),
    ] {
        let token = json!({ "access_token": "AT_MARK", "token_type": "bearer", "expires_in": expires_in });
        let body = json!({ "user": user, "token": token }).to_string();
        world.sandbox.behaviour(|whisk| whisk.anonymous_faults.push_back(TokenFault::Garbage(body)));
        let browser = visitor(&world).await;
        let answer = browser.post("/auth/anonymous").await;
        assert_eq!((answer.status.as_u16(), &answer.json()["user_id"]), (201, &id), "{user}");
        sizes.push(records.bytes(&record_name(&browser)).await.unwrap().len());
    }
    assert!(sizes.iter().all(|size| size.abs_diff(sizes[0]) <= 16), "{sizes:?}");
}

/// R26, contract §5: no answer is 503; it is not asked again, and after a few failures for nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_is_503_and_is_not_asked_again() {
    let world = offering().set("whisk.timeout", "400ms").spawn().await;
    let status = |status| TokenFault::Status(status, String::new(), String::new());
    let slow = TokenFault::DelayAfterCommit(Duration::from_millis(1200));
    let faults = [status(500), status(503), TokenFault::DropBeforeAnswer, slow, status(429)];
    let mut asked = 0;
    for fault in faults {
        let what = format!("{fault:?}");
        world.sandbox.behaviour(|whisk| {
            whisk.anonymous_faults.clear();
            whisk.anonymous_faults.push_back(fault);
        });
        let browser = visitor(&world).await;
        let answer = browser.post("/auth/anonymous").await;
        answer.assert_problem(503, "login_server_unavailable");
        assert!(answer.set_cookies().is_empty() && browser.cookie(VISITOR).is_some(), "{what}");
        asked += 1;
        assert_eq!(world.sandbox.journal().anonymous().len(), asked, "{what}: asked once");
        // After some failures in a row nobody asks for a while.
        world.advance(Duration::from_secs(60));
    }
    let lost = "whisk_bff_anonymous_users_total{outcome=\"lost\"}";
    assert_eq!(world.metric(0, lost), 2.0, "whose answer did not come may have been made");
    world.sandbox.behaviour(|whisk| whisk.anonymous_faults.extend((0..10).map(|_| status(500))));
    for _ in 0..10 {
        let browser = visitor(&world).await;
        browser.post("/auth/anonymous").await.assert_problem(503, "login_server_unavailable");
    }
    let more = world.sandbox.journal().anonymous().len() - asked;
    assert!((1..=3).contains(&more), "a server that is down is spared: {more}");
    world.sandbox.behaviour(|whisk| whisk.anonymous_faults.clear());
    world.advance(Duration::from_secs(60));
    anonymous(&world).await;
}

/// R112, W23: an operator is told which setting to look at, and nobody is told a secret.
#[tokio::test]
async fn an_operator_is_told_where_to_look() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    for (answer, hint) in [
        (RawAnswer::json(403, r#"{"code":"AT_MARK"}"#), "anonymous.origin"),
        (RawAnswer::json(401, r#"{"code":"AT_MARK"}"#), "whisk.client_id"),
        (RawAnswer::json(404, ""), "anonymous.create_url"),
        (RawAnswer::json(200, r#"{"token":{"access_token":"AT_MARK"}}"#), "anonymous.body"),
    ] {
        let server = RawServer::start(move |_| answer.clone());
        log.0.lock().unwrap().clear();
        let endpoint = endpoint(&server.url());
        endpoint.create().await.unwrap_err();
        let told = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        let warnings: Vec<_> = told.lines().filter(|line| line.contains("WARN")).collect();
        assert!(warnings.len() == 1 && warnings[0].contains(hint), "{hint}: {told}");
        assert!(!told.contains("MARK") && !format!("{endpoint:?}").contains("MARK"), "{told}");
    }
    drop(guard);
}

fn endpoint(url: &str) -> AnonymousEndpoint {
    let settings = [
        ("WHISK_BFF__SERVER__PUBLIC_URL", ORIGIN),
        ("WHISK_BFF__WHISK__CLIENT_ID", "app:1"),
        ("WHISK_BFF__WHISK__CLIENT_SECRET", "SEC_MARK"),
        ("WHISK_BFF__ANONYMOUS__CREATE_URL", url),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let settings = Settings::load(&[], settings).unwrap();
    AnonymousEndpoint::new(&settings, ORIGIN, ManualClock::new()).unwrap()
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
