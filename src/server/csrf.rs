//! The gate against requests that another site made a browser send.
//!
//! Browsers tell in `Sec-Fetch-Site` who asks (W3C Fetch Metadata); where they do not, `Origin`
//! must be ours; where there is neither, the request must carry a header that no form and no
//! link can set (RFC 10017 section 6.1.3.3). A sibling subdomain is another site here: only
//! `same-origin` passes. Answers of the API share our origin, so nothing of it may be loaded as a
//! document, a frame, a script or a worker.

use http::header::{HeaderMap, HeaderName, ORIGIN};

use super::problem::Problem;
use crate::telemetry::{CsrfReason, Metrics, Outcome, SecurityKind};

static SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
static MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
static DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
static PROOF: HeaderName = HeaderName::from_static("x-csrf");

/// The rules of one deployment.
#[derive(Debug, Clone)]
pub struct CsrfGate {
    origin: String,
    require_header: bool,
    metrics: Metrics,
}

impl CsrfGate {
    /// For the origin that browsers see. With `require_header`, `X-CSRF: 1` is asked of every
    /// request besides.
    pub fn new(origin: String, require_header: bool, metrics: Metrics) -> Self {
        Self { origin, require_header, metrics }
    }

    /// Lets a call of our own application pass.
    ///
    /// # Errors
    /// `csrf_rejected`.
    pub fn admit(&self, headers: &HeaderMap) -> Result<(), Problem> {
        self.judge(headers).map_err(|reason| self.refuse(reason))
    }

    /// Lets a login begin: by a click, a form or an address typed in; not by an image, a frame or
    /// a prefetch on somebody's page.
    ///
    /// # Errors
    /// `csrf_rejected`.
    pub fn admit_login(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let prefetch = ["sec-purpose", "purpose", "x-purpose", "x-moz"]
            .iter()
            .flat_map(|name| headers.get_all(*name).iter())
            .any(|purpose| {
                let purpose = String::from_utf8_lossy(purpose.as_bytes()).to_ascii_lowercase();
                ["prefetch", "prerender", "preview"].iter().any(|word| purpose.contains(word))
            });
        let destination = value(headers, &DEST);
        let framed = any(headers, &DEST, &FRAMES);
        let foreign = present(headers, &SITE)
            && !value(headers, &SITE).is_some_and(|site| site == b"same-origin" || site == b"none");
        let navigates = value(headers, &MODE).is_some_and(|mode| mode == b"navigate")
            && destination.is_some_and(|destination| destination == b"document");
        if prefetch || framed || (foreign && !navigates) {
            return Err(self.refuse(CsrfReason::FetchDestination));
        }
        Ok(())
    }

    fn judge(&self, headers: &HeaderMap) -> Result<(), CsrfReason> {
        if any(headers, &MODE, &[b"navigate"]) || any(headers, &DEST, &EMBEDDING) {
            return Err(CsrfReason::FetchDestination);
        }
        let proven = value(headers, &PROOF).is_some_and(|proof| proof == b"1");
        if self.require_header && !proven {
            return Err(CsrfReason::MissingHeader);
        }
        if present(headers, &SITE) {
            let same = value(headers, &SITE).is_some_and(|site| site == b"same-origin");
            return if same { Ok(()) } else { Err(CsrfReason::FetchSite) };
        }
        if present(headers, &ORIGIN) {
            let ours = value(headers, &ORIGIN).is_some_and(|origin| origin == self.origin.as_bytes());
            return if ours { Ok(()) } else { Err(CsrfReason::Origin) };
        }
        if proven { Ok(()) } else { Err(CsrfReason::MissingHeader) }
    }

    fn refuse(&self, reason: CsrfReason) -> Problem {
        self.metrics.csrf_refusal(reason);
        Problem::new(Outcome::CsrfRejected).told(SecurityKind::CsrfRejected, Some(reason.as_str()))
    }
}

/// `Sec-Fetch-Dest` of a page inside another.
const FRAMES: [&[u8]; 5] = [b"iframe", b"frame", b"fencedframe", b"embed", b"object"];

/// `Sec-Fetch-Dest` of what would run or be shown in our origin.
const EMBEDDING: [&[u8]; 13] = [
    b"document",
    b"iframe",
    b"frame",
    b"fencedframe",
    b"embed",
    b"object",
    b"script",
    b"serviceworker",
    b"sharedworker",
    b"worker",
    b"audioworklet",
    b"paintworklet",
    b"xslt",
];

/// Whether any line of the field is one of these words.
fn any(headers: &HeaderMap, name: &HeaderName, words: &[&[u8]]) -> bool {
    headers.get_all(name).iter().any(|value| words.contains(&value.as_bytes()))
}

fn present(headers: &HeaderMap, name: &HeaderName) -> bool {
    headers.contains_key(name)
}

/// The value of a field that stands once. One that stands twice says nothing.
fn value<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value.as_bytes()),
        _ => None,
    }
}
