//! Who is said to have called, and by which way.

use super::Stage;
use crate::support::Answer;
use crate::support::raw::RawRequest;
use crate::support::wire::Wire;
use crate::support::world::HOST;

/// What another hop, or somebody who wants to pass for one, would write.
const CLAIMS: [&str; 18] = [
    "X-Forwarded-For: 6.6.6.6",
    "x-forwarded-for: 6.6.6.6, 6.6.6.7",
    "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 6.6.6.7",
    "X_Forwarded_For: 6.6.6.6",
    "x_forwarded-for: 6.6.6.6",
    "Forwarded: for=6.6.6.6;host=6.6.6.6;proto=https",
    "X-Forwarded-Host: 6.6.6.6",
    "X_Forwarded_Host: 6.6.6.6",
    "X-Forwarded-Proto: 6.6.6.6",
    "X-Forwarded-Port: 6666",
    "X-Forwarded-Prefix: /6.6.6.6",
    "X-Forwarded-Uri: /6.6.6.6",
    "X-Forwarded-Anything: 6.6.6.6",
    "X-Real-IP: 6.6.6.6",
    "x_real_ip: 6.6.6.6",
    "X-Client-IP: 6.6.6.6",
    "True-Client-IP: 6.6.6.6",
    "CF-Connecting-IP: 6.6.6.6",
];

fn hop(request: &RawRequest) -> [Option<String>; 4] {
    ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "forwarded"].map(|name| request.header(name))
}

/// R77, R78: by default nobody is believed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_stranger_says_of_earlier_hops_changes_nothing() {
    let stage = Stage::plain(&[]).await;
    for (n, claim) in CLAIMS.into_iter().enumerate() {
        assert_eq!(stage.ask("GET /v2/me", &format!("{claim}\r\n")).status, 200, "{claim}");
        let request = stage.last(n + 1);
        let expected =
            ["127.0.0.1", "app.test", "https", "for=127.0.0.1;host=app.test;proto=https"].map(str::to_owned);
        assert_eq!(hop(&request), expected.map(Some), "{claim}");
        assert!(
            !format!("{request:?}").contains("6.6.6") && !format!("{request:?}").contains("6666"),
            "{claim}"
        );
        let head = String::from_utf8_lossy(&request.head).into_owned();
        let mut names = head.lines().skip(1).filter_map(|line| line.split_once(':')).map(|(name, _)| name);
        assert!(!names.any(|name| name.contains('_')), "{claim}: {head}");
    }
}

/// R77: a peer that is trusted is believed as far as its own words go, and not further left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_trusted_proxy_the_nearest_untrusted_hop_is_the_client() {
    let stage = Stage::plain(&[("server.trusted_proxies", "127.0.0.0/8,10.0.0.0/8")]).await;
    for (claim, chain, forwarded) in [
        ("", "127.0.0.1", "for=127.0.0.1;host=app.test;proto=https"),
        (
            "X-Forwarded-For: 192.0.2.7",
            "192.0.2.7, 127.0.0.1",
            "for=192.0.2.7;host=app.test;proto=https, for=127.0.0.1",
        ),
        (
            "X-Forwarded-For: 6.6.6.6, 192.0.2.7, 10.1.2.3",
            "192.0.2.7, 10.1.2.3, 127.0.0.1",
            "for=192.0.2.7;host=app.test;proto=https, for=10.1.2.3, for=127.0.0.1",
        ),
        (
            "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 2001:db8::7",
            "2001:db8::7, 127.0.0.1",
            "for=\"[2001:db8::7]\";host=app.test;proto=https, for=127.0.0.1",
        ),
        ("X-Forwarded-For: 6.6.6.6, nobody", "127.0.0.1", "for=127.0.0.1;host=app.test;proto=https"),
        (
            "Forwarded: for=6.6.6.6, for=\"[2001:db8::7]:4711\";host=evil",
            "2001:db8::7, 127.0.0.1",
            "for=\"[2001:db8::7]\";host=app.test;proto=https, for=127.0.0.1",
        ),
        ("X-Forwarded-For: 192.0.2.7;for=6.6.6.6", "127.0.0.1", "for=127.0.0.1;host=app.test;proto=https"),
    ] {
        let claims = if claim.is_empty() { String::new() } else { format!("{claim}\r\n") };
        assert_eq!(
            stage
                .ask("GET /v2/me", &format!("{claims}X-Forwarded-Host: evil\r\nX-Real-IP: 6.6.6.6\r\n"))
                .status,
            200
        );
        let request = stage.api.requests().pop().unwrap();
        let expected = [chain, "app.test", "https", forwarded].map(|value| Some(value.to_owned()));
        assert_eq!(hop(&request), expected, "{claim}");
        assert_eq!(request.header("x-real-ip"), None, "{claim}");
    }
}

/// R78: an IPv6 address is written as RFC 7239 has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ipv6_client_stands_in_brackets_and_quotes() {
    let stage = Stage::plain(&[("server.listen", "[::1]:0")]).await;
    assert_eq!(stage.ask("GET /v2/me", "").status, 200);
    let request = stage.last(1);
    assert_eq!(request.header("x-forwarded-for").as_deref(), Some("::1"));
    assert_eq!(request.header("forwarded").as_deref(), Some("for=\"[::1]\";host=app.test;proto=https"));
}

fn at(stage: &Stage, line: &str, hosts: &str) -> Answer {
    let cookie = stage.browser.cookie_line();
    let mut wire = stage.wire();
    wire.send(format!("{line} HTTP/1.1\r\n{hosts}Cookie: {cookie}\r\nSec-Fetch-Site: same-origin\r\nConnection: close\r\n\r\n"));
    wire.answer()
}

/// R78, R106, contract §5 `bad_request`: text in `Host` injects nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_none_is_a_bad_request() {
    let stage = Stage::plain(&[]).await;
    for hosts in [
        "",
        "Host: \r\n",
        "Host: a;for=1.2.3.4\r\n",
        "Host: app.test;for=1.2.3.4\r\n",
        "Host: app.test, app.test\r\n",
        "Host: app.test app.test\r\n",
        "Host: app.test/v2/me\r\n",
        "Host: app.test=\r\n",
        "Host: app.test\"\r\n",
        "Host: [::1\r\n",
        "Host: app.test:80:80\r\n",
        "Host: app.test\r\nHost: app.test\r\n",
        "Host: app.test\r\nHost: evil.example\r\n",
        "Host: evil.example\r\nhost: app.test\r\n",
    ] {
        let answer = at(&stage, "GET /v2/me", hosts);
        assert_eq!(answer.status, 400, "{hosts:?}: {answer:?}");
        let ours = answer.header("x-whisk-bff-error");
        assert!(ours == "bad_request" || ours.is_empty() && answer.body.is_empty(), "{hosts:?}: {answer:?}");
    }
    at(&stage, "GET /v2/me", "Host: a;for=1.2.3.4\r\n").assert_problem(400, "bad_request");
    at(&stage, "GET http://a;b/v2/me", "Host: app.test\r\n").assert_problem(400, "bad_request");
    assert!(stage.api.requests().is_empty());
}

/// R106, contract §5 `wrong_host`: the name we answer to is `public_url`'s, however it is given.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_host_is_misdirected_and_an_absolute_target_counts_for_one() {
    let stage = Stage::plain(&[]).await;
    for (line, host) in [
        ("GET /v2/me", "evil.example"),
        ("GET /v2/me", "app.test.evil.example"),
        ("GET /v2/me", "app.test."),
        ("GET /v2/me", "app.test:80"),
        ("GET /v2/me", "app.test:8443"),
        ("GET /v2/me", "x@app.test"),
        ("GET /v2/me", "127.0.0.1"),
        ("GET /v2/me", "localhost"),
        ("GET http://evil.example/v2/me", HOST),
        ("GET https://evil.example/v2/me", HOST),
        ("GET https://app.test@evil.example/v2/me", HOST),
        ("GET https://x@app.test/v2/me", HOST),
        ("GET /auth/session", "evil.example"),
        ("GET /auth/login", "evil.example"),
        ("POST /auth/logout", "evil.example"),
    ] {
        at(&stage, line, &format!("Host: {host}\r\n")).assert_problem(421, "wrong_host");
    }
    assert!(stage.api.requests().is_empty());
    for (line, host) in [
        ("GET /v2/me", "app.test"),
        ("GET /v2/me", "APP.test"),
        ("GET /v2/me", "app.test:443"),
        ("GET https://app.test/v2/me", "app.test"),
        // RFC 9112 section 3.2.2: the target's authority is the one that counts.
        ("GET https://app.test/v2/me", "evil.example"),
    ] {
        assert_eq!(at(&stage, line, &format!("Host: {host}\r\n")).status, 200, "{line} {host}");
        assert_eq!(stage.api.requests().pop().unwrap().headers("host"), [stage.api.addr().to_string()]);
    }
}

/// R79.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_has_been_here_before_goes_no_further() {
    let stage = Stage::plain(&[]).await;
    for via in [
        "1.1 whisk-bff",
        "1.0 a, 1.1 WHISK-BFF (x), 1.1 b",
        "HTTP/1.1 whisk-bff",
        "1.1 a\r\nVia: 2 whisk-bff",
    ] {
        stage.ask("GET /v2/me", &format!("Via: {via}\r\n")).assert_problem(400, "bad_request");
    }
    assert!(stage.api.requests().is_empty());
    for (via, sent) in [
        ("", vec!["1.1 whisk-bff"]),
        ("Via: 1.1 edge, 2 other-whisk-bff\r\n", vec!["1.1 edge, 2 other-whisk-bff", "1.1 whisk-bff"]),
    ] {
        assert_eq!(stage.ask("GET /v2/me", via).status, 200);
        assert_eq!(stage.api.requests().pop().unwrap().headers("via"), sent);
    }
}

/// R81: what is between the browser and this server stays there; what nobody knows passes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_meant_for_the_broker_ends_here_and_unknown_fields_pass() {
    let stage = Stage::plain(&[]).await;
    let cookie = stage.browser.cookie_line();
    let mut wire = Wire::connect(stage.world.address(0));
    wire.send(format!(
        "GET /v2/me HTTP/1.1\r\nHost: {HOST}\r\nCookie: {cookie}\r\nOrigin: https://app.test\r\n\
         Referer: https://app.test/HEREMARK\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\n\
         Sec-Fetch-Dest: empty\r\nSec-Fetch-User: ?1\r\nX-CSRF: 1\r\nX-HTTP-Method: HEREMARK\r\n\
         X-HTTP-Method-Override: HEREMARK\r\nX-Method-Override: HEREMARK\r\nx_http_method_override: HEREMARK\r\n\
         X-Original-URL: /HEREMARK\r\nX-Rewrite-URL: /HEREMARK\r\nX-Original-URI: /HEREMARK\r\n\
         X-Whisk-BFF-Error: HEREMARK\r\nX-Unknown: 1\r\nx-unknown: two\r\nX-Bytes: caf\u{e9} \"q\"\r\n\
         Accept-Language: de\r\nUser-Agent: test/1\r\nContent-Language: de\r\n\r\n"
    ));
    assert_eq!(wire.answer().status, 200);
    let request = stage.last(1);
    assert_eq!(request.headers("host"), [stage.api.addr().to_string()]);
    assert_eq!(request.headers("x-unknown"), ["1", "two"]);
    for (name, value) in [
        ("x-bytes", "caf\u{e9} \"q\""),
        ("accept-language", "de"),
        ("user-agent", "test/1"),
        ("content-language", "de"),
    ] {
        assert_eq!(request.header(name).as_deref(), Some(value), "{name}");
    }
    let names: Vec<String> = String::from_utf8_lossy(&request.head)
        .lines()
        .skip(1)
        .filter_map(|line| Some(line.split_once(':')?.0.to_ascii_lowercase()))
        .collect();
    for name in ["origin", "referer", "x-csrf", "expect"] {
        assert!(!names.iter().any(|sent| sent == name), "{name}");
    }
    assert!(
        !names.iter().any(|name| name.starts_with("sec-") || name.starts_with("x-whisk-bff")),
        "{names:?}"
    );
    assert!(!format!("{request:?}").contains("HEREMARK"), "{request:?}");
}
