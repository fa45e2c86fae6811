//! What an answer says to caches.
//!
//! A shared cache keeps nothing that answers a request with `Authorization` (RFC 9111 section
//! 3.5). Between the browser and this server that header is not there; the protection it gave has
//! to be put back, or one user is shown another's answer.

use http::header::{CACHE_CONTROL, EXPIRES, HeaderMap, HeaderValue, VARY};

use super::fields::{elements, has_balanced_quotes};

/// Makes the answer private to one browser: `no-store` where the API says nothing that can be
/// read, else `private` instead of `public` and `s-maxage`. And the answer varies by cookie.
pub(super) fn restrict(headers: &mut HeaderMap) {
    match restricted(headers) {
        Restricted::AsIs => {}
        Restricted::To(value) => {
            headers.insert(CACHE_CONTROL, value);
            // A cache that reads no `Cache-Control` would go by it (RFC 9111 section 5.3).
            headers.remove(EXPIRES);
        }
    }
    let varies_by_cookie = headers
        .get_all(VARY)
        .iter()
        .flat_map(|value| elements(value.as_bytes()))
        .any(|name| name == b"*" || name.eq_ignore_ascii_case(b"cookie"));
    if !varies_by_cookie {
        headers.append(VARY, HeaderValue::from_static("Cookie"));
    }
}

enum Restricted {
    AsIs,
    To(HeaderValue),
}

fn restricted(headers: &HeaderMap) -> Restricted {
    let no_store = || Restricted::To(HeaderValue::from_static("no-store"));
    let values = || headers.get_all(CACHE_CONTROL).iter();
    if values().any(|value| !has_balanced_quotes(value.as_bytes())) {
        return no_store();
    }
    let directives: Vec<&[u8]> = values().flat_map(|value| elements(value.as_bytes())).collect();
    let any = |name: &str| directives.iter().any(|directive| is(directive, name));
    // The last one makes a cache pass over `no-store` (RFC 9111 section 5.2.2.3).
    let shared = SHARED.iter().any(|name| any(name));
    if directives.is_empty() {
        return no_store();
    }
    // `private="field"` protects that field alone, so the bare word is looked for.
    let bare_private = directives.iter().any(|directive| directive.eq_ignore_ascii_case(b"private"));
    if !shared && (bare_private || any("no-store")) {
        return Restricted::AsIs;
    }
    let mut kept: Vec<&[u8]> = directives
        .iter()
        .filter(|directive| !SHARED.iter().any(|name| is(directive, name)))
        .copied()
        .collect();
    if !bare_private && !any("no-store") {
        kept.insert(0, b"private");
    }
    HeaderValue::from_bytes(&kept.join(&b", "[..])).map_or_else(|_| no_store(), Restricted::To)
}

/// Directives that let a shared cache keep what it otherwise would not.
const SHARED: [&str; 3] = ["public", "s-maxage", "must-understand"];

fn is(directive: &[u8], name: &str) -> bool {
    let word = directive.split(|byte| *byte == b'=').next().unwrap_or_default();
    word.trim_ascii().eq_ignore_ascii_case(name.as_bytes())
}
