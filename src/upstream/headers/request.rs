//! From the browser to the API.

use std::sync::LazyLock;

use http::header::{HeaderMap, HeaderValue, MAX_FORWARDS, VIA};

use super::fields::{Filter, Index, Rule, Sifted, elements, judge, remake, strip, strip_all};
use super::forwarded::ClientHop;
use super::{HeaderError, forwarded, trace};

/// What does not simply pass, besides what is hop by hop.
pub(super) const TABLE: &[Rule] = &[
    // Credentials. The forwarder adds the one that the API shall see.
    strip("authorization", "RFC 6750 section 2: the session's token is the only one"),
    strip("cookie", "the browser's cookies are for this server; the session's is among them"),
    strip("cookie2", "as `Cookie` (RFC 2965)"),
    strip("x-authorization", CREDENTIAL),
    strip("x-access-token", CREDENTIAL),
    strip("x-refresh-token", CREDENTIAL),
    strip("x-id-token", CREDENTIAL),
    strip("x-api-key", CREDENTIAL),
    strip("x-whisk-token", "what unofficial clients authenticate with"),
    strip("x-whisk-auth", "what unofficial clients authenticate with"),
    strip("x-whisk-client-id", "what unofficial clients authenticate with"),
    strip("x-whisk-client-secret", "what unofficial clients authenticate with"),
    // Whom another proxy has authenticated: nobody but that proxy may say so.
    strip("remote-user", IDENTITY),
    strip("x-remote-user", IDENTITY),
    strip_all("x-auth-", IDENTITY),
    strip_all("x-authenticated-", IDENTITY),
    strip_all("x-webauth-", IDENTITY),
    strip_all("x-ssl-", IDENTITY),
    strip_all("ssl-client-", IDENTITY),
    strip_all("x-client-cert", IDENTITY),
    strip_all("x-arr-", IDENTITY),
    strip_all("x-amzn-oidc-", IDENTITY),
    strip_all("x-goog-authenticated-user-", IDENTITY),
    strip_all("x-goog-iap-", IDENTITY),
    strip_all("x-ms-client-principal", IDENTITY),
    strip_all("x-ms-token-", IDENTITY),
    strip_all("cf-access-", IDENTITY),
    strip_all("x-pomerium-", IDENTITY),
    strip_all("client-cert", "RFC 9440 section 4: a gateway must sanitise it"),
    // Where the call comes from. This server says so itself.
    remake("forwarded", "RFC 7239 section 8.1: written anew from what is believed"),
    strip_all("forwarded-", ADDRESS),
    strip_all("x-forward", "written anew from what is believed"),
    strip("x-real-ip", ADDRESS),
    strip("x-client-ip", ADDRESS),
    strip("x-cluster-client-ip", ADDRESS),
    strip("x-originating-ip", ADDRESS),
    strip("x-remote-ip", ADDRESS),
    strip("x-remote-addr", ADDRESS),
    strip("x-proxyuser-ip", ADDRESS),
    strip("x-custom-ip-authorization", ADDRESS),
    strip("x-host", ADDRESS),
    strip_all("true-client-", ADDRESS),
    strip("client-ip", ADDRESS),
    strip_all("cf-connecting-ip", ADDRESS),
    strip("fastly-client-ip", ADDRESS),
    strip("fly-client-ip", ADDRESS),
    strip_all("x-azure-", ADDRESS),
    strip_all("x-appengine-", ADDRESS),
    strip_all("x-envoy-", "instructions to a proxy beside the API"),
    strip("proxy", "a CGI program would take it for the variable `HTTP_PROXY` (CVE-2016-5385)"),
    judge("via", "RFC 9110 section 7.6.3: extended by this server"),
    remake("host", "the API's own, from the URL"),
    judge("max-forwards", "RFC 9110 section 7.6.2: one less"),
    // What would make the API see another request than was checked here.
    strip_all("x-http-", OVERRIDE),
    strip("x-method-override", OVERRIDE),
    strip("x-override-url", OVERRIDE),
    strip_all("x-original-", OVERRIDE),
    strip_all("x-rewrite-", OVERRIDE),
    // What is between the browser and this server.
    strip("origin", "the API answers this server, which checked it"),
    strip("referer", "where in the application the user is concerns nobody else"),
    strip_all("sec-fetch-", "about the browser's context, checked here"),
    strip_all("sec-websocket-", "part of an upgrade, which goes no further"),
    strip("x-csrf", "the forgery gate's, checked here"),
    strip("expect", "RFC 9110 section 10.1.1: answered here"),
    strip_all("x-whisk-bff-", "this server's own names"),
    // Tracing.
    judge("traceparent", "Trace Context section 3.2: passed where valid"),
    judge("tracestate", "Trace Context section 3.3: void without a valid `traceparent`"),
];

static INDEX: LazyLock<Index> = LazyLock::new(|| Index::new(TABLE));

const CREDENTIAL: &str = "a credential that is not the session's";
const IDENTITY: &str = "an identity asserted by nobody who may";
const ADDRESS: &str = "an address or host asserted by nobody who may";
const OVERRIDE: &str = "would change what the request is after it was checked";

/// What this server calls itself in `Via`.
const PSEUDONYM: &str = "whisk-bff";
const OWN_VIA: &str = "1.1 whisk-bff";

/// The headers of a call, without the token, which the forwarder adds, and without the body's
/// framing.
///
/// # Errors
/// [`HeaderError::Loop`] if `Via` names this server.
pub fn request_headers(inbound: HeaderMap, hop: &ClientHop<'_>) -> Result<HeaderMap, HeaderError> {
    let filter = Filter::new(&INDEX, &inbound);
    complete(filter.sift(inbound, ADDED), &filter, hop)
}

/// How many fields are added to those that pass: here, and by the forwarder.
const ADDED: usize = 8;

fn complete(sifted: Sifted, filter: &Filter, hop: &ClientHop<'_>) -> Result<HeaderMap, HeaderError> {
    let Sifted { passed: mut outbound, judged } = sifted;
    if judged.get_all(VIA).iter().any(names_this_server) {
        return Err(HeaderError::Loop);
    }
    if !filter.nominates(&VIA) {
        for via in judged.get_all(VIA) {
            outbound.append(VIA, via.clone());
        }
    }
    outbound.append(VIA, HeaderValue::from_static(OWN_VIA));
    if let Some(left) = one_hop_less(&judged) {
        outbound.insert(MAX_FORWARDS, left);
    }
    forwarded::write(&mut outbound, hop);
    trace::carry(&judged, filter, &mut outbound);
    Ok(outbound)
}

/// What `Max-Forwards` leaves for the servers behind the API. The last hop (0) is not asked: this
/// server answers such a request itself.
fn one_hop_less(inbound: &HeaderMap) -> Option<HeaderValue> {
    let hops: u32 = inbound.get(MAX_FORWARDS)?.to_str().ok()?.parse().ok()?;
    hops.checked_sub(1).map(HeaderValue::from)
}

/// `Via = [ protocol-name "/" ] protocol-version RWS received-by [ RWS comment ]`
fn names_this_server(via: &HeaderValue) -> bool {
    elements(via.as_bytes()).any(|entry| {
        let mut words = entry.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        words.nth(1).is_some_and(|received_by| received_by.eq_ignore_ascii_case(PSEUDONYM.as_bytes()))
    })
}
