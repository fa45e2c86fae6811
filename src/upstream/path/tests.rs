//! The allowlist's promises (R71, R72, R80, W18), in tables and at random.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;
use url::{Position, Url};

use super::{Ambiguity, PathError, Routes};
use crate::settings::RoutePattern;

const ORIGIN: &str = "https://api.whisk.com";

fn routes() -> Routes {
    Routes::new(
        &Url::parse(ORIGIN).unwrap(),
        &[RoutePattern::Prefix("/v2/".to_owned()), RoutePattern::ServicePrefix],
        &["access_token".to_owned(), "Token".to_owned()],
    )
}

/// R80.
#[test]
fn what_is_forwarded_is_forwarded_byte_for_byte() {
    for target in [
        "/v2/",
        "/v2/me",
        "/v2/me/",
        "/v2/me?",
        "/v2/a%2Fb",
        "/v2/a%2fb?x=%7B&y=a+b&fields=A&fields=B",
        "/v2/a%2F%2Fb",
        "/v2/%41%62c",
        "/v2/caf%C3%A9",
        "/v2/caf%E9",
        "/v2/100%25",
        "/v2/100%25zz",
        "/v2/a%20b",
        "/v2/a;b=c,d",
        "/v2/...",
        "/v2/.well-known/x..y",
        "/v2/a.b/..c/d..",
        "/v2/~user:name@host/!$&'()*+,;=",
        "/v2/x?url=https://evil.example/../../admin&path=%2e%2e/",
        "/v2/x?q=50%&r=%zz&s=%00",
        "/v2/x?a[]=1&b={}|^`\\",
        "/v2/x??/..//",
        "/v2/x?my_access_token=1&tokens=2&x=token",
        "/shopping-list/v2/items?id=1",
        "/v2/v2/v2/",
    ] {
        let path = routes().parse(target).unwrap_or_else(|error| panic!("{target}: {error}"));
        assert_eq!(path.as_str(), target);
        assert_eq!(routes().url(&path).unwrap().as_str(), format!("{ORIGIN}{target}"));
    }
}

/// R71, R72.
#[test]
fn what_lies_outside_the_allowlist_is_not_found() {
    for target in [
        "",
        "*",
        "/",
        "/v2",
        "/v2?x",
        "/v20/me",
        "/V2/me",
        "/private?x=/v2/me",
        "/private?/v2/me",
        "/private/../v2/me",
        "/./v2/me",
        "/../v2/me",
        "//v2/me",
        "///evil.example/v2/me",
        "/%76%32/me",
        "/v2%2Fme",
        "/v2\\me",
        "\\v2\\me",
        "v2/me",
        "@evil.example/v2/me",
        ":80/v2/me",
        ".evil.example/v2/me",
        "https://evil.example/v2/me",
        "/auth/v2/me",
        "/a%2Fb/v2/me",
        "/%2e%2e/v2/me",
        "/a;b/v2/me",
        "/a/b/v2/me",
        "/service/v2",
        "/service/v3/me",
        "/\u{e9}/v2/me",
    ] {
        assert_eq!(routes().parse(target), Err(PathError::NotFound), "{target}");
    }
}

/// R72, and the ways in which a prefix is escaped.
#[test]
fn what_two_servers_could_read_differently_is_refused() {
    use Ambiguity::*;
    for (target, why) in [
        ("/v2/..", DotSegment),
        ("/v2/.", DotSegment),
        ("/v2/../admin", DotSegment),
        ("/v2/./me", DotSegment),
        ("/v2/a/../../admin", DotSegment),
        ("/v2/%2e%2e/admin", DotSegment),
        ("/v2/%2E./admin", DotSegment),
        ("/v2/.%2e", DotSegment),
        ("/v2/%2e", DotSegment),
        ("/v2/..%2fadmin", DotSegment),
        ("/v2/a%2f..%2f..%2fadmin", DotSegment),
        ("/v2/%2e%2e%2fadmin", DotSegment),
        ("/v2/%252e%252e/admin", DotSegment),
        ("/v2/%252e%252e%252fadmin", DotSegment),
        ("/v2/..%252fadmin", DotSegment),
        ("/v2/..%255cadmin", Backslash),
        ("/v2/a%255cb", Backslash),
        ("/v2/a%25255cb", Backslash),
        ("/v2/a%250d%250ab", Character),
        ("/v2/%252500", Character),
        ("/v2/%25252e%25252e/admin", DotSegment),
        ("/v2/..;/admin", DotSegment),
        ("/v2/..;a=b/admin", DotSegment),
        ("/v2/.;/admin", DotSegment),
        ("/v2/%2e%2e;/admin", DotSegment),
        ("/v2/..%3b/admin", DotSegment),
        ("/v2/%2e%2e%3ba/admin", DotSegment),
        ("/v2/..%253b/admin", DotSegment),
        ("/v2//me", EmptySegment),
        ("/v2/me//", EmptySegment),
        ("/v2//evil.example/", EmptySegment),
        ("/v2/..\\admin", Backslash),
        ("/v2/a\\b", Backslash),
        ("/v2/..%5cadmin", Backslash),
        ("/v2/a%5Cb", Backslash),
        ("/v2/%zz", Escape),
        ("/v2/%", Escape),
        ("/v2/%2", Escape),
        ("/v2/%u002e", Escape),
        ("/v2/%+1", Escape),
        ("/v2/%00", Character),
        ("/v2/a%0d%0aX: y", Character),
        ("/v2/a%0d%0aHost:%20evil", Character),
        ("/v2/a%7f", Character),
        ("/v2/a%09", Character),
        ("/v2/a b", Character),
        ("/v2/a\tb", Character),
        ("/v2/a\r\nb", Character),
        ("/v2/a#b", Character),
        ("/v2/é", Character),
        ("/v2/%c0%ae%c0%ae/admin", Overlong),
        ("/v2/..%c0%afadmin", Overlong),
        ("/v2/%e0%80%ae", Overlong),
        ("/v2/%f0%80%80%ae", Overlong),
        ("/v2/%2525252525252e", NestedEscapes),
        ("/v2/<b>", Rewritten),
        ("/v2/\"", Rewritten),
        ("/v2/{id}", Rewritten),
        ("/v2/a^b`", Rewritten),
        ("/v2/x?q='", Rewritten),
        ("/v2/x?q=\"<>", Rewritten),
        ("/v2/x?q=a b", Rewritten),
        ("/v2/x?q=a#b", Rewritten),
        ("/v2/x?q=a\nb", Rewritten),
        ("/v2/x?q=é", Rewritten),
        ("/v2/x?q=a ", Rewritten),
    ] {
        assert_eq!(routes().parse(target), Err(PathError::Ambiguous(why)), "{target}");
    }
}

/// W18.
#[test]
fn a_query_parameter_that_carries_a_token_is_refused() {
    for query in [
        "access_token=x",
        "access_token",
        "a=b&access_token=x",
        "a=b;access_token=x",
        "ACCESS_TOKEN=x",
        "access%5Ftoken=x",
        "access%255Ftoken=x",
        "%61ccess_token=x",
        "+access_token=x",
        "access_token%20=x",
        "%0d%0aaccess_token%0B",
        "access_token%C2%A0=x",
        "token=x",
        "&&token=&",
    ] {
        assert_eq!(routes().parse(&format!("/v2/me?{query}")), Err(PathError::ForbiddenQuery), "{query}");
    }
}

#[test]
fn the_origin_is_the_configured_one_with_its_port() {
    for (api_url, origin) in [
        ("http://127.0.0.1:8081", "http://127.0.0.1:8081"),
        ("https://api.whisk.com:443", "https://api.whisk.com"),
        ("http://[::1]:8081/", "http://[::1]:8081"),
    ] {
        let routes =
            Routes::new(&Url::parse(api_url).unwrap(), &[RoutePattern::Prefix("/v2/".to_owned())], &[]);
        let path = routes.parse("/v2/me?a=b").unwrap();
        assert_eq!(routes.url(&path).unwrap().as_str(), format!("{origin}/v2/me?a=b"));
    }
}

#[test]
fn a_query_is_not_printed() {
    let path = routes().parse("/v2/me?email=SEC_MARK").unwrap();
    assert_eq!(format!("{path:?}"), "UpstreamPath(/v2/me)");
}

/// Pieces from which targets that hurt are made.
fn hostile_target() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "/",
            "//",
            ".",
            "..",
            "%2e",
            "%2E",
            "%2f",
            "%5c",
            "\\",
            "%25",
            "2e",
            "2f",
            ";",
            "?",
            "#",
            "@",
            ":",
            "v2",
            "%",
            "%00",
            "%zz",
            "%c0%ae",
            "a",
            "me",
            "=",
            "&",
            "token",
            "access_token",
            "'",
            " ",
            "\t",
            "é",
            "|",
            "auth",
        ])
        .prop_map(str::to_owned),
        "[ -~]{0,4}",
        "\\PC{0,2}",
    ];
    let prefix = prop::sample::select(vec!["/v2/", "/v2/", "/v2/", "/service/v2/", "", "/", "//"]);
    (prefix, prop::collection::vec(piece, 0..8))
        .prop_map(|(prefix, pieces)| format!("{prefix}{}", pieces.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// Whatever parses goes to the configured origin, below the prefix, byte for byte, and no
    /// reading of it, decoded as often as one likes, leaves the prefix.
    #[test]
    fn whatever_parses_stays_below_the_prefix_and_unchanged(target in hostile_target()) {
        let Ok(path) = routes().parse(&target) else { return Ok(()) };
        let url = routes().url(&path).unwrap();
        prop_assert_eq!(&url[..Position::BeforePath], ORIGIN);
        prop_assert_eq!(&url[Position::BeforePath..], target.as_str());
        let prefix = if url.path().starts_with("/v2/") { "/v2/" } else { "/service/v2/" };
        prop_assert!(url.path().starts_with(prefix));
        let mut reading = url.path().as_bytes().to_vec();
        for _ in 0..6 {
            let text = String::from_utf8_lossy(&reading).replace('\\', "/");
            let mut depth = 0_i32;
            for segment in text[prefix.len()..].split('/') {
                match segment.split(';').next().unwrap() {
                    ".." => depth -= 1,
                    _ => depth += 1,
                }
                prop_assert!(depth >= 0, "{} leaves the prefix as {}", target, text);
            }
            reading = super::decode(&reading).into_owned();
        }
    }

    /// What is not looked at closely would pass there too.
    #[test]
    fn a_quick_look_agrees_with_a_close_one(
        path in "[a/~_.%\\\\;-]{0,6}|\\PC{0,6}",
        name in "(access|ACCESS)[_.+%]token|[!-~]{0,6}|Token|token.?",
    ) {
        prop_assert!(!super::is_simple(&path) || super::check_closely(&path).is_ok(), "{}", path);
        let close = name.split(['&', ';']).any(|name| {
            routes().forbids_some_reading(name.split('=').next().unwrap())
        });
        prop_assert_eq!(routes().has_forbidden_parameter(&name), close, "{}", name);
    }

    #[test]
    fn parsing_never_panics(target in "\\PC{0,40}") {
        let _ = routes().parse(&target);
        let _ = routes().parse(&format!("/v2/{target}"));
    }
}
