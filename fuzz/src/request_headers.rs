//! Headers from a browser to the API (R73 to R79, R81, R86, W19).
//!
//! The first line is the host the browser asked for, the second what a trusted proxy says of
//! where the call came from; then come the fields.

use std::net::IpAddr;

use http::HeaderMap;
use whisk_bff::upstream::{ClientHop, HeaderError, request_headers};

use crate::fields::{HOP_BY_HOP, fields, folded, is_one_of, perhaps_nominated, plainly_nominated};

/// Never on the way to the API, whoever sent it.
const FORBIDDEN: &[&str] = &[
    "authorization",
    "cookie",
    "cookie2",
    "x-authorization",
    "x-access-token",
    "x-api-key",
    "x-whisk-token",
    "x-whisk-client-id",
    "x-whisk-bff-*",
    "remote-user",
    "x-auth-request-*",
    "client-cert",
    "x-real-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "host",
    "x-http-method-override",
    "x-original-*",
    "x-rewrite-*",
    "origin",
    "referer",
    "sec-fetch-*",
    "x-csrf",
    "expect",
];

/// Written by this server, once each, whatever came in.
const MADE: &[&str] = &[
    "via",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "traceparent",
    "max-forwards",
];

pub(crate) fn run(input: &[u8]) {
    let mut lines = input.splitn(3, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (Ok(host), Ok(chain)) = (str::from_utf8(line()), str::from_utf8(line())) else { return };
    let inbound = fields(line());
    for (peer, client) in [("10.0.0.1", "192.0.2.7"), ("2001:db8::7", "2001:db8::7")] {
        let hop = ClientHop {
            peer: peer.parse().unwrap(),
            client: client.parse().unwrap(),
            proto: "https",
            host,
            forwarded_chain: Some(chain),
        };
        match request_headers(inbound.clone(), &hop) {
            Ok(outbound) => check(&inbound, &outbound, &hop),
            Err(error) => {
                assert_eq!(error, HeaderError::Loop);
                assert!(inbound.contains_key("via"));
            }
        }
    }
}

fn check(inbound: &HeaderMap, outbound: &HeaderMap, hop: &ClientHop<'_>) {
    let nominated = plainly_nominated(inbound);
    for name in outbound.keys() {
        let folded = folded(name);
        assert!(!is_one_of(&folded, FORBIDDEN) && !is_one_of(&folded, HOP_BY_HOP), "{name} goes out");
        if is_one_of(&folded, MADE) || folded == "tracestate" {
            assert_eq!(folded, name.as_str(), "a second spelling goes out");
            assert!(name == "via" || name == "tracestate" || outbound.get_all(name).iter().count() == 1);
            continue;
        }
        assert!(!folded.starts_with("x-forwarded-"), "{name} goes out");
        assert!(!nominated.contains(&folded), "{name} was nominated and goes out");
        assert!(inbound.get_all(name).iter().eq(outbound.get_all(name)), "{name} was changed");
    }
    for name in inbound.keys() {
        let plain = is_one_of(name.as_str(), &["accept*", "content-type", "if-*", "range", "x-unknown*"]);
        assert!(!plain || outbound.contains_key(name) || perhaps_nominated(inbound, name), "{name} was lost");
    }

    assert_eq!(outbound.get_all("via").iter().next_back().unwrap(), "1.1 whisk-bff");
    let text = |name: &str| outbound.get(name).map_or("", |value| value.to_str().unwrap());
    assert_eq!(text("x-forwarded-proto"), "https");
    let chain: Vec<IpAddr> =
        text("x-forwarded-for").split(", ").map(|address| address.parse().unwrap()).collect();
    assert_eq!((chain.first(), chain.last()), (Some(&hop.client), Some(&hop.peer)), "{chain:?}");

    // RFC 7239 section 4, read strictly: one `for` a hop; `host` and `proto` once, in the first.
    let hops: Vec<Vec<&str>> = text("forwarded").split(", ").map(|hop| hop.split(';').collect()).collect();
    let named = |pairs: &[&str], name: &str| pairs.iter().filter(|pair| pair.starts_with(name)).count();
    assert_eq!(hops.len(), chain.len(), "{hops:?}");
    assert!(hops.iter().all(|pairs| named(pairs, "for=") == 1), "{hops:?}");
    assert!(hops[1..].iter().all(|pairs| pairs.len() == 1), "{hops:?}");
    assert_eq!(
        (named(&hops[0], "proto=https"), hops[0].len() - named(&hops[0], "host=")),
        (1, 2),
        "{hops:?}"
    );

    if let Some(left) = outbound.get("max-forwards") {
        let number = |value: &http::HeaderValue| value.to_str().unwrap().parse::<u32>().unwrap();
        assert_eq!(inbound.get("max-forwards").map(number), Some(number(left) + 1));
    }
    if let Some(parent) = outbound.get("traceparent") {
        let parts: Vec<&str> = parent.to_str().unwrap().splitn(4, '-').collect();
        assert!(parts.len() == 4 && parts[1].len() == 32 && parts[2].len() == 16, "{parent:?}");
        assert!(parts[1..3].iter().all(|id| id.bytes().any(|digit| digit != b'0')), "{parent:?}");
    } else {
        assert!(!outbound.contains_key("tracestate"), "a state without a trace");
    }
}
