//! A shared cache between two users and the broker: nginx, told to keep whatever it may.
//!
//! Its configuration is what an operator writes who has never thought of users: the path is the
//! key, everything is kept for ten minutes unless the answer says no. It obeys `Cache-Control`,
//! `Expires`, `Vary` and `Set-Cookie` as nginx does by itself.

mod nginx;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use nginx::Nginx;

use crate::support::raw::{RawAnswer, RawRequest, RawServer};
use crate::support::wire::{Reply, Wire};
use crate::support::world::HOST;
use crate::support::{Answer, Browser, World};

/// What an API may say to caches; `~` for the end of a line.
const SAYINGS: [&str; 22] = [
    "",
    "Cache-Control: public, max-age=600~",
    "Cache-Control: public, max-age=600~Vary: Accept~",
    "Cache-Control: public, max-age=600, immutable~ETag: \"e\"~",
    "Cache-Control: max-age=600~Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT~",
    "Cache-Control: s-maxage=600~",
    "Cache-Control: max-age=600~Age: 1~",
    "Cache-Control: must-understand, no-store, max-age=600~",
    "Cache-Control: private=\"set-cookie\", max-age=600~",
    "Cache-Control: no-cache=\"a\", public, max-age=600~",
    "Cache-Control: max-age=600, stale-while-revalidate=600, stale-if-error=600~",
    "Cache-Control: Public~Cache-Control: Max-Age=600~",
    "Cache-Control: x=\"open, public, max-age=600~",
    "Expires: Thu, 01 Dec 2999 16:00:00 GMT~",
    "Expires: Thu, 01 Dec 2999 16:00:00 GMT~Cache-Control: public~",
    "Pragma: public~Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT~",
    "X-Accel-Expires: 600~",
    "X-Accel-Expires: 600~Cache-Control: public, max-age=600~",
    "Surrogate-Control: max-age=600~CDN-Cache-Control: public, max-age=600~",
    "Set-Cookie: x=y~Cache-Control: public, max-age=600~",
    "Vary: Accept-Encoding~ETag: W/\"e\"~",
    "Connection: cache-control~Cache-Control: private~",
];

/// An answer that names its owner, by the token and without it.
fn script(request: RawRequest) -> RawAnswer {
    let mut hasher = DefaultHasher::new();
    request.headers("authorization").hash(&mut hasher);
    let body = format!("owner {:016x}", hasher.finish());
    let line = request.request_line();
    let lines = line
        .split(['/', ' ', '?'])
        .find_map(|segment| segment.strip_prefix("saying"))
        .and_then(|number| number.parse::<usize>().ok())
        .map_or("", |number| SAYINGS[number])
        .replace('~', "\r\n");
    let status = match () {
        () if line.contains("/gone") => "404 Not Found",
        () if line.contains("/moved") => "301 Moved Permanently\r\nLocation: /v2/me",
        () if request.header("range").is_some() => "206 Partial Content\r\nContent-Range: bytes 0-21/22",
        () if request.header("if-none-match").is_some() => {
            return RawAnswer::Bytes(format!("HTTP/1.1 304 Not Modified\r\n{lines}\r\n").into_bytes());
        }
        () => "200 OK",
    };
    let length = body.len();
    let sent = if line.starts_with("HEAD") { "" } else { &body };
    RawAnswer::Bytes(
        format!("HTTP/1.1 {status}\r\n{lines}Content-Length: {length}\r\n\r\n{sent}").into_bytes(),
    )
}

/// R90, R89: whatever the API says to caches, each user gets the own answer, each call reaches the
/// API, and the cache keeps nothing: of the API, of ours, or with `Set-Cookie`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cache_in_front_gives_nobody_another_s_answer() {
    let api = RawServer::start(script);
    let world = World::builder().set("whisk.api_url", api.url()).spawn().await;
    let nginx = Nginx::start(world.address(0), api.addr()).await;
    let (a, b) = (world.logged_in().await, world.logged_in().await);
    let (mine, yours) = (a.get("/v2/me").await.text(), b.get("/v2/me").await.text());
    assert!(mine.starts_with("owner ") && yours.starts_with("owner ") && mine != yours);

    // The cache works: what does not come from the broker is kept, and given to the next.
    for _ in 0..2 {
        assert_eq!(ask(&nginx, "GET /control/saying1", "Authorization: a\r\n").status, 200);
    }
    let kept = ask(&nginx, "GET /control/saying1", "Authorization: b\r\n");
    assert_eq!(kept.header("x-cache"), "HIT", "{kept:?}");
    let before = (api.requests().len(), nginx.kept().len());
    assert_eq!(before.1, 1);

    let mut asked = 0;
    for kind in ["", "/gone", "/moved"] {
        for (number, saying) in SAYINGS.iter().enumerate() {
            let target = format!("/v2{kind}/saying{number}");
            for (method, more) in [
                ("GET", ""),
                ("GET", ""),
                ("HEAD", ""),
                ("GET", "If-None-Match: \"e\"\r\n"),
                ("GET", "If-None-Match: W/\"e\"\r\n"),
                ("GET", "Range: bytes=0-21\r\n"),
                ("GET", "Authorization: Bearer x\r\n"),
            ] {
                for (browser, own) in [(&a, &mine), (&b, &yours)] {
                    let answer = with_session(&nginx, &format!("{method} {target}"), browser, more);
                    asked += 1;
                    let told = format!("{method} {target} {saying:?} {more:?}: {answer:?}");
                    if method == "GET" && answer.status != 304 {
                        assert_eq!(&answer.text(), own, "{told}");
                    }
                    assert_ne!(answer.header("x-cache"), "HIT", "{told}");
                    assert!(answer.set_cookies().is_empty(), "{told}");
                }
            }
        }
    }
    // nginx asks for the whole where a part or a head is asked for that it might keep.
    assert_eq!(api.requests().len(), before.0 + asked, "each call reached the API");

    ours(&nginx, &a, &b).await;
    let kept = nginx.kept();
    assert_eq!(kept.len(), 1, "the cache keeps nothing of the broker's: {kept:#?}");
    let kept = kept[0].to_ascii_lowercase();
    assert!(kept.contains("/control/saying1") && !kept.contains("set-cookie"), "{kept}");
}

/// The broker's own answers.
async fn ours(nginx: &Nginx, a: &Browser, b: &Browser) {
    let stranger = "Sec-Fetch-Site: same-origin\r\n";
    // A refusal first: it is nobody else's.
    ask(nginx, "GET /v2/new", stranger).assert_problem(401, "login_required");
    assert_eq!(with_session(nginx, "GET /v2/new", a, "").status, 200);
    ask(nginx, "GET /v2/new", stranger).assert_problem(401, "login_required");
    for _ in 0..2 {
        let session = |answer: Answer| answer.json();
        assert_eq!(session(ask(nginx, "GET /auth/session", stranger))["authenticated"], false);
        let one = session(with_session(nginx, "GET /auth/session", a, ""));
        let two = session(with_session(nginx, "GET /auth/session", b, ""));
        assert_eq!((&one["authenticated"], &two["authenticated"]), (&true.into(), &true.into()));
    }
    // Each login is another.
    let begun: HashSet<String> = (0..3)
        .map(|_| {
            let answer = ask(nginx, "GET /auth/login", "");
            assert_eq!((answer.status.as_u16(), answer.set_cookies().len()), (302, 1), "{answer:?}");
            answer.header("location").to_owned()
        })
        .collect();
    assert_eq!(begun.len(), 3);
    for _ in 0..2 {
        ask(nginx, "GET /auth/callback?state=x&code=y", "").assert_problem(400, "login_failed");
        ask(nginx, "GET /nothing", "").assert_problem(404, "not_found");
    }
    // An ended session ends at once, cache or not.
    assert_eq!(with_session(nginx, "GET /v2/saying1", b, "").status, 200);
    let cookie = format!("Cookie: {}\r\nSec-Fetch-Site: same-origin\r\n", b.cookie_line());
    assert_eq!(ask(nginx, "POST /auth/logout", &format!("{cookie}Content-Length: 0\r\n")).status, 204);
    b.expect_ended();
    assert_eq!(ask(nginx, "GET /v2/saying1", &cookie).status, 401);
}

fn with_session(nginx: &Nginx, line: &str, browser: &Browser, more: &str) -> Answer {
    let cookie = browser.cookie_line();
    ask(nginx, line, &format!("Cookie: {cookie}\r\nSec-Fetch-Site: same-origin\r\n{more}"))
}

#[track_caller]
fn ask(nginx: &Nginx, line: &str, headers: &str) -> Answer {
    let mut wire = Wire::connect(nginx.address());
    wire.send(format!("{line} HTTP/1.1\r\nHost: {HOST}\r\n{headers}\r\n"));
    match wire.reply(line.starts_with("HEAD")) {
        Reply::Whole(answer) => answer,
        reply => panic!("{line}: {reply:?}"),
    }
}
