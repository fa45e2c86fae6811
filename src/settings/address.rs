//! URLs of this service and of its neighbours.
//!
//! A browser and a URL library forgive much (`https:\\host`, tabs, `user@host`). A setting that
//! is read more kindly than it looks is a hole, so it must be written as it is meant.

use url::{Host, Url};

/// The origin that the browser sees (RFC 6454), parsed once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    origin: String,
    scheme_length: usize,
    loopback: bool,
}

const HTTPS: &str = "https://";
const HTTP: &str = "http://";

impl PublicUrl {
    /// Reads `https://host` or `https://host:port`, with at most a `/` behind. `http://` is
    /// taken where the host is loopback, or anywhere with `allow_insecure`.
    ///
    /// # Errors
    /// The rule that was broken, without anything of the text.
    pub fn parse(text: &str, allow_insecure: bool) -> Result<Self, &'static str> {
        let url = endpoint(text, allow_insecure)?;
        if url.path() != "/" {
            return Err("must be an origin, without a path");
        }
        Ok(Self {
            origin: url.origin().ascii_serialization(),
            scheme_length: if url.scheme() == "https" { HTTPS.len() } else { HTTP.len() },
            loopback: is_loopback(&url),
        })
    }

    /// `https://app.example.com`: no slash at the end, no default port, as browsers write
    /// `Origin`.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Whether it is https.
    pub fn secure(&self) -> bool {
        self.scheme_length == HTTPS.len()
    }

    /// `app.example.com` or `app.example.com:8443`: what `Host` must say.
    pub fn authority(&self) -> &str {
        self.origin.get(self.scheme_length..).unwrap_or_default()
    }

    /// Whether its host is this machine.
    pub fn is_loopback(&self) -> bool {
        self.loopback
    }
}

/// Reads the URL of a server: http or https, a host, perhaps a port and a path.
pub(super) fn endpoint(text: &str, allow_insecure: bool) -> Result<Url, &'static str> {
    const FORM: &str = "must be a URL such as `https://host.example`";
    let rest = text.strip_prefix(HTTPS).or_else(|| text.strip_prefix(HTTP)).ok_or(FORM)?;
    if rest.contains('@') {
        return Err("must not hold a user or a password");
    }
    if rest.contains(['?', '#']) {
        return Err("must not hold a query or a fragment");
    }
    if !rest.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\%".contains(&byte)) {
        return Err("must be visible ASCII without `\\` and `%`; other names are written `xn--…`");
    }
    let path = rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/");
    let url = Url::parse(text).map_err(|_| FORM)?;
    if rest.starts_with('/') || url.host().is_none() || url.port() == Some(0) {
        return Err(FORM);
    }
    if url.path() != path || path.contains("//") {
        return Err("must not hold an empty segment, `.` or `..` in its path");
    }
    if url.scheme() == "https" || allow_insecure || is_loopback(&url) {
        Ok(url)
    } else {
        Err("must be https; http is for loopback hosts, or needs `server.allow_insecure = true`")
    }
}

/// Whether a URL's host is this machine: `localhost` and names below it (RFC 6761 section 6.3),
/// `127.0.0.0/8`, `::1`.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
