//! From the API to the browser.

use std::sync::LazyLock;

use http::StatusCode;
use http::header::{
    CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};

use super::fields::{Filter, Index, Rule, elements, has_balanced_quotes, remake, strip, strip_all};
use super::{HeaderError, cache, location};
use crate::upstream::path::{Routes, UpstreamPath};

/// What does not simply pass, besides what is hop by hop.
pub(super) const TABLE: &[Rule] = &[
    strip("set-cookie", "cookies of this origin are this server's: the API's could end or fix a session"),
    strip("set-cookie2", "as `Set-Cookie` (RFC 2965)"),
    // What an answer says of its whole origin, which is the application's, not the API's.
    strip_all("access-control-", "this origin shares nothing with others"),
    strip("timing-allow-origin", "this origin shares nothing with others"),
    strip("strict-transport-security", ORIGIN),
    strip("public-key-pins", ORIGIN),
    strip("public-key-pins-report-only", ORIGIN),
    strip("expect-ct", ORIGIN),
    strip("alt-svc", "would send the browser elsewhere, past this server"),
    strip("clear-site-data", ORIGIN),
    strip("origin-agent-cluster", ORIGIN),
    strip("accept-ch", ORIGIN),
    strip("critical-ch", ORIGIN),
    strip("report-to", ORIGIN),
    strip("reporting-endpoints", ORIGIN),
    strip("nel", ORIGIN),
    strip("set-login", ORIGIN),
    strip("service-worker-allowed", "would let an answer of the API control the application's pages"),
    strip("refresh", "a redirection that is not checked"),
    remake("content-security-policy", DOCUMENT),
    strip("content-security-policy-report-only", DOCUMENT),
    remake("cross-origin-resource-policy", DOCUMENT),
    remake("x-content-type-options", DOCUMENT),
    // What an answer says to servers in front of this one.
    strip_all("x-accel-", "orders a proxy to serve a file of its own"),
    strip("x-sendfile", "orders a proxy to serve a file of its own"),
    strip("x-lighttpd-send-file", "orders a proxy to serve a file of its own"),
    strip("surrogate-control", "would overrule `Cache-Control` in a shared cache"),
    strip_all("cdn-cache-control", "RFC 9213: would overrule `Cache-Control` in a shared cache"),
    // What tells an attacker about the machinery.
    strip("server", "not the browser's business"),
    strip_all("x-powered-by", "not the browser's business"),
    strip("x-aspnet-version", "not the browser's business"),
    // Names by which this server speaks.
    strip_all("x-whisk-bff-", "marks this server's own errors"),
    remake("www-authenticate", "only a `Bearer` challenge opens no dialogue of the browser's"),
];

static INDEX: LazyLock<Index> = LazyLock::new(|| Index::new(TABLE));

const ORIGIN: &str = "sets a policy for the whole origin";
const DOCUMENT: &str = "this server says that an answer is data, never a page";

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
    inbound: &HeaderMap,
    status: StatusCode,
    context: &ResponseContext<'_>,
) -> Result<HeaderMap, HeaderError> {
    let filter = Filter::new(&INDEX, inbound);
    let mut outbound = filter.pass(inbound);

    if !filter.nominates(&WWW_AUTHENTICATE) {
        for challenge in inbound.get_all(WWW_AUTHENTICATE).iter().filter(|value| is_bearer_only(value)) {
            outbound.append(WWW_AUTHENTICATE, challenge.clone());
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
