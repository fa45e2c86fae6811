//! Headers from the API to a browser (R89 to R93, R97, R98).
//!
//! The first line is the status; then come the fields.

use http::header::{CACHE_CONTROL, LOCATION, VARY, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use url::Url;
use whisk_bff::upstream::{HeaderError, ResponseContext, response_headers};

use crate::fields::{HOP_BY_HOP, fields, folded, is_one_of, perhaps_nominated, plainly_nominated};
use crate::upstream_path::ROUTES;

/// Never on the way to a browser.
const FORBIDDEN: &[&str] = &[
    "set-cookie",
    "set-cookie2",
    "access-control-*",
    "timing-allow-origin",
    "strict-transport-security",
    "alt-svc",
    "clear-site-data",
    "content-security-policy-report-only",
    "report-to",
    "reporting-endpoints",
    "nel",
    "service-worker-allowed",
    "refresh",
    "surrogate-control",
    "cdn-cache-control",
    "x-accel-*",
    "x-sendfile",
    "server",
    "x-powered-by",
    "x-whisk-bff-*",
];

/// What this server says of every answer, and nobody else.
const MADE: [(&str, &str); 3] = [
    ("x-content-type-options", "nosniff"),
    ("cross-origin-resource-policy", "same-origin"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'; sandbox"),
];

pub(crate) fn run(input: &[u8]) {
    let mut lines = input.splitn(2, |byte| *byte == b'\n');
    let Ok(status) = StatusCode::from_bytes(lines.next().unwrap_or_default()) else { return };
    let inbound = fields(lines.next().unwrap_or_default());
    let path = ROUTES.parse("/v2/a/b?c").unwrap();
    match response_headers(inbound.clone(), status, &ResponseContext { routes: &ROUTES, path: &path }) {
        Ok(outbound) => check(&inbound, &outbound, status),
        Err(error) => {
            assert_eq!(error, HeaderError::Redirect);
            assert!(status.is_redirection() && inbound.contains_key(LOCATION));
        }
    }
}

fn check(inbound: &HeaderMap, outbound: &HeaderMap, status: StatusCode) {
    let nominated = plainly_nominated(inbound);
    for name in outbound.keys() {
        let folded = folded(name);
        assert!(!is_one_of(&folded, FORBIDDEN) && !is_one_of(&folded, HOP_BY_HOP), "{name} comes through");
        let made = MADE.iter().any(|(made, _)| *made == folded);
        assert!(!made || folded == name.as_str(), "a second spelling of {name} comes through");
        if !made && !["cache-control", "vary", "location"].contains(&folded.as_str()) {
            assert!(!nominated.contains(&folded), "{name} was nominated and comes through");
        }
    }
    for (name, value) in MADE {
        assert!(outbound.get_all(name).iter().eq([value]), "{name}");
    }
    for name in inbound.keys() {
        let plain =
            is_one_of(name.as_str(), &["content-type", "etag", "retry-after", "content-range", "x-unknown*"])
                && !folded(name).ends_with("-cache-control");
        let same = inbound.get_all(name).iter().eq(outbound.get_all(name));
        assert!(!plain || same || perhaps_nominated(inbound, name), "{name} was lost");
    }
    for challenge in outbound.get_all(WWW_AUTHENTICATE) {
        let challenge = challenge.as_bytes().to_ascii_lowercase();
        let trimmed = challenge.trim_ascii_start();
        assert!(trimmed.is_empty() || trimmed.starts_with(b"bearer") || trimmed.starts_with(b","));
        for scheme in [&b"basic"[..], b"negotiate", b"digest", b"ntlm"] {
            assert!(!trimmed.starts_with(scheme));
        }
    }
    check_caching(outbound);
    if status.is_redirection()
        && let Some(location) = outbound.get(LOCATION)
    {
        check_redirection(location.to_str().unwrap());
    }
}

/// No shared cache may keep it, however the API's word is read.
fn check_caching(outbound: &HeaderMap) {
    let values: Vec<&[u8]> = outbound.get_all(CACHE_CONTROL).iter().map(|value| value.as_bytes()).collect();
    let directives = unquoted(&values.join(&b','));
    let is = |directive: &str, name: &str| directive.split('=').next().unwrap().trim() == name;
    let any = |name: &str| directives.iter().any(|directive| is(directive, name));
    assert!(!any("public") && !any("s-maxage"), "{directives:?}");
    // `private="field"` protects that field alone.
    let private = directives.iter().any(|directive| directive.trim() == "private");
    assert!(private || any("no-store"), "{directives:?}");

    let vary: Vec<&[u8]> = outbound.get_all(VARY).iter().map(|value| value.as_bytes()).collect();
    let vary = vary.join(&b',').to_ascii_lowercase();
    assert!(vary.split(|byte| *byte == b',').any(|name| matches!(name.trim_ascii(), b"*" | b"cookie")));
}

/// The elements of a list in lower case, what stands in quotes blotted out.
fn unquoted(list: &[u8]) -> Vec<String> {
    let (mut quoted, mut escaped) = (false, false);
    let blotted: Vec<u8> = list
        .iter()
        .map(|byte| {
            let within = quoted;
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                _ => {}
            }
            if within || quoted { b'"' } else { *byte }
        })
        .collect();
    String::from_utf8_lossy(&blotted).to_ascii_lowercase().split(',').map(str::to_owned).collect()
}

/// It leads to a forwarded path of the origin that the browser sees.
fn check_redirection(location: &str) {
    let ours = Url::parse("https://app.example.com/v2/a/b?c").unwrap();
    #[expect(clippy::disallowed_methods, reason = "as a browser follows `Location`")]
    let target = ours.join(location).unwrap();
    assert_eq!(target.origin(), ours.origin(), "{location:?}");
    assert!(location.starts_with('/') && !location.starts_with("//"), "{location:?}");
    let path = location.split('#').next().unwrap();
    assert!(ROUTES.parse(path).is_ok(), "{location:?}");
    assert_eq!(&target[url::Position::BeforePath..url::Position::AfterQuery], path);
}
