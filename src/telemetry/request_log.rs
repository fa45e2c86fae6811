//! The one line that a request leaves in the log.

use std::net::IpAddr;
use std::time::Duration;

use super::labels::{Outcome, Route};
use crate::model::Digest;

/// What is known of a request when its answer is complete. [`RequestLine::emit`] writes it.
#[derive(Debug, Clone)]
pub struct RequestLine<'a> {
    /// The id that the answer carries too.
    pub request_id: &'a str,
    /// The method as it came; unusual ones are logged as `other`.
    pub method: &'a str,
    /// Where it went.
    pub route: Route,
    /// The request target. What stands behind `?` or `#` is not logged.
    pub path: &'a str,
    /// The status it was answered with; 0 where the client left before there was one.
    pub status: u16,
    /// The class of the status, or the code of our error.
    pub outcome: Outcome,
    /// From its head to the end of its answer.
    pub duration: Duration,
    /// Bytes of its body that were read.
    pub bytes_in: u64,
    /// Bytes of the answer's body that were written.
    pub bytes_out: u64,
    /// The client's address, by the rules of `server.trusted_proxies`.
    pub client: Option<IpAddr>,
    /// The session it belonged to: [`super::session_digest`].
    pub session: Option<Digest>,
    /// The header `User-Agent`; the first 200 characters are logged.
    pub user_agent: Option<&'a str>,
    /// Until the API's response headers, where the API was called.
    pub upstream: Option<Duration>,
    /// What the request had to do with a refresh.
    pub refreshed: Refreshed,
}

/// What a request had to do with a refresh of its session's access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Refreshed {
    /// The token was fresh enough.
    #[default]
    None,
    /// It waited for a refresh that another request, here or elsewhere, had begun.
    Joined,
    /// It refreshed.
    Performed,
}

impl Refreshed {
    /// The value as logs write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Joined => "joined",
            Self::Performed => "performed",
        }
    }
}

impl RequestLine<'_> {
    /// Writes the line, at level `info` and with target `request`.
    pub fn emit(&self) {
        tracing::info!(
            target: "request",
            request_id = self.request_id,
            method = method(self.method),
            route = self.route.as_str(),
            path = path(self.path),
            status = self.status,
            outcome = self.outcome.as_str(),
            duration_ms = milliseconds(self.duration),
            bytes_in = self.bytes_in,
            bytes_out = self.bytes_out,
            client = self.client.map(tracing::field::display),
            session = self.session.map(|digest| digest.short()),
            user_agent = self.user_agent.map(|text| first(text, LONGEST_USER_AGENT)),
            upstream_ms = self.upstream.map(milliseconds),
            refreshed = self.refreshed.as_str(),
            "answered"
        );
    }
}

/// The methods of RFC 9110 section 9 and RFC 5789 by name.
fn method(text: &str) -> &str {
    const KNOWN: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
    if KNOWN.contains(&text) { text } else { "other" }
}

/// The path alone: a callback's query holds the code and the `state`, an API call's the user's
/// words. An absolute-form target loses its authority, which may hold a password.
fn path(target: &str) -> &str {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let path = match path.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('/') => {
            rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/")
        }
        _ => path,
    };
    first(path, LONGEST_PATH)
}

fn first(text: &str, characters: usize) -> &str {
    text.char_indices().nth(characters).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

/// To the microsecond.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

const LONGEST_PATH: usize = 1024;
const LONGEST_USER_AGENT: usize = 200;

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use super::*;

    #[test]
    fn a_path_is_logged_without_query_fragment_or_authority() {
        for (target, logged) in [
            ("/auth/callback?code=secret&state=secret", "/auth/callback"),
            ("/v2/a#secret", "/v2/a"),
            ("http://user:secret@app.test/v2/a?secret", "/v2/a"),
            ("http://user:secret@app.test", "/"),
            ("/v2/http://a", "/v2/http://a"),
            ("*", "*"),
        ] {
            assert_eq!(path(target), logged);
        }
        assert_eq!(path(&"é".repeat(2000)).chars().count(), LONGEST_PATH);
    }

    #[test]
    fn a_method_is_one_of_a_fixed_set() {
        assert_eq!((method("PATCH"), method("get"), method("X\n")), ("PATCH", "other", "other"));
    }

    #[test]
    fn a_duration_is_written_in_milliseconds() {
        assert!((milliseconds(Duration::from_nanos(1_234_567)) - 1.235).abs() < f64::EPSILON);
    }

    #[test]
    fn a_request_leaves_one_line_that_tells_no_secret() {
        let session = crate::model::SessionId::from_random([7; 32]);
        let agent = format!("\u{1b}[31m{}", "a".repeat(300));
        let line = RequestLine {
            request_id: "r1",
            method: "GET",
            route: Route::Callback,
            path: "/auth/callback?code=s3cr3t",
            status: 400,
            outcome: Outcome::LoginExpired,
            duration: Duration::from_millis(12),
            bytes_in: 0,
            bytes_out: 345,
            client: Some(IpAddr::from([192, 0, 2, 1])),
            session: Some(crate::telemetry::session_digest(&session)),
            user_agent: Some(&agent),
            upstream: None,
            refreshed: Refreshed::None,
        };
        let lines = crate::telemetry::logging::tests::json("trace", || line.emit());
        let [line] = lines.as_slice() else { panic!("{lines:?}") };
        assert_eq!((&line["target"], &line["path"]), (&"request".into(), &"/auth/callback".into()));
        assert_eq!((&line["outcome"], &line["duration_ms"]), (&"login_expired".into(), &12.0.into()));
        assert_eq!((&line["client"], &line["bytes_out"]), (&"192.0.2.1".into(), &345.into()));
        assert_eq!(line["session"].as_str().map(str::len), Some(12));
        assert_eq!(line["user_agent"].as_str().map(|text| text.chars().count()), Some(LONGEST_USER_AGENT));
        assert!(line.get("upstream_ms").is_none());
        assert!(!line.to_string().contains("s3cr3t") && !line.to_string().contains(&session.expose()));
    }
}
