//! The session cookie as it is read: one value, to the letter, wherever it stands.

use super::with_cookie;
use crate::support::world::{HOST, exchange};
use crate::support::{Call, World};

/// R55: eight kilobytes of other cookies do not hide ours.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_kilobytes_of_foreign_cookies_are_tolerated() {
    let world = World::spawn().await;
    let browser = world.logged_in().await;
    let ours = browser.cookie_line();
    let foreign = (0..80).map(|n| format!("foreign{n}={}", "x".repeat(100))).collect::<Vec<_>>().join("; ");
    for line in
        [format!("{foreign}; {ours}"), format!("{ours}; {foreign}"), format!("a; =b; c==; ;; {ours};")]
    {
        assert_eq!(browser.send(with_cookie("/v2/me", &line)).await.status, 200, "{line}");
    }
    let seen = world.sandbox.journal().api();
    assert!(seen.iter().all(|call| call.header("cookie").is_none()), "no cookie reaches the API");
}

/// R56: several `Cookie` lines, ours in any of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_cookie_lines_are_read_as_one() {
    let world = World::spawn().await;
    let browser = world.logged_in().await;
    let ours = browser.cookie_line();
    for lines in [["a=1", &ours], [&ours, "a=1"]] {
        let head = format!(
            "GET /v2/me HTTP/1.1\r\nHost: {HOST}\r\nSec-Fetch-Site: same-origin\r\nCookie: {}\r\nCookie: {}\r\nConnection: close\r\n\r\n",
            lines[0], lines[1]
        );
        let answer = exchange(world.address(0), head.as_bytes());
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    }
}

/// R57: two values, or a name that is not ours to the letter, are no session; the cookie stays, for
/// it may not be the browser's own doing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_session_cookies_or_a_miscased_one_are_no_session() {
    let world = World::spawn().await;
    let (one, two) = (world.logged_in().await, world.logged_in().await);
    let name = "__Host-Http-whisk";
    let (a, b) = (one.session_cookie().unwrap(), two.session_cookie().unwrap());
    let lines = [
        format!("{name}={a}; {name}={b}"),
        format!("{name}={b}; {name}={a}"),
        format!("{name}={a}; {name}=planted"),
        format!("{name}=planted; {name}={a}"),
        format!("{name}=; {name}={a}"),
        format!("__host-http-whisk={a}"),
        format!("__HOST-HTTP-WHISK={a}"),
        format!("__Host-Http-Whisk={a}"),
        format!("whisk={a}"),
        format!("__Host-whisk={a}"),
    ];
    for line in &lines {
        let answer = one.send(with_cookie("/v2/me", line)).await;
        answer.assert_problem(401, "login_required");
        assert!(answer.set_cookies().is_empty(), "{line}");
        let session = one.send(with_cookie("/auth/session", line)).await;
        assert_eq!(session.json()["authenticated"], false, "{line}");
    }
    assert!(world.sandbox.journal().api().is_empty());
    assert_eq!(
        one.send(with_cookie("/v2/me", &format!("{name}={a}; {name}={a}"))).await.status,
        200,
        "one value"
    );
}

/// R51: a cookie that was changed in any place, or made up, is no session and breaks nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_cookie_is_no_session() {
    let world = World::spawn().await;
    let browser = world.logged_in().await;
    let genuine = browser.session_cookie().unwrap();
    let mut forged: Vec<String> = Vec::new();
    for at in (0..genuine.len()).step_by(7).chain([genuine.len() - 1]) {
        let mut bytes = genuine.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        forged.push(String::from_utf8(bytes).unwrap());
        forged.push(genuine[..at].to_owned());
    }
    forged.extend(["x".to_owned(), "%00".to_owned(), "%".to_owned(), "\"".to_owned(), "A".repeat(7000)]);
    for value in &forged {
        let answer = browser.send(with_cookie("/v2/me", &format!("__Host-Http-whisk={value}"))).await;
        answer.assert_problem(401, "login_required");
    }
    assert!(world.sandbox.journal().api().is_empty());
}

/// R50: the id counts in the cookie alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_id_counts_in_the_cookie_alone() {
    let world = World::spawn().await;
    let browser = world.logged_in().await;
    let cookie = browser.session_cookie().unwrap();
    let id = crate::support::records::session_id(&browser);
    for value in [&cookie, &id] {
        let name = "__Host-Http-whisk";
        let calls = [
            Call::get(&format!("/v2/me?{name}={value}")),
            Call::get(&format!("/v2/me?session={value}")),
            Call::get("/v2/me").header(name, value),
            Call::get("/v2/me").header("x-session-id", value),
            Call::get("/v2/me").header("authorization", format!("Bearer {value}")),
            Call::get("/v2/me").header("cookie2", format!("{name}={value}")),
            Call::post("/v2/echo")
                .header("content-type", "application/x-www-form-urlencoded")
                .body(format!("{name}={value}")),
        ];
        for call in calls {
            browser.send(call.no_cookies()).await.assert_problem(401, "login_required");
        }
    }
    assert!(world.sandbox.journal().api().is_empty());
}
