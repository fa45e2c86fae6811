//! What single settings take and refuse.

use std::time::Duration;

use super::super::quantity::{bytes, duration, show_bytes, show_duration};
use super::super::{PublicUrl, RoutePattern};
use super::{KEY, faults, with};

/// Each of `good` is taken for `key`, each of `bad` refused, naming the key.
fn judge(key: &str, good: &[&str], bad: &[&str]) {
    for value in good {
        with(&[(key, value)]).unwrap_or_else(|told| panic!("{key} = {value:?}: {told}"));
    }
    for value in bad {
        let told = with(&[(key, value)]).map(|_| ()).expect_err(&format!("{key} = {value:?} was taken"));
        assert!(told.0.iter().all(|fault| fault.key == key), "{key} = {value:?}: {told}");
    }
}

#[test]
fn a_limit_is_a_number_a_period_or_off() {
    for key in
        ["limits.logins", "limits.anonymous_users", "limits.failed_callbacks", "limits.unknown_cookies"]
    {
        judge(
            key,
            &["off", "1/1s", "1000000/1h", "5/90s", "7/1500ms"],
            &[
                "",
                "0",
                "0/1m",
                "5",
                "5/",
                "/1m",
                "+5/1m",
                "5/0s",
                "5/61m",
                "5/999ms",
                "1000001/1m",
                "-1/1m",
                "5/1m/1m",
                "5 / 1m",
                "OFF",
            ],
        );
    }
    judge("limits.addresses", &["1024", "4194304"], &["0", "1023", "4194305", "many"]);
    for key in ["limits.session_in_flight", "limits.session_calls_per_second"] {
        judge(key, &["0", "1", "65535"], &["-1", "65536", "off"]);
    }
}

/// W22: the call's form is a matter of settings; https as for the API.
#[test]
fn the_call_that_creates_an_anonymous_user_is_a_url_a_header_and_a_json_object() {
    judge(
        "anonymous.create_url",
        &["https://graph.whisk.com/auth/anonymous/create", "http://127.0.0.1:8081/x/v1/a", "https://h.test"],
        &["", "http://login.whisk.com/auth", "https://u@h.test/", "https://h.test/?q=1", "login.whisk.com"],
    );
    judge(
        "anonymous.origin",
        &["", "https://www.example.com"],
        &["null", "https://h.test/x", "http://h.test"],
    );
    judge(
        "anonymous.client_id_header",
        &["", "x-whisk-client-id", "X-Client_Id"],
        &["cookie", "Origin", "authorization", "content-length", "x y", "x:y", "é"],
    );
    judge(
        "anonymous.body",
        &[r#"{"grant_type":"anonymous","client_id":"{client_id}"}"#, r#"{"a":{"b":["{client_id}"]}}"#],
        &["", "{}", r#"{"user_params":{}}"#, r#"{"{client_id}":1}"#, r#"["{client_id}"]"#, "{client_id}"],
    );
    with(&[("anonymous.client_id_header", "x-whisk-client-id"), ("anonymous.body", "{}")]).unwrap();
}

#[test]
fn a_public_url_is_an_origin_as_a_browser_writes_it() {
    for (text, origin, authority) in [
        ("https://app.example.com", "https://app.example.com", "app.example.com"),
        ("https://APP.example.com/", "https://app.example.com", "app.example.com"),
        ("https://app.example.com:443", "https://app.example.com", "app.example.com"),
        ("https://app.example.com:8443", "https://app.example.com:8443", "app.example.com:8443"),
        ("http://localhost:80", "http://localhost", "localhost"),
        ("http://[::1]:8080", "http://[::1]:8080", "[::1]:8080"),
        ("http://127.9.9.9:1", "http://127.9.9.9:1", "127.9.9.9:1"),
        ("http://app.localhost", "http://app.localhost", "app.localhost"),
    ] {
        let url = PublicUrl::parse(text, false).unwrap_or_else(|rule| panic!("{text}: {rule}"));
        assert_eq!((url.origin(), url.authority()), (origin, authority));
        assert_eq!(url.secure(), text.starts_with("https"));
    }
    judge(
        "server.public_url",
        &[],
        &[
            "",
            "app.example.com",
            "//app.example.com",
            "https:app.example.com",
            "https:\\\\app.example.com",
            "https://",
            "https:///app.example.com",
            "https://app.example.com/x",
            "https://app.example.com//",
            "https://app.example.com/.",
            "https://app.example.com?",
            "https://app.example.com/?a",
            "https://app.example.com#",
            "https://@app.example.com",
            "https://u:p@app.example.com",
            "https://app.example.com:0",
            "https://app.example.com:99999",
            "https://app.ex\tample.com",
            " https://app.example.com",
            "https://app.example.com ",
            "https://app.example.com\\",
            "https://%61pp.example.com",
            "ftp://app.example.com",
            "wss://app.example.com",
            "null",
            "http://app.example.com",
            "http://localhost.example.com",
            "http://10.0.0.1",
            "http://0.0.0.0",
            "https://[::1",
            "https://a b",
        ],
    );
}

#[test]
fn http_needs_loopback_or_leave_and_leave_is_loud() {
    for (key, url) in [
        ("server.public_url", "http://app.example.com"),
        ("whisk.login_url", "http://login.example.com"),
        ("whisk.api_url", "http://api.example.com"),
    ] {
        assert_eq!(faults(with(&[(key, url)])).0[0].key, key);
        let warnings = with(&[(key, url), ("server.allow_insecure", "true")]).unwrap().warnings();
        assert!(warnings.len() == 1 && warnings[0].starts_with(key), "{warnings:?}");
        let loopback = with(&[(key, "http://127.0.0.1:8081")]).unwrap();
        assert!(loopback.warnings().is_empty());
    }
    for (key, value) in
        [("whisk.scopes", "a:b"), ("whisk.scopes", ""), ("server.trusted_proxies", "0.0.0.0/0")]
    {
        let warnings = with(&[(key, value)]).unwrap().warnings();
        assert!(warnings.len() == 1 && warnings[0].starts_with(key), "{warnings:?}");
    }
}

#[test]
fn neighbours_urls_are_plain_and_the_endpoints_lie_below_them() {
    judge(
        "whisk.api_url",
        &["https://api.example.com:8443"],
        &["https://api.example.com/v2", "", "https://a@b", "https://a?b"],
    );
    judge(
        "whisk.login_url",
        &["https://l.example.com/base/"],
        &["https://l.example.com/a/../b", "https://l#f", "https://l//x"],
    );
    for key in ["whisk.authorize_path", "whisk.token_path"] {
        judge(
            key,
            &["/token"],
            &[
                "", "/", "token", "//token", "/a//b", "/a/../b", "/a?b", "/a#b", "/a b", "/%61", "/a\\b",
                "/a/",
            ],
        );
    }
    let whisk = with(&[("whisk.login_url", "https://l.example.com/base/"), ("whisk.token_path", "/t")])
        .unwrap()
        .whisk;
    assert_eq!(whisk.authorize_url().as_str(), "https://l.example.com/base/oauth/v2/authorize");
    assert_eq!(whisk.token_url().as_str(), "https://l.example.com/base/t");
    let whisk = with(&[]).unwrap().whisk;
    assert_eq!(whisk.token_url().as_str(), "https://login.whisk.com/oauth/v2/token");
}

#[test]
fn clients_scopes_and_names_keep_to_their_alphabets() {
    judge("whisk.client_id", &["a b!~"], &["", "é", "a\nb"]);
    judge("whisk.client_secret", &["a+b&c=d é%"], &["", "a\nb"]);
    judge("whisk.scopes", &["", "a:b,c.d,!#[]~"], &["a b", "a\"", "a\\", "é", "a,,b", "a,a"]);
    judge("whisk.identity_providers", &["", "google,x-y"], &["a&b", "a,a", "a b"]);
    judge(
        "whisk.issuer",
        &["", "https://login.whisk.com", "https://login.whisk.com/"],
        &["whisk", "https://a b", "é"],
    );
    judge("whisk.forbidden_query", &["", "token"], &["a=b", "a&b", "a,a", "a b"]);
    judge(
        "store.key_prefix",
        &["a", "a:b", &"x".repeat(64)],
        &["", "a b", "{a}", "a*", "a?", "[a", "a\n", &"x".repeat(65)],
    );
    judge("session.same_site", &["strict", "lax"], &["none", "Strict", ""]);
    let mapped = with(&[("server.trusted_proxies", "::ffff:10.0.0.0/104,::ffff:192.0.2.7,2001:db8::/32")]);
    let mapped: Vec<_> = mapped.unwrap().server.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(mapped, ["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32"]);
    judge("server.trusted_proxies", &["10.0.0.0/8,::1"], &["10.0.0.0/33", "host", "10.0.0"]);
    judge("server.listen", &["[::1]:0"], &["", "8080", "localhost:8080", "127.0.0.1", "127.0.0.1:99999"]);
    judge("server.workers", &["0", "1024"], &["-1", "1025", "", "two"]);
    judge("server.max_connections", &["1", "1000000"], &["0", "-1", "1000001", ""]);
    judge("server.max_connections_per_address", &["0", "1000000"], &["-1", "1000001", ""]);
    judge("csrf.require_header", &["true", "false"], &["1", "yes", "True", ""]);
}

#[test]
fn a_route_has_one_meaning() {
    judge(
        "forward.routes",
        &["/v2/", "/{service}/v2/", "/v2/,/list/v2/", "/authors/"],
        &[
            "",
            "/",
            "//",
            "v2/",
            "/v2",
            "/v2//x/",
            "/v2/./",
            "/v2/../x/",
            "/v%32/",
            "/v2/?/",
            "/v2/#/",
            "/v2\\x/",
            "/v2/;x/",
            "/auth/",
            "/auth/x/",
            "/{x}/v2/",
            "/{service}/v3/",
            "/a b/",
            "/é/",
        ],
    );
    let routes = with(&[("forward.routes", "/{service}/v2/,/a/")]).unwrap().forward.routes;
    assert_eq!(routes, [RoutePattern::ServicePrefix, RoutePattern::Prefix("/a/".to_owned())]);
}

#[test]
fn sealing_keys_are_32_bytes_under_names_that_differ() {
    let good = format!("k_1-A:{KEY}");
    let two = format!("a:{KEY},a:{KEY}");
    let unnamed = format!(":{KEY}");
    let long = format!("{}:{KEY}", "x".repeat(17));
    let spaced = format!("a b:{KEY}");
    let (short, zero) = ("a:QUJD", format!("a:{}=", "A".repeat(43)));
    let longer = format!("a:{}", "QUJD".repeat(11));
    judge(
        "sealing.keys",
        &["", &good],
        &[&two, &unnamed, &long, &spaced, short, &zero, &longer, KEY, "a:!", "a:", "a"],
    );
}

#[test]
fn zero_is_refused_where_it_means_nothing() {
    for key in ["session.idle_timeout", "session.absolute_timeout"] {
        judge(key, &["1s", "365d"], &["0", "0s", "999ms", "366d"]);
    }
    for key in [
        "whisk.timeout",
        "store.timeout",
        "forward.connect_timeout",
        "forward.response_timeout",
        "forward.idle_timeout",
        "server.head_timeout",
        "server.keep_alive_timeout",
        "forward.pool_idle_timeout",
    ] {
        judge(key, &["1ms", "1m"], &["0", "0ms", "-1s", "400d"]);
    }
    for key in ["server.drain_delay", "server.shutdown_grace", "session.refresh_ahead"] {
        judge(key, &["0", "0s", "1h"], &["", "-1s"]);
    }
    judge("forward.max_body", &["1", "1GiB"], &["0", "2048GiB", "-1"]);
    judge("forward.replay_limit", &["0", "16MiB"], &["16777217", "17MiB"]);
}

#[test]
fn durations_and_sizes_have_one_form() {
    for (text, milliseconds) in [
        ("0", 0),
        ("0s", 0),
        ("500ms", 500),
        ("30s", 30_000),
        ("10m", 600_000),
        ("2h", 7_200_000),
        ("14d", 1_209_600_000),
    ] {
        let read = duration(text).unwrap();
        assert_eq!(read, Duration::from_millis(milliseconds));
        assert_eq!(duration(&show_duration(read)), Some(read));
    }
    assert_eq!(show_duration(Duration::from_secs(90)), "90s");
    for text in [
        "",
        "s",
        "5",
        "00",
        "5 s",
        " 5s",
        "1.5s",
        "-5s",
        "+5s",
        "5S",
        "5sec",
        "1h30m",
        "5us",
        "99999999999999999999s",
        "18446744073709551615d",
    ] {
        assert_eq!(duration(text), None, "{text}");
    }
    for (text, size) in [("0", 0), ("1", 1), ("64KiB", 64 << 10), ("100MiB", 100 << 20), ("1GiB", 1 << 30)] {
        assert_eq!(bytes(text), Some(size));
        assert_eq!(show_bytes(size), text);
    }
    for text in ["", "KiB", "1KB", "1k", "1 KiB", "1.5MiB", "-1", "1B", "18446744073709551615GiB"] {
        assert_eq!(bytes(text), None, "{text}");
    }
}
