//! From the API to the browser.

use std::sync::LazyLock;

use http::StatusCode;
use http::header::{
    CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue, LINK, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};

use super::fields::{
    Filter, Index, Rule, Sifted, elements, has_balanced_quotes, judge, remake, strip, strip_all, strip_ending,
};
use super::{HeaderError, cache, location};
use crate::upstream::path::{Routes, UpstreamPath};

/// What does not simply pass, besides what is hop by hop.
pub(super) const TABLE: &[Rule] = &[
    strip("set-cookie", "cookies of this origin are this server's: the API's could end or fix a session"),
    strip("set-cookie2", "as `Set-Cookie` (RFC 2965)"),
    // Credentials. The browser never has the one that this server used.
    strip("authorization", CREDENTIAL),
    strip("authentication-info", CREDENTIAL),
    strip("authentication-control", CREDENTIAL),
    strip("optional-www-authenticate", "would open a dialogue of the browser's (RFC 8053)"),
    strip("dpop-nonce", CREDENTIAL),
    strip("x-access-token", CREDENTIAL),
    strip("x-refresh-token", CREDENTIAL),
    strip("x-id-token", CREDENTIAL),
    strip_all("x-auth-", CREDENTIAL),
    strip("x-whisk-token", CREDENTIAL),
    // What an answer says of its whole origin, which is the application's, not the API's.
    strip_all("access-control-", "this origin shares nothing with others"),
    strip("timing-allow-origin", "this origin shares nothing with others"),
    strip("strict-transport-security", ORIGIN),
    strip_all("public-key-pins", ORIGIN),
    strip_all("expect-", ORIGIN),
    strip("clear-site-data", ORIGIN),
    strip("origin-agent-cluster", ORIGIN),
    strip_all("accept-ch", ORIGIN),
    strip("critical-ch", ORIGIN),
    strip("report-to", ORIGIN),
    strip("reporting-endpoints", ORIGIN),
    strip("nel", ORIGIN),
    strip("set-login", ORIGIN),
    strip("x-permitted-cross-domain-policies", ORIGIN),
    strip("activate-storage-access", "grants a frame the cookies of this origin"),
    strip("use-as-dictionary", "RFC 9842: the browser would unpack other answers of this origin with it"),
    strip_all("sec-", "registers keys for this origin's sessions, or is part of an upgrade"),
    strip_all("secure-session-", "registers keys for this origin's sessions"),
    strip_all("attribution-reporting-", ADVERTISING),
    strip_all("ad-auction-", ADVERTISING),
    strip("observe-browsing-topics", ADVERTISING),
    strip("shared-storage-write", ADVERTISING),
    strip("service-worker-allowed", "would let an answer of the API control the application's pages"),
    // What would lead the browser elsewhere, or make it load something.
    strip_all("alt-svc", ELSEWHERE),
    strip("alternate-protocol", ELSEWHERE),
    strip("onion-location", ELSEWHERE),
    strip("refresh", "a redirection that is not checked"),
    judge("link", "passed where it makes no browser load anything"),
    strip("speculation-rules", "the browser would load pages of this origin ahead"),
    strip("sourcemap", "the developer's tools would load it"),
    strip("x-sourcemap", "the developer's tools would load it"),
    // What an answer says of the page that it is, which it never is.
    remake("content-security-policy", DOCUMENT),
    strip("content-security-policy-report-only", DOCUMENT),
    strip("x-content-security-policy", DOCUMENT),
    strip("x-webkit-csp", DOCUMENT),
    remake("x-content-type-options", DOCUMENT),
    remake("cross-origin-resource-policy", DOCUMENT),
    strip_all("cross-origin-", DOCUMENT),
    strip("referrer-policy", "would hold for the requests that follow; this server says `no-referrer`"),
    strip_all("permissions-policy", DOCUMENT),
    strip("feature-policy", DOCUMENT),
    strip_all("document-", DOCUMENT),
    strip("require-document-policy", DOCUMENT),
    strip_all("integrity-policy", DOCUMENT),
    strip("origin-trial", DOCUMENT),
    strip("supports-loading-mode", DOCUMENT),
    strip("x-frame-options", DOCUMENT),
    strip("x-xss-protection", DOCUMENT),
    strip("x-dns-prefetch-control", DOCUMENT),
    strip("x-ua-compatible", DOCUMENT),
    // What an answer says to servers in front of this one.
    strip_all("x-accel-", SENDS_A_FILE),
    strip_all("x-sendfile", SENDS_A_FILE),
    strip_all("x-lighttpd-", SENDS_A_FILE),
    strip_all("x-litespeed-", SENDS_A_FILE),
    strip_all("x-reproxy-", SENDS_A_FILE),
    strip_all("x-envoy-", "instructions to a proxy"),
    strip_all("surrogate-", OVERRULES),
    strip("edge-control", OVERRULES),
    strip_ending("-cache-control", OVERRULES),
    // What tells an attacker about the machinery.
    strip("server", MACHINERY),
    strip("via", MACHINERY),
    strip("proxy-status", MACHINERY),
    strip("cache-status", MACHINERY),
    strip_all("x-powered-by", MACHINERY),
    strip_all("x-aspnet", MACHINERY),
    strip("x-runtime", MACHINERY),
    strip("x-generator", MACHINERY),
    strip_all("x-backend", MACHINERY),
    strip_all("x-debug-", MACHINERY),
    // Names by which this server speaks.
    strip_all("x-whisk-bff-", "marks this server's own errors"),
    judge("www-authenticate", "only a `Bearer` challenge opens no dialogue of the browser's"),
];

static INDEX: LazyLock<Index> = LazyLock::new(|| Index::new(TABLE));

const CREDENTIAL: &str = "about the credential, which the browser does not have";
const ORIGIN: &str = "sets a policy for the whole origin";
const ADVERTISING: &str = "speaks to the browser's advertising in the application's name";
const ELSEWHERE: &str = "would send the browser elsewhere, past this server";
const DOCUMENT: &str = "this server says that an answer is data, never a page";
const SENDS_A_FILE: &str = "orders a proxy in front to send a file or an address of its own";
const OVERRULES: &str = "RFC 9213: would overrule `Cache-Control` in a shared cache";
const MACHINERY: &str = "not the browser's business";

const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// What an answer answers.
#[derive(Debug, Clone, Copy)]
pub struct ResponseContext<'a> {
    /// Where redirections may lead.
    pub routes: &'a Routes,
    /// What was asked for; relative redirections start from it.
    pub path: &'a UpstreamPath,
}

/// The headers of an answer, without the body's framing.
///
/// # Errors
/// [`HeaderError::Redirect`] for a redirection out of the forwarded paths.
pub fn response_headers(
    inbound: HeaderMap,
    status: StatusCode,
    context: &ResponseContext<'_>,
) -> Result<HeaderMap, HeaderError> {
    let filter = Filter::new(&INDEX, &inbound);
    complete(filter.sift(inbound, ADDED), &filter, status, context)
}

/// How many fields are added to those that pass: here, and to every answer of this server.
const ADDED: usize = 8;

fn complete(
    sifted: Sifted,
    filter: &Filter,
    status: StatusCode,
    context: &ResponseContext<'_>,
) -> Result<HeaderMap, HeaderError> {
    let Sifted { passed: mut outbound, judged } = sifted;
    if !filter.nominates(&WWW_AUTHENTICATE) {
        for challenge in judged.get_all(WWW_AUTHENTICATE).iter().filter(|value| is_bearer_only(value)) {
            outbound.append(WWW_AUTHENTICATE, challenge.clone());
        }
    }
    if !filter.nominates(&LINK) {
        for link in judged.get_all(LINK).iter().filter(|value| only_points(value)) {
            outbound.append(LINK, link.clone());
        }
    }
    location::rewrite(&mut outbound, status, context)?;
    cache::restrict(&mut outbound);
    outbound.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    outbound.insert(CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    outbound.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; sandbox"),
    );
    Ok(outbound)
}

/// Whether the line is information alone (RFC 8288), like the address of the next page. Browsers
/// act on some relations even where the answer is no page; a line that has such a word anywhere
/// does not pass.
fn only_points(link: &HeaderValue) -> bool {
    let mut text = link.as_bytes().to_ascii_lowercase();
    // A quoted string may hide letters behind it (RFC 9110 section 5.6.4).
    text.retain(|byte| *byte != b'\\');
    let has = |word: &str| text.windows(word.len()).any(|window| window == word.as_bytes());
    !LOADS.iter().any(|word| has(word))
}

/// Relations by which a browser loads, or prepares to.
const LOADS: [&str; 8] = [
    "preload",
    "prefetch",
    "prerender",
    "preconnect",
    "stylesheet",
    "compression-dictionary",
    "serviceworker",
    "manifest",
];

/// Whether the line holds `Bearer` challenges (RFC 6750 section 3) and no other. An element of
/// the list is a parameter (`name=value`) of the challenge before it, or begins a new challenge.
fn is_bearer_only(value: &HeaderValue) -> bool {
    let mut challenged = false;
    has_balanced_quotes(value.as_bytes())
        && elements(value.as_bytes()).all(|element| {
            let word = element.split(|byte| matches!(byte, b' ' | b'\t' | b'=')).next().unwrap_or_default();
            let after = element.get(word.len()..).unwrap_or_default().trim_ascii_start();
            let parameter = after.first() == Some(&b'=');
            let bearer = word.eq_ignore_ascii_case(b"bearer");
            challenged |= bearer;
            challenged && (parameter || bearer)
        })
}
