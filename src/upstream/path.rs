//! Which paths go to the API, and how exactly.
//!
//! The allowlist is compared with the raw path alone: never with the query, a header, or what
//! decoding would make of it. What goes out is byte for byte what came in (RFC 9110 section 7.7),
//! so an encoded slash stays encoded; and because no server on the way may read it differently,
//! everything is refused that could leave the prefix in another reading: dot-segments in any
//! encoding (RFC 3986 section 5.2.4), backslashes, empty segments, `..;` path parameters, control
//! characters.
//!
//! A URL parser (WHATWG) is one such reader: it resolves dot-segments and encodes what it dislikes.
//! Its result must therefore spell the same bytes. In a query it would rewrite `'`, `"`, `<` and
//! `>`; browsers, which use the same rules, never send them raw.

use std::borrow::Cow;
use std::fmt;

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};
use url::{Position, Url};

use super::BuildError;
use crate::settings::RoutePattern;

/// The paths that are forwarded, and where to.
#[derive(Debug, Clone)]
pub struct Routes {
    /// Scheme, host and port, without a slash at the end.
    origin: String,
    patterns: Vec<RoutePattern>,
    forbidden_query: Vec<String>,
}

impl Routes {
    /// Routes to the origin of `api_url`, whose path is ignored. The names in `forbidden_query`
    /// are compared without regard to case.
    pub fn new(api_url: &Url, patterns: &[RoutePattern], forbidden_query: &[String]) -> Self {
        Self {
            origin: api_url.origin().ascii_serialization(),
            patterns: patterns.to_vec(),
            forbidden_query: forbidden_query.iter().map(|name| name.to_ascii_lowercase()).collect(),
        }
    }

    /// Whether the raw path (without query) is in the allowlist. It may still be ambiguous.
    pub fn matches(&self, path: &str) -> bool {
        self.patterns.iter().any(|pattern| match pattern {
            RoutePattern::Prefix(prefix) => path.starts_with(prefix.as_str()),
            RoutePattern::ServicePrefix => has_service_prefix(path),
        })
    }

    /// Parses path and query of a request target exactly as received.
    ///
    /// # Errors
    /// [`PathError::NotFound`] outside the allowlist, [`PathError::Ambiguous`] for what two
    /// servers could read differently, [`PathError::ForbiddenQuery`] for a token in the query.
    pub fn parse(&self, path_and_query: &str) -> Result<UpstreamPath, PathError> {
        let (path, query) = match path_and_query.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path_and_query, None),
        };
        if !self.matches(path) {
            return Err(PathError::NotFound);
        }
        check_path(path).map_err(PathError::Ambiguous)?;
        if query.is_some_and(|query| self.has_forbidden_parameter(query)) {
            return Err(PathError::ForbiddenQuery);
        }
        self.build(path_and_query).map_err(PathError::Ambiguous)
    }

    /// The origin to which the routes lead, as the URL parser writes it.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// The same, in the parts of which a request's URI is made.
    pub(super) fn origin_parts(&self) -> Result<(Scheme, Authority), BuildError> {
        let origin = Uri::try_from(self.origin.as_str()).map_err(|_| BuildError::Origin)?;
        let parts = origin.into_parts();
        parts.scheme.zip(parts.authority).ok_or(BuildError::Origin)
    }

    /// The whole URL of a path; `None` for none, since each was one when it was parsed.
    pub(super) fn url(&self, path: &UpstreamPath) -> Option<Url> {
        Url::parse(&format!("{}{}", self.origin, path.as_str())).ok()
    }

    fn build(&self, path_and_query: &str) -> Result<UpstreamPath, Ambiguity> {
        let target = PathAndQuery::try_from(path_and_query).map_err(|_| Ambiguity::Rewritten)?;
        if target.as_str() != path_and_query {
            return Err(Ambiguity::Rewritten);
        }
        // No URL parser changes any of these, dot-segments being refused already; the rest is
        // shown to one.
        if path_and_query.bytes().all(is_always_kept) {
            return Ok(UpstreamPath { target });
        }
        let url =
            Url::parse(&format!("{}{path_and_query}", self.origin)).map_err(|_| Ambiguity::Rewritten)?;
        let same = url[..Position::BeforePath] == self.origin
            && &url[Position::BeforePath..] == path_and_query
            && url.origin().ascii_serialization() == self.origin;
        let uri = Uri::try_from(url.as_str()).map_err(|_| Ambiguity::Rewritten)?;
        let sent = uri.path_and_query().map_or("", |target| target.as_str());
        if same && sent == path_and_query { Ok(UpstreamPath { target }) } else { Err(Ambiguity::Rewritten) }
    }

    /// A name counts as any server on the way might read it: `;` as a separator, decoded up to
    /// twice, in any case, whatever white space or control characters are around it.
    fn has_forbidden_parameter(&self, query: &str) -> bool {
        query.split(['&', ';']).any(|parameter| {
            let name = parameter.split('=').next().unwrap_or_default();
            // Nearly every name can be read in one way only.
            if name.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'%' | b'+')) {
                self.forbids(name)
            } else {
                self.forbids_some_reading(name)
            }
        })
    }

    fn forbids_some_reading(&self, name: &str) -> bool {
        let name = name.replace('+', " ");
        let once = decode(name.as_bytes());
        let twice = decode(&once);
        [&once, &twice].into_iter().any(|name| {
            let name = String::from_utf8_lossy(name);
            self.forbids(
                name.trim_matches(|character: char| character.is_whitespace() || character.is_control()),
            )
        })
    }

    fn forbids(&self, name: &str) -> bool {
        self.forbidden_query.iter().any(|forbidden| name.eq_ignore_ascii_case(forbidden))
    }
}

/// Why a request target is not forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Outside the allowlist: 404.
    #[error("not a forwarded path")]
    NotFound,
    /// Two servers could read it differently: 400.
    #[error("the path is ambiguous: {0}")]
    Ambiguous(Ambiguity),
    /// The query names a parameter that carries a token (RFC 9700 section 4.3.2): 400.
    #[error("the query holds a parameter reserved for tokens")]
    ForbiddenQuery,
}

/// What makes a path ambiguous.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Ambiguity {
    /// `.` or `..`, raw, encoded, encoded twice, or with `;` parameters.
    #[error("a dot-segment")]
    DotSegment,
    /// `//`.
    #[error("an empty segment")]
    EmptySegment,
    /// `\` or `%5C`, however often encoded, which some servers read as `/`.
    #[error("a backslash")]
    Backslash,
    /// `%` without two hexadecimal digits after it.
    #[error("an invalid percent-escape")]
    Escape,
    /// Percent-escapes within escapes, deeper than anyone means.
    #[error("escapes within escapes")]
    NestedEscapes,
    /// A control character, raw or however often encoded, or a raw character that is not visible ASCII.
    #[error("a character that does not belong in a path")]
    Character,
    /// A byte sequence that spells an ASCII character in a way UTF-8 forbids.
    #[error("an overlong UTF-8 sequence")]
    Overlong,
    /// The URL parser would send something else than was received.
    #[error("a spelling that would change on the way")]
    Rewritten,
}

impl PathError {
    /// The cause in one word, for logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::ForbiddenQuery => "token_in_query",
            Self::Ambiguous(ambiguity) => match ambiguity {
                Ambiguity::DotSegment => "dot_segment",
                Ambiguity::EmptySegment => "empty_segment",
                Ambiguity::Backslash => "backslash",
                Ambiguity::Escape => "invalid_escape",
                Ambiguity::NestedEscapes => "nested_escapes",
                Ambiguity::Character => "character",
                Ambiguity::Overlong => "overlong_utf8",
                Ambiguity::Rewritten => "rewritten",
            },
        }
    }
}

/// A path, with query if any, that goes to the API as it came.
#[derive(Clone, PartialEq, Eq)]
pub struct UpstreamPath {
    target: PathAndQuery,
}

impl UpstreamPath {
    /// What stands in the request line.
    pub(super) const fn target(&self) -> &PathAndQuery {
        &self.target
    }

    /// Path and query, byte for byte as received.
    pub fn as_str(&self) -> &str {
        self.target.as_str()
    }
}

/// The query stays out of logs: it is the user's.
impl fmt::Debug for UpstreamPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UpstreamPath({})", self.target.path())
    }
}

/// `/{service}/v2/`. The service is a plain name, so that it cannot hold an encoded slash; it is
/// never `auth`, whose paths are answered by this server.
fn has_service_prefix(path: &str) -> bool {
    let Some((service, rest)) = path.strip_prefix('/').and_then(|path| path.split_once('/')) else {
        return false;
    };
    let plain = service.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
    plain && !matches!(service, "" | "." | ".." | "auth") && rest.starts_with("v2/")
}

/// Letters, digits, and the marks of RFC 3986 that the URL Standard's sets for paths and queries
/// leave alone.
const fn is_always_kept(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'!'
                | b'$'
                | b'&'
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
                | b':'
                | b'@'
                | b'/'
                | b'?'
                | b'%'
        )
}

fn check_path(path: &str) -> Result<(), Ambiguity> {
    if is_simple(path) { Ok(()) } else { check_closely(path) }
}

fn check_closely(path: &str) -> Result<(), Ambiguity> {
    if path.contains('\\') {
        return Err(Ambiguity::Backslash);
    }
    if !path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return Err(Ambiguity::Character);
    }
    if path.contains("//") {
        return Err(Ambiguity::EmptySegment);
    }
    if !escapes_are_valid(path.as_bytes()) {
        return Err(Ambiguity::Escape);
    }
    check_dot_segments(path.as_bytes())?;

    let mut decoded = decode(path.as_bytes());
    for _ in 0..DECODINGS {
        if decoded.iter().any(u8::is_ascii_control) {
            return Err(Ambiguity::Character);
        }
        if decoded.contains(&b'\\') {
            return Err(Ambiguity::Backslash);
        }
        check_dot_segments(&decoded)?;
        check_overlong(&decoded)?;
        decoded = match decode(&decoded) {
            Cow::Borrowed(_) => return Ok(()),
            Cow::Owned(deeper) => Cow::Owned(deeper),
        };
    }
    Err(Ambiguity::NestedEscapes)
}

/// Whether there is nothing to read in two ways: no empty segment, and of all characters those
/// alone that stand for themselves. Nearly every path is so, and one look tells it.
fn is_simple(path: &str) -> bool {
    let mut before = 0;
    path.bytes().all(|byte| {
        let empty_segment = before == b'/' && byte == b'/';
        before = byte;
        !empty_segment && (byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~' | b'/'))
    })
}

fn check_dot_segments(path: &[u8]) -> Result<(), Ambiguity> {
    let dots = path.split(|byte| matches!(byte, b'/' | b'\\')).any(|segment| {
        let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
        matches!(name, b"." | b"..")
    });
    if dots { Err(Ambiguity::DotSegment) } else { Ok(()) }
}

/// RFC 3629 section 3: `C0`, `C1`, `E0 80..9F` and `F0 80..8F` never occur. Lax decoders read
/// `C0 AE` as `.` and `C0 AF` as `/`.
fn check_overlong(path: &[u8]) -> Result<(), Ambiguity> {
    let overlong = path.iter().enumerate().any(|(at, byte)| match byte {
        0xC0 | 0xC1 => true,
        0xE0 => path.get(at + 1).is_some_and(|next| (0x80..0xA0).contains(next)),
        0xF0 => path.get(at + 1).is_some_and(|next| (0x80..0x90).contains(next)),
        _ => false,
    });
    if overlong { Err(Ambiguity::Overlong) } else { Ok(()) }
}

fn escapes_are_valid(text: &[u8]) -> bool {
    text.iter().enumerate().all(|(at, byte)| *byte != b'%' || escape(text, at).is_some())
}

/// Percent-decodes once (RFC 3986 section 2.1); what is no escape stays. Borrowed: there is none.
fn decode(text: &[u8]) -> Cow<'_, [u8]> {
    if !(0..text.len()).any(|at| escape(text, at).is_some()) {
        return Cow::Borrowed(text);
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match escape(text, at) {
            Some(value) => {
                decoded.push(value);
                at += 3;
            }
            None => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    Cow::Owned(decoded)
}

fn escape(text: &[u8], at: usize) -> Option<u8> {
    let [b'%', high, low] = *text.get(at..at + 3)? else { return None };
    Some(digit(high)? << 4 | digit(low)?)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// How often a path is decoded before it must hold no more escapes.
const DECODINGS: usize = 3;

#[cfg(test)]
mod tests;
