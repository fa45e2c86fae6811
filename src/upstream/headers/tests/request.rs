use std::net::IpAddr;

use http::HeaderMap;

use super::{headers, values};
use crate::upstream::headers::{ClientHop, HeaderError, request_headers};

fn hop() -> ClientHop<'static> {
    ClientHop {
        peer: IpAddr::from([192, 0, 2, 7]),
        client: IpAddr::from([192, 0, 2, 7]),
        proto: "https",
        host: "app.example.com",
        forwarded_chain: None,
    }
}

fn sent(lines: &[(&str, &str)]) -> HeaderMap {
    request_headers(headers(lines), &hop()).unwrap()
}

/// R73, R74, R76, R77, R81, R83, W18, W19: each with a marker, alone and with `_` for `-`.
#[test]
fn what_must_not_reach_the_api_does_not() {
    for name in [
        "authorization",
        "cookie",
        "cookie2",
        "proxy-authorization",
        "x-whisk-token",
        "x-whisk-client-id",
        "x-whisk-client-secret",
        "x-auth-token",
        "x-access-token",
        "x-api-key",
        "x-csrf",
        "origin",
        "referer",
        "sec-fetch-site",
        "sec-fetch-mode",
        "sec-fetch-dest",
        "sec-fetch-user",
        "x-http-method-override",
        "x-http-method",
        "x-method-override",
        "x-original-url",
        "x-rewrite-url",
        "x-original-uri",
        "x-real-ip",
        "x-forwarded-prefix",
        "x-forwarded-port",
        "x-forwarded-uri",
        "x-forwarded-user",
        "x-client-ip",
        "true-client-ip",
        "cf-connecting-ip",
        "x-host",
        "connection",
        "proxy-connection",
        "keep-alive",
        "te",
        "transfer-encoding",
        "content-length",
        "upgrade",
        "http2-settings",
        "trailer",
        "proxy-authenticate",
        "expect",
        "host",
        "x-auth-request-email",
        "remote-user",
        "client-cert",
        "client-cert-chain",
        "x-forwarded",
        "x-forwarded-client-cert",
        "x-forwarder-for",
        "x-forward-for",
        "forwarded-for",
        "forwarded-for-ip",
        "proxy",
        "x-http-path-override",
        "x-auth-user",
        "x-authenticated-user",
        "x-webauth-user",
        "x-client-cert-dn",
        "x-amzn-oidc-data",
        "x-goog-iap-jwt-assertion",
        "x-ms-client-principal-id",
        "cf-access-jwt-assertion",
        "x-azure-clientip",
        "x-custom-ip-authorization",
        "fly-client-ip",
        "sec-websocket-key",
        "x-whisk-bff-error",
    ] {
        let spelt = |with: &str| name.replace('-', with);
        for name in [name.to_owned(), spelt("_"), spelt("."), spelt("!"), name.to_ascii_uppercase()] {
            let sent = sent(&[(&name, "MARK"), (&name, "MARK too"), ("x-unknown", "1")]);
            let marked: Vec<_> =
                sent.iter().filter(|(_, value)| value.as_bytes().starts_with(b"MARK")).collect();
            assert!(marked.is_empty(), "{marked:?}");
            assert_eq!(values(&sent, "x-unknown"), "1");
        }
    }
}

/// R81, R87: in order, byte for byte, also where they are no text.
#[test]
fn everything_else_passes_byte_for_byte() {
    let lines = [
        ("accept", "application/json;q=0.9, */*"),
        ("accept-encoding", "gzip, br"),
        ("accept-language", "de"),
        ("content-type", "application/json; charset=\"utf-8\""),
        ("content-encoding", "gzip"),
        ("if-none-match", "W/\"1\""),
        ("if-none-match", "\"2\""),
        ("if-modified-since", "Sat, 29 Oct 1994 19:43:31 GMT"),
        ("if-range", "\"x\""),
        ("range", "bytes=0-1"),
        ("user-agent", "agent"),
        ("x-request-id", "7"),
        ("x-unknown", "1"),
        ("x-unknown", "caf\u{e9}"),
        ("x-whisk-feature", "on"),
        ("idempotency-key", "k"),
        ("last-event-id", "3"),
        ("x_custom", "kept"),
    ];
    let inbound = headers(&lines);
    let sent = request_headers(inbound.clone(), &hop()).unwrap();
    for name in inbound.keys() {
        let of = |headers: &HeaderMap| headers.get_all(name).iter().cloned().collect::<Vec<_>>();
        assert_eq!(of(&sent), of(&inbound), "{name}");
    }
}

/// R82: the last hop is this server itself, before anything is forwarded.
#[test]
fn max_forwards_is_one_less() {
    for (inbound, outbound) in
        [("7", "6"), ("1", "0"), ("0", ""), ("00", ""), ("-1", ""), ("x", ""), ("1, 2", "")]
    {
        assert_eq!(values(&sent(&[("max-forwards", inbound)]), "max-forwards"), outbound, "{inbound}");
    }
}

/// R75: reckoned from what came in, so ours cannot be nominated away; and what is nominated goes.
#[test]
fn fields_that_connection_nominates_go_and_ours_stay() {
    let sent = sent(&[
        ("connection", "close, Authorization, x-forwarded-for, Via, forwarded, traceparent"),
        ("connection", "X_Private"),
        ("via", "1.0 old"),
        ("x-private", "MARK"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("x-public", "1"),
    ]);
    assert_eq!(values(&sent, "via"), "1.1 whisk-bff");
    assert_eq!(values(&sent, "x-forwarded-for"), "192.0.2.7");
    assert_eq!(values(&sent, "forwarded"), "for=192.0.2.7;host=app.example.com;proto=https");
    assert_eq!(values(&sent, "x-private"), "");
    assert_eq!(values(&sent, "traceparent"), "");
    assert_eq!(values(&sent, "x-public"), "1");
}

/// R79.
#[test]
fn via_is_extended_and_a_loop_is_refused() {
    assert_eq!(values(&sent(&[]), "via"), "1.1 whisk-bff");
    assert_eq!(
        values(&sent(&[("via", "1.1 a, 1.0 b (whisk-bff)")]), "via"),
        "1.1 a, 1.0 b (whisk-bff)|1.1 whisk-bff"
    );
    for via in ["1.1 whisk-bff", "1.1 a, HTTP/1.1  WHISK-BFF (x)", "1.0 a,1.1\twhisk-bff"] {
        assert_eq!(request_headers(headers(&[("via", via)]), &hop()), Err(HeaderError::Loop), "{via}");
        let nominated = headers(&[("connection", "via"), ("via", via)]);
        assert_eq!(request_headers(nominated, &hop()), Err(HeaderError::Loop), "{via}");
    }
}

/// R77: what a client claims is gone, what is believed is written.
#[test]
fn forwarding_headers_are_ours_alone() {
    let sent = sent(&[
        ("forwarded", "for=MARK"),
        ("x-forwarded-for", "1.2.3.4"),
        ("x_forwarded_for", "1.2.3.4"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "ftp"),
    ]);
    assert_eq!(values(&sent, "x-forwarded-for"), "192.0.2.7");
    assert_eq!(values(&sent, "x_forwarded_for"), "");
    assert_eq!(values(&sent, "x-forwarded-host"), "app.example.com");
    assert_eq!(values(&sent, "x-forwarded-proto"), "https");
    assert_eq!(values(&sent, "forwarded"), "for=192.0.2.7;host=app.example.com;proto=https");
}

/// R78, and what of a believed chain is passed on.
#[test]
fn addresses_are_written_as_rfc_7239_has_them() {
    let proxy: IpAddr = "10.0.0.1".parse().unwrap();
    for (peer, client, chain, host, x_forwarded_for, forwarded) in [
        ("::1", "::1", None, "localhost:8080", "::1", "for=\"[::1]\";host=\"localhost:8080\";proto=https"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.1", None, "a", "192.0.2.1", "for=192.0.2.1;host=a;proto=https"),
        (
            "10.0.0.1",
            "192.0.2.1",
            Some("192.0.2.1"),
            "a",
            "192.0.2.1, 10.0.0.1",
            "for=192.0.2.1;host=a;proto=https, for=10.0.0.1",
        ),
        (
            "10.0.0.1",
            "2001:db8::1",
            Some("1.2.3.4, evil\";by=x, [2001:db8::1]:4711, 10.0.0.2"),
            "[::1]:80",
            "2001:db8::1, 10.0.0.2, 10.0.0.1",
            "for=\"[2001:db8::1]\";host=\"[::1]:80\";proto=https, for=10.0.0.2, for=10.0.0.1",
        ),
        (
            "10.0.0.1",
            "192.0.2.1",
            Some("192.0.2.1, unknown"),
            "a",
            "192.0.2.1, 10.0.0.1",
            "for=192.0.2.1;host=a;proto=https, for=10.0.0.1",
        ),
        (
            "10.0.0.1",
            "192.0.2.1",
            Some("a;for=1.2.3.4"),
            "a;for=1.2.3.4",
            "192.0.2.1, 10.0.0.1",
            "for=192.0.2.1;proto=https, for=10.0.0.1",
        ),
        (
            "10.0.0.1",
            "192.0.2.1",
            None,
            "a\r\nb: c",
            "192.0.2.1, 10.0.0.1",
            "for=192.0.2.1;proto=https, for=10.0.0.1",
        ),
        ("10.0.0.1", "10.0.0.1", Some("1.2.3.4"), "a", "10.0.0.1", "for=10.0.0.1;host=a;proto=https"),
    ] {
        let hop = ClientHop {
            peer: peer.parse().unwrap_or(proxy),
            client: client.parse().unwrap(),
            proto: "https",
            host,
            forwarded_chain: chain,
        };
        let sent = request_headers(HeaderMap::new(), &hop).unwrap();
        assert_eq!(values(&sent, "x-forwarded-for"), x_forwarded_for);
        assert_eq!(values(&sent, "forwarded"), forwarded);
    }
}

/// R86.
#[test]
fn a_valid_trace_is_carried_and_a_spoilt_one_begun_anew() {
    const STATE: &str = "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7";
    let long = format!("a={}", "x".repeat(600));
    for parent in [
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff",
        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes-later",
    ] {
        let sent = sent(&[("traceparent", parent), ("tracestate", STATE), ("tracestate", &long)]);
        assert_eq!(values(&sent, "traceparent"), parent);
        assert_eq!(values(&sent, "tracestate"), format!("{STATE}|{long}"));
    }
    for parent in [
        "",
        "00-00000000000000000000000000000000-0000000000000000-00",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-extra",
        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-of another",
        "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-011",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "0-04bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "user@example.com",
    ] {
        let sent = sent(&[("traceparent", parent), ("tracestate", STATE)]);
        let new = values(&sent, "traceparent");
        assert!(new.len() == 55 && new != parent && new.starts_with("00-") && new.ends_with("-00"), "{new}");
        assert_eq!(values(&sent, "tracestate"), "", "{parent}");
    }
    let valid = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let twice = values(&sent(&[("traceparent", valid), ("traceparent", valid)]), "traceparent");
    assert!(twice.len() == 55 && twice != valid);
    assert_eq!(values(&sent(&[("tracestate", STATE)]), "tracestate"), "");
    assert_eq!(values(&sent(&[]), "traceparent"), "");
}
