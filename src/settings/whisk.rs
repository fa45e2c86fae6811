//! `[whisk]`: the authorization server, the API, and this client of theirs (RFC 6749).

use std::time::Duration;

use url::Url;

use super::Secret;
use super::address::{endpoint, is_loopback};
use super::reader::{Reader, Source};
use super::writer::{REDACTED, Writer};

/// Where Whisk is, and who we are to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whisk {
    /// The authorization server. It may have a path, below which the two endpoints lie.
    pub login_url: Url,
    /// The API: an origin, without a path.
    pub api_url: Url,
    /// The authorization endpoint's path below `login_url`; begins with one `/`.
    pub authorize_path: String,
    /// The token endpoint's path below `login_url`; begins with one `/`.
    pub token_path: String,
    /// `client_id` (RFC 6749 section 2.2).
    pub client_id: String,
    /// `client_secret` (RFC 6749 section 2.3.1).
    pub client_secret: Secret,
    /// Scopes to ask for (RFC 6749 section 3.3), without repeats.
    pub scopes: Vec<String>,
    /// Values that a login may pass on as `identity_provider`.
    pub identity_providers: Vec<String>,
    /// How the client proves itself at the token endpoint.
    pub client_auth: ClientAuth,
    /// How requests to the token endpoint are written.
    pub token_encoding: TokenEncoding,
    /// Whether a `code_challenge` is sent (RFC 7636), always S256.
    pub pkce: bool,
    /// For one call to the authorization server, in all.
    pub timeout: Duration,
    /// What `iss` of a callback must be, character by character, if it is there (RFC 9207
    /// section 2.4). `None`: not compared.
    pub issuer: Option<String>,
    /// Names of query parameters that a forwarded call must not have: tokens do not belong in
    /// a URL (RFC 9700 section 4.3.2).
    pub forbidden_query: Vec<String>,
}

/// Client authentication (RFC 6749 section 2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// `client_id` and `client_secret` in the body, as Whisk documents.
    Body,
    /// The `Authorization: Basic` header.
    Basic,
}

/// The media type of requests to the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenEncoding {
    /// `application/x-www-form-urlencoded`, as RFC 6749 demands.
    Form,
    /// `multipart/form-data`, as one example of Whisk's shows.
    Multipart,
}

const CLIENT_AUTH: &[(&str, ClientAuth)] = &[("body", ClientAuth::Body), ("basic", ClientAuth::Basic)];
const TOKEN_ENCODING: &[(&str, TokenEncoding)] =
    &[("form", TokenEncoding::Form), ("multipart", TokenEncoding::Multipart)];

impl Whisk {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        // A fault in it is told by `[server]`, which owns it.
        let insecure = reader.peek_flag("server.allow_insecure");
        let login_url = reader.parse("whisk.login_url", |text| base(text, insecure));
        let api_url = reader.parse("whisk.api_url", |text| origin(text, insecure));
        let authorize_path = reader.parse("whisk.authorize_path", path);
        let token_path = reader.parse("whisk.token_path", path);
        let client_id = reader.required("whisk.client_id", client_id);
        let client_secret = Self::read_client_secret(reader);
        let scopes = reader.set("whisk.scopes", scope);
        let identity_providers = reader.set("whisk.identity_providers", identity_provider);
        let client_auth = reader.choice("whisk.client_auth", CLIENT_AUTH);
        let token_encoding = reader.choice("whisk.token_encoding", TOKEN_ENCODING);
        let pkce = reader.flag("whisk.pkce");
        let timeout = reader.duration("whisk.timeout", Duration::from_millis(1)..=Duration::from_secs(3600));
        let issuer = reader.optional("whisk.issuer", issuer);
        let forbidden_query = reader.set("whisk.forbidden_query", query_name);
        Some(Self {
            login_url: login_url?,
            api_url: api_url?,
            authorize_path: authorize_path?,
            token_path: token_path?,
            client_id: client_id?,
            client_secret: client_secret?,
            scopes: scopes?,
            identity_providers: identity_providers?,
            client_auth: client_auth?,
            token_encoding: token_encoding?,
            pkce: pkce?,
            timeout: timeout?,
            issuer: issuer?,
            forbidden_query: forbidden_query?,
        })
    }

    fn read_client_secret(reader: &mut Reader<'_>) -> Option<Secret> {
        let secret = match reader.secret("whisk.client_secret")? {
            Source::Inline => reader.required("whisk.client_secret", client_secret),
            Source::File { key, text, .. } => reader.check(&key, &text, client_secret),
        };
        secret.map(Secret::new)
    }

    /// The authorization endpoint (RFC 6749 section 3.1).
    pub fn authorize_url(&self) -> Url {
        self.below_login_url(&self.authorize_path)
    }

    /// The token endpoint (RFC 6749 section 3.2).
    pub fn token_url(&self) -> Url {
        self.below_login_url(&self.token_path)
    }

    fn below_login_url(&self, path: &str) -> Url {
        let mut url = self.login_url.clone();
        url.set_path(&format!("{}{path}", self.login_url.path().trim_end_matches('/')));
        url
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.put("login_url", self.login_url.as_str().trim_end_matches('/'));
        writer.put("api_url", self.api_url.as_str().trim_end_matches('/'));
        writer.put("authorize_path", self.authorize_path.as_str());
        writer.put("token_path", self.token_path.as_str());
        writer.put("client_id", self.client_id.as_str());
        writer.put("client_secret", REDACTED);
        writer.list("scopes", &self.scopes);
        writer.list("identity_providers", &self.identity_providers);
        writer.choice("client_auth", self.client_auth, CLIENT_AUTH);
        writer.choice("token_encoding", self.token_encoding, TOKEN_ENCODING);
        writer.put("pkce", self.pkce);
        writer.duration("timeout", self.timeout);
        writer.put("issuer", self.issuer.as_deref().unwrap_or_default());
        writer.list("forbidden_query", &self.forbidden_query);
    }

    pub(super) fn warn(&self, warnings: &mut Vec<String>) {
        for (key, url) in [("whisk.login_url", &self.login_url), ("whisk.api_url", &self.api_url)] {
            if url.scheme() != "https" && !is_loopback(url) {
                warnings.push(format!("{key} is http: tokens cross the network in clear text"));
            }
        }
        if !self.scopes.iter().any(|scope| scope == "offline_access") {
            warnings.push(
                "whisk.scopes lacks offline_access: no refresh tokens will come, and each login lasts as long as \
                 its access token"
                    .to_owned(),
            );
        }
    }
}

/// A URL to append paths to: whether it ends in `/` says nothing.
fn base(text: &str, allow_insecure: bool) -> Result<Url, &'static str> {
    endpoint(text.strip_suffix('/').unwrap_or(text), allow_insecure)
}

fn origin(text: &str, allow_insecure: bool) -> Result<Url, &'static str> {
    let url = endpoint(text, allow_insecure)?;
    if url.path() == "/" { Ok(url) } else { Err("must be an origin, without a path") }
}

fn path(text: &str) -> Result<String, &'static str> {
    const RULE: &str = "must be a path: one `/` in front, then letters, digits, `- . _ ~ /`, no empty segment, \
                        `.` or `..`";
    let inner = text.strip_prefix('/').ok_or(RULE)?;
    let clean = inner.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte));
    if clean && !inner.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        Ok(text.to_owned())
    } else {
        Err(RULE)
    }
}

/// RFC 6749 appendix A.1: visible ASCII and spaces.
fn client_id(text: &str) -> Result<String, &'static str> {
    if text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err("must be visible ASCII characters")
    }
}

/// Wider than RFC 6749 appendix A.2, which ends at ASCII: both ways to send it can carry more.
fn client_secret(text: &str) -> Result<String, &'static str> {
    if text.is_empty() {
        Err("is empty")
    } else if text.chars().any(char::is_control) {
        Err("must not hold a line break or another control character")
    } else {
        Ok(text.to_owned())
    }
}

/// RFC 6749 section 3.3: `scope-token`.
fn scope(text: &str) -> Result<String, &'static str> {
    let clean = text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'));
    if clean && !text.is_empty() {
        Ok(text.to_owned())
    } else {
        Err("must be one scope: visible ASCII characters without space, `\"` and `\\`")
    }
}

fn identity_provider(text: &str) -> Result<String, &'static str> {
    let clean = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    if clean && (1..=64).contains(&text.len()) {
        Ok(text.to_owned())
    } else {
        Err("must be 1 to 64 letters, digits, `-`, `.` or `_`")
    }
}

fn issuer(text: &str) -> Result<String, &'static str> {
    // Kept as written: parsing would normalise it, and it is compared by its characters.
    let url = text.bytes().all(|byte| byte.is_ascii_graphic()).then(|| Url::parse(text).ok()).flatten();
    match url {
        Some(url) if matches!(url.scheme(), "https" | "http") => Ok(text.to_owned()),
        _ => Err("must be a URL, or empty"),
    }
}

fn query_name(text: &str) -> Result<String, &'static str> {
    let clean = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"&=#%+;".contains(&byte));
    if clean && !text.is_empty() {
        Ok(text.to_owned())
    } else {
        Err("must be a parameter's name: visible ASCII characters without `& = # % + ;`")
    }
}
