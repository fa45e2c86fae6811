use http::{HeaderMap, StatusCode};
use url::Url;

use super::{headers, values};
use crate::settings::RoutePattern;
use crate::upstream::headers::{HeaderError, ResponseContext, response_headers};
use crate::upstream::path::Routes;

fn answered(status: u16, lines: &[(&str, &str)]) -> Result<HeaderMap, HeaderError> {
    let routes = Routes::new(
        &Url::parse("https://api.whisk.com").unwrap(),
        &[RoutePattern::Prefix("/v2/".to_owned())],
        &["access_token".to_owned()],
    );
    let path = routes.parse("/v2/recipes/7?x=y").unwrap();
    let context = ResponseContext { routes: &routes, path: &path };
    let status = StatusCode::from_u16(status).unwrap();
    response_headers(headers(lines), status, &context)
}

fn ok(lines: &[(&str, &str)]) -> HeaderMap {
    answered(200, lines).unwrap()
}

/// R89, R91, R97, R99: each with a marker, also with `_` for `-`.
#[test]
fn what_must_not_reach_the_browser_does_not() {
    for name in [
        "set-cookie",
        "set-cookie2",
        "access-control-allow-origin",
        "access-control-allow-credentials",
        "access-control-expose-headers",
        "strict-transport-security",
        "alt-svc",
        "clear-site-data",
        "content-security-policy",
        "content-security-policy-report-only",
        "report-to",
        "nel",
        "reporting-endpoints",
        "service-worker-allowed",
        "refresh",
        "server",
        "x-powered-by",
        "x-powered-by-plesk",
        "x-whisk-bff-error",
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "content-length",
        "upgrade",
        "proxy-authenticate",
        "public-key-pins",
        "expect-ct",
        "x-accel-redirect",
        "x-accel-buffering",
        "x-sendfile",
        "surrogate-control",
        "cdn-cache-control",
        "cloudflare-cdn-cache-control",
        "vercel-cdn-cache-control",
        "akamai-cache-control",
        "surrogate-key",
        "edge-control",
        "x-litespeed-location",
        "x-reproxy-url",
        "x-sendfile2",
        "x-lighttpd-send-tempfile",
        "x-envoy-upstream-alt-stat-name",
        "authorization",
        "authentication-info",
        "optional-www-authenticate",
        "x-access-token",
        "x-refresh-token",
        "x-auth-token",
        "via",
        "proxy-status",
        "cache-status",
        "referrer-policy",
        "speculation-rules",
        "permissions-policy",
        "permissions-policy-report-only",
        "cross-origin-opener-policy",
        "cross-origin-opener-policy-report-only",
        "cross-origin-embedder-policy",
        "document-policy",
        "document-isolation-policy",
        "integrity-policy",
        "origin-trial",
        "x-frame-options",
        "sourcemap",
        "critical-ch",
        "activate-storage-access",
        "set-login",
        "use-as-dictionary",
        "sec-session-registration",
        "secure-session-registration",
        "onion-location",
        "attribution-reporting-register-source",
        "x-permitted-cross-domain-policies",
        "accept-ch",
        "x-content-type-options",
        "cross-origin-resource-policy",
        "www-authenticate",
    ] {
        for name in [name.to_owned(), name.replace('-', "_"), name.replace('-', "."), name.replace('-', "!")]
        {
            let got = ok(&[(&name, "MARK"), (&name, "MARK too"), ("x-unknown", "1")]);
            let marked: Vec<_> =
                got.iter().filter(|(_, value)| value.as_bytes().starts_with(b"MARK")).collect();
            assert!(marked.is_empty(), "{marked:?}");
            assert_eq!(values(&got, "x-unknown"), "1");
        }
    }
    let nominated = ok(&[("connection", "x-s, close"), ("x-s", "MARK")]);
    assert_eq!(values(&nominated, "x-s"), "");
}

/// R87, R96.
#[test]
fn everything_else_passes_byte_for_byte() {
    let inbound = [
        ("content-type", "text/html; charset=iso-8859-1"),
        ("content-encoding", "gzip"),
        ("content-range", "bytes 0-1/2"),
        ("accept-ranges", "bytes"),
        ("etag", "W/\"caf\u{e9}\""),
        ("last-modified", "Sat, 29 Oct 1994 19:43:31 GMT"),
        ("date", "Sat, 29 Oct 1994 19:43:31 GMT"),
        ("retry-after", "120"),
        ("link", "</v2/a>; rel=next"),
        ("link", "</v2/b>; rel=prev"),
        ("x-ratelimit-remaining", "3"),
        ("content-disposition", "attachment; filename=\"a,b\""),
    ];
    let got = ok(&inbound);
    for name in headers(&inbound).keys() {
        let of = |headers: &HeaderMap| headers.get_all(name).iter().cloned().collect::<Vec<_>>();
        assert_eq!(of(&got), of(&headers(&inbound)), "{name}");
    }
}

/// R90.
#[test]
fn caches_keep_an_answer_to_its_browser() {
    for (inbound, outbound) in [
        ("", "no-store"),
        (" , ", "no-store"),
        ("public", "private"),
        ("public, max-age=60", "private, max-age=60"),
        ("max-age=60", "private, max-age=60"),
        ("PUBLIC , Max-Age=60,s-maxage=600", "private, Max-Age=60"),
        ("s-maxage = 600, private", "private"),
        ("private, max-age=60", "private, max-age=60"),
        ("Private,  no-cache", "Private,  no-cache"),
        ("no-store", "no-store"),
        ("no-store, public", "no-store"),
        ("no-cache", "private, no-cache"),
        ("must-understand, no-store, max-age=600", "no-store, max-age=600"),
        ("Must-Understand, private", "private"),
        ("private=\"x, public\", max-age=1", "private, private=\"x, public\", max-age=1"),
        ("must-revalidate, x=\"open", "no-store"),
        ("x=\"a\\\", public\"", "private, x=\"a\\\", public\""),
    ] {
        assert_eq!(values(&ok(&[("cache-control", inbound)]), "cache-control"), outbound, "{inbound}");
    }
    assert_eq!(values(&ok(&[]), "cache-control"), "no-store");
    let two = ok(&[("cache-control", "public"), ("Cache-Control", "max-age=5")]);
    assert_eq!(values(&two, "cache-control"), "private, max-age=5");

    for (cache, expires) in [("", ""), ("public", ""), ("private", "tomorrow"), ("no-store", "tomorrow")] {
        let got = ok(&[("cache-control", cache), ("expires", "tomorrow")]);
        assert_eq!(values(&got, "expires"), expires, "{cache}");
    }

    for (inbound, outbound) in [
        (&[][..], "Cookie"),
        (&[("vary", "Origin, Accept")], "Origin, Accept|Cookie"),
        (&[("vary", "accept, COOKIE")], "accept, COOKIE"),
        (&[("vary", "*")], "*"),
    ] {
        assert_eq!(values(&ok(inbound), "vary"), outbound);
    }
}

/// R91: some relations make a browser load things, whatever the answer is.
#[test]
fn a_link_passes_where_it_only_points() {
    for link in [
        "</v2/a?page=2>; rel=\"next\", </v2/a?page=9>; rel=last",
        "<https://api.whisk.com/v2/a>; rel=prev; title=\"a, b\"",
        "</v2/a>; rel=\"self describedby\"",
    ] {
        assert_eq!(values(&ok(&[("link", link)]), "link"), link);
    }
    for link in [
        "</auth/login>; rel=preload; as=fetch",
        "</x.js>; REL=\"ModulePreload\"",
        "</x>; rel=next, <//evil.example>; rel=preconnect",
        "<//evil.example>; rel=dns-prefetch",
        "</x>; rel=\"next prefetch\"",
        "</x>; rel=\"p\\relo\\ad\"",
        "</x.css>; rel=stylesheet",
        "</x>; rel=compression-dictionary",
        "</x>; rel=prerender",
    ] {
        let got = ok(&[("link", link), ("link", "</v2/b>; rel=next")]);
        assert_eq!(values(&got, "link"), "</v2/b>; rel=next", "{link}");
    }
    assert_eq!(values(&ok(&[("connection", "link"), ("link", "</v2/b>; rel=next")]), "link"), "");
}

/// R92.
#[test]
fn an_answer_is_data_and_never_a_page() {
    let got = ok(&[("content-type", "text/html"), ("content-security-policy", "default-src *")]);
    assert_eq!(values(&got, "x-content-type-options"), "nosniff");
    assert_eq!(values(&got, "cross-origin-resource-policy"), "same-origin");
    assert_eq!(
        values(&got, "content-security-policy"),
        "default-src 'none'; frame-ancestors 'none'; sandbox"
    );
}

/// R93.
#[test]
fn a_redirection_stays_within_the_forwarded_paths() {
    for (location, path) in [
        ("https://api.whisk.com/v2/me?a=b#c", "/v2/me?a=b#c"),
        ("https://API.whisk.com:443/v2/a%2Fb", "/v2/a%2Fb"),
        ("//api.whisk.com/v2/me", "/v2/me"),
        ("/v2/me", "/v2/me"),
        ("8", "/v2/recipes/8"),
        ("../me", "/v2/me"),
        ("?page=2", "/v2/recipes/7?page=2"),
    ] {
        for status in [301, 302, 303, 307, 308, 201] {
            let got = answered(status, &[("location", location)]).unwrap();
            assert_eq!(values(&got, "location"), path, "{status}");
        }
    }
    for location in [
        "https://evil.example/v2/me",
        "//evil.example/v2/me",
        "/\\evil.example/v2/me",
        "http://api.whisk.com/v2/me",
        "https://api.whisk.com:8443/v2/me",
        "https://user@api.whisk.com/v2/me",
        "https://api.whisk.com@evil.example/v2/me",
        "/login",
        "../../admin",
        "/v2/../admin",
        "/v2/%252e%252e/admin",
        "/v2/me?access_token=x",
        "javascript:alert(1)",
        "https://",
        "\u{e9}",
    ] {
        assert_eq!(answered(302, &[("location", location)]), Err(HeaderError::Redirect), "{location}");
        assert_eq!(values(&answered(201, &[("location", location)]).unwrap(), "location"), location);
    }
    let two = [("location", "/v2/a"), ("location", "/v2/b")];
    assert_eq!(answered(302, &two), Err(HeaderError::Redirect));
    assert_eq!(values(&answered(304, &[("location", "/admin")]).unwrap(), "location"), "");
    assert!(answered(300, &[]).is_ok());
}

/// R98.
#[test]
fn only_a_bearer_challenge_is_passed_on() {
    for challenge in
        ["Bearer", "bearer realm=\"a, Basic realm=b\", error=\"invalid_token\"", "Bearer a=b, BEARER c=d"]
    {
        let got = answered(401, &[("www-authenticate", challenge)]).unwrap();
        assert_eq!(values(&got, "www-authenticate"), challenge);
    }
    for challenge in [
        "Basic realm=\"x\"",
        "basic",
        "Negotiate",
        "NTLM TlRMTVNTUAAC",
        "Digest realm=\"x\", nonce=\"y\"",
        "Bearer, Basic",
        "Bearer realm=\"a\", Basic realm=\"b\"",
        "Bearer realm=\"a, Basic realm=b",
        "Bearer a=b, Negotiate",
        "realm=x, Bearer",
        "",
    ] {
        let got = answered(401, &[("www-authenticate", challenge), ("WWW-Authenticate", "Basic")]).unwrap();
        assert_eq!(values(&got, "www-authenticate"), "", "{challenge}");
    }
}
