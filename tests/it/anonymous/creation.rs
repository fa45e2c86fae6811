//! `POST /auth/anonymous`, and the visitor cookie it asks for.

use serde_json::json;
use whisk_sandbox::ClientAuthUsed;

use super::{DAY, VISITOR, anonymous, assert_expired, offering, visitor};
use crate::sessions::with_cookie;
use crate::support::world::{CLIENT_SECRET, ORIGIN};
use crate::support::{Call, World};

fn attributes(line: &str) -> Vec<String> {
    let mut attributes: Vec<String> = line.split("; ").skip(1).map(str::to_owned).collect();
    attributes.sort_unstable();
    attributes
}

/// W20, R46, R47, contract §4 `POST /auth/anonymous`: 201 with what `GET /auth/session` says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_visitor_gets_a_user_and_a_session() {
    let world = offering().spawn().await;
    let browser = visitor(&world).await;

    let answer = browser.post("/auth/anonymous").await;

    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("cache-control"), "no-store");
    let body = answer.json();
    let created = &world.sandbox.journal().anonymous()[0];
    assert_eq!((&body["authenticated"], &body["kind"]), (&json!(true), &json!("anonymous")));
    assert_eq!((&body["user_id"], &body["scopes"]), (&json!(created.owner), &json!([])));
    assert_eq!(browser.get("/auth/session").await.json(), body);
    let cookies = answer.set_cookies();
    let [session, visitor] = ["__Host-Http-whisk=", &format!("{VISITOR}=")]
        .map(|name| cookies.iter().find(|line| line.starts_with(name)).expect("both are set"));
    let expected = ["HttpOnly", "Max-Age=2592000", "Path=/", "SameSite=Strict", "Secure"];
    assert_eq!(attributes(session), expected);
    assert_eq!(attributes(visitor), ["HttpOnly", "Max-Age=0", "Path=/", "SameSite=Strict", "Secure"]);
    assert_eq!(cookies.len(), 2);

    let me = browser.get("/v2/me").await.json();
    assert_eq!((&me["id"], &me["anonymous"]), (&body["user_id"], &json!(true)));
    browser.expect_alive();
    assert_eq!(world.sandbox.anonymous_users_created(), 1);
    let created = "whisk_bff_anonymous_users_total{outcome=\"created\"}";
    assert_eq!(world.metric(0, created), 1.0);
    assert_eq!(world.metric(0, "whisk_bff_sessions_started_total{kind=\"anonymous\"}"), 1.0);
}

/// W20, W23, R85: what Whisk is sent: the client id, the configured origin, and of the browser's
/// request nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_the_browser_and_no_secret_is_sent_to_whisk() {
    for (configured, sent) in [("", ORIGIN), ("https://www.example.com", "https://www.example.com")] {
        let world = offering().set("anonymous.origin", configured).spawn().await;
        world.sandbox.behaviour(|whisk| whisk.anonymous_origins = vec![sent.to_owned()]);
        let browser = visitor(&world).await;
        let call = Call::post("/auth/anonymous")
            .header("origin", ORIGIN)
            .header("referer", "https://app.test/page?secret")
            .header("accept-language", "ga")
            .header("user-agent", "a browser")
            .header("x-forwarded-for", "203.0.113.9")
            .header("x-whisk-client-id", "forged")
            .header("authorization", "Bearer forged")
            .body("{\"clientId\":\"forged\"}");
        assert_eq!(browser.send(call).await.status, 201);

        let seen = &world.sandbox.journal().anonymous()[0];
        assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/auth/anonymous/create"));
        let names: Vec<&str> = seen.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["accept", "content-length", "content-type", "host", "origin", "user-agent"]);
        assert_eq!(seen.header_str("origin"), Some(sent));
        assert_eq!(seen.header_str("content-type"), Some("application/json"));
        assert!(seen.header_str("user-agent").unwrap().starts_with("whisk-bff/"));
        let id = &world.sandbox.config().client_id;
        assert_eq!(String::from_utf8_lossy(&seen.body), format!("{{\"clientId\":\"{id}\"}}"));
        assert!(!String::from_utf8_lossy(&seen.body).contains(CLIENT_SECRET));
        assert_eq!(seen.token.as_ref().unwrap().client_auth, ClientAuthUsed::None);
    }
}

/// W25, contract §4: a session of either kind is answered, not replaced.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_is_there_is_answered_and_not_replaced() {
    let world = offering().spawn().await;
    let (person, nobody) = (world.logged_in().await, anonymous(&world).await);
    for (browser, kind, users) in [(&person, "user", 1), (&nobody, "anonymous", 1)] {
        let answer = browser.post("/auth/anonymous").await;
        assert_eq!((answer.status.as_u16(), &answer.json()["kind"]), (200, &json!(kind)));
        assert_eq!(answer.json(), browser.get("/auth/session").await.json());
        assert!(answer.set_cookies().is_empty(), "{answer:?}");
        assert_eq!(world.sandbox.anonymous_users_created(), users);
    }
}

/// W25, contract §4: no visitor cookie, or none of ours: 409, and nothing is created.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_genuine_visitor_cookie_nothing_is_created() {
    let world = offering().spawn().await;
    let browser = world.browser();
    browser.post("/auth/anonymous").await.assert_problem(409, "visitor_required");

    let genuine = visitor(&world).await.cookie(VISITOR).unwrap();
    let other = visitor(&world).await.cookie(VISITOR).unwrap();
    assert_ne!(genuine, other);
    let session = anonymous(&world).await.session_cookie().unwrap();
    let mut altered = genuine.clone();
    altered.pop();
    let before = world.sandbox.anonymous_users_created();
    let unsigned = &genuine[44..];
    let forged = [
        String::new(),
        format!("{VISITOR}="),
        format!("{VISITOR}=x"),
        format!("{VISITOR}={altered}"),
        format!("{VISITOR}={unsigned}"),
        format!("{VISITOR}={}{unsigned}", &other[..44]),
        format!("{VISITOR}={session}"),
        format!("{VISITOR}={genuine}; {VISITOR}={other}"),
        format!("whisk-visitor={genuine}"),
        format!("__host-http-whisk-visitor={genuine}"),
        format!("__Host-Http-whisk={genuine}"),
    ];
    for cookie in forged {
        let call = Call::post("/auth/anonymous").no_cookies().header("cookie", &cookie);
        let answer = browser.send(call).await;
        answer.assert_problem(409, "visitor_required");
        assert!(answer.set_cookies().is_empty(), "{cookie}");
    }
    // A visitor is no session.
    let as_session = with_cookie("/v2/me", &format!("__Host-Http-whisk={genuine}"));
    browser.send(as_session).await.assert_problem(401, "login_required");

    // Its name holds ten minutes.
    let patient = visitor(&world).await;
    world.advance(DAY / 144);
    patient.post("/auth/anonymous").await.assert_problem(409, "visitor_required");
    assert_eq!(world.sandbox.anonymous_users_created(), before);
    let asked = patient.get("/auth/session").await;
    assert_eq!(asked.set_cookies().len(), 1, "one that does not hold any more is replaced");
    assert_eq!(patient.post("/auth/anonymous").await.status, 201);
}

/// Contract §4, R46, R55, R58: who has neither session nor visitor cookie is given the latter.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn get_auth_session_makes_a_visitor_of_a_browser_without_a_session() {
    let world = offering().spawn().await;
    let browser = world.browser();
    let answer = browser.get("/auth/session").await;
    assert_eq!(answer.json(), json!({ "authenticated": false, "login_url": "/auth/login" }));
    assert_eq!(answer.header("cache-control"), "no-store");
    let cookies = answer.set_cookies();
    assert!(cookies.len() == 1 && cookies[0].starts_with(&format!("{VISITOR}=")), "{cookies:?}");
    assert_eq!(attributes(&cookies[0]), ["HttpOnly", "Max-Age=600", "Path=/", "SameSite=Strict", "Secure"]);
    assert!(cookies[0].len() < 512, "{cookies:?}");

    assert!(browser.get("/auth/session").await.set_cookies().is_empty(), "one is enough");
    let planted = Call::get("/auth/session").no_cookies().header("cookie", format!("{VISITOR}=planted"));
    assert_eq!(browser.send(planted).await.set_cookies().len(), 1);
    for known in [world.logged_in().await, anonymous(&world).await] {
        assert!(known.get("/auth/session").await.set_cookies().is_empty());
    }
    assert_eq!(world.sandbox.anonymous_users_created(), 1);
}

/// Contract §4: off by default, and then as if it were not there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_it_is_off_the_route_is_not_there() {
    let world = World::spawn().await;
    for browser in [world.browser(), world.logged_in().await] {
        assert!(browser.get("/auth/session").await.set_cookies().is_empty());
        browser.post("/auth/anonymous").await.assert_problem(404, "not_found");
    }
    assert!(world.sandbox.journal().anonymous().is_empty());
}

/// W25, contract §4: POST alone, and from our own page alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_post_of_our_own_page_creates_a_user() {
    let world = offering().spawn().await;
    let browser = visitor(&world).await;
    for method in ["GET", "PUT", "DELETE"] {
        let answer = browser.send(Call::new(method, "/auth/anonymous")).await;
        answer.assert_problem(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), "POST");
    }
    let post = || Call::post("/auth/anonymous");
    for foreign in [
        post().bare(),
        post().bare().header("origin", "https://evil.test"),
        post().metadata("cross-site", "cors", "empty"),
        post().metadata("same-site", "no-cors", "empty"),
        post().metadata("same-origin", "navigate", "document"),
    ] {
        browser.send(foreign).await.assert_problem(403, "csrf_rejected");
    }
    assert_eq!(world.sandbox.anonymous_users_created(), 0);
    assert_eq!(browser.send(post().bare().header("origin", ORIGIN)).await.status, 201);
}

/// Contract §5: a session that ended just now is told, once, and not silently replaced.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_user_is_told_before_another_is_made() {
    let world = offering().spawn().await;
    let browser = anonymous(&world).await;
    browser.expect_ended();
    world.advance(31 * DAY);
    assert_expired(&browser, &browser.post("/auth/anonymous").await);
    assert_eq!(world.sandbox.anonymous_users_created(), 1);
    browser.post("/auth/anonymous").await.assert_problem(409, "visitor_required");
    browser.get("/auth/session").await;
    assert_eq!(browser.post("/auth/anonymous").await.status, 201);
}
