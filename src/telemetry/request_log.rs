//! The one line that a request leaves in the log.
//!
//! Each request writes it, so that its fields do not go one by one through the log's general form:
//! as JSON they are written here, in one piece, and stand beside the fields in [`AS_JSON`].

use std::fmt::{self, Write};
use std::net::IpAddr;
use std::time::Duration;

use super::escape::{Escaping, Style};
use super::labels::{Outcome, Route};
use crate::model::{Digest, push_address, push_number, push_thousandths};

/// The field with all others as JSON. Other forms of a line leave out what begins with `log.`.
pub(super) const AS_JSON: &str = "log.json";

/// Where alone that field is believed.
pub(super) const MODULE: &str = module_path!();

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
            session = self.session.map(|digest| tracing::field::display(Short(digest))),
            user_agent = self.user_agent.map(|text| first(text, LONGEST_USER_AGENT)),
            upstream_ms = self.upstream.map(milliseconds),
            refreshed = self.refreshed.as_str(),
            log.json = self.as_json(),
            "answered"
        );
    }

    /// The fields as the general form would write them, one after the other.
    fn as_json(&self) -> String {
        let mut json = Json(String::with_capacity(768));
        json.text(",\"request_id\":", self.request_id);
        json.text(",\"method\":", method(self.method));
        json.text(",\"route\":", self.route.as_str());
        json.text(",\"path\":", path(self.path));
        json.number(",\"status\":", self.status.into());
        json.text(",\"outcome\":", self.outcome.as_str());
        json.milliseconds(",\"duration_ms\":", self.duration);
        json.number(",\"bytes_in\":", self.bytes_in);
        json.number(",\"bytes_out\":", self.bytes_out);
        if let Some(client) = &self.client {
            json.0.push_str(",\"client\":\"");
            push_address(&mut json.0, client);
            json.0.push('"');
        }
        if let Some(session) = self.session {
            json.0.push_str(",\"session\":\"");
            session.push_short(&mut json.0);
            json.0.push('"');
        }
        if let Some(agent) = self.user_agent {
            json.text(",\"user_agent\":", first(agent, LONGEST_USER_AGENT));
        }
        if let Some(upstream) = self.upstream {
            json.milliseconds(",\"upstream_ms\":", upstream);
        }
        json.text(",\"refreshed\":", self.refreshed.as_str());
        json.0
    }
}

/// Members of a JSON object. Each name comes with its comma, its quotes and its colon.
struct Json(String);

impl Json {
    fn text(&mut self, name: &str, value: &str) {
        self.0.push_str(name);
        self.0.push('"');
        // Writing to a `String` cannot fail.
        let _ = Escaping::new(&mut self.0, Style::Json).write_str(value);
        self.0.push('"');
    }

    fn number(&mut self, name: &str, value: u64) {
        self.0.push_str(name);
        push_number(&mut self.0, value);
    }

    /// What `{:?}` writes of [`milliseconds`]: as few digits as tell it from all others.
    fn milliseconds(&mut self, name: &str, value: Duration) {
        self.0.push_str(name);
        let micros = microseconds(value);
        // A double holds 15 digits exactly, so that the fewest are those of the whole number.
        if micros >= 1e15 {
            let _ = write!(self.0, "{:?}", milliseconds(value));
            return;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, and in between")]
        let micros = micros as u64;
        push_thousandths(&mut self.0, micros);
    }
}

struct Short(Digest);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.short())
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
    let end = target.bytes().position(|byte| matches!(byte, b'?' | b'#'));
    let path = end.and_then(|end| target.get(..end)).unwrap_or(target);
    // By far the commonest form, in which no authority can be.
    if path.starts_with('/') {
        return first(path, LONGEST_PATH);
    }
    let path = match path.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('/') => {
            rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/")
        }
        _ => path,
    };
    first(path, LONGEST_PATH)
}

fn first(text: &str, characters: usize) -> &str {
    // No character has less than a byte.
    if text.len() <= characters {
        return text;
    }
    text.char_indices().nth(characters).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

/// To the microsecond.
fn milliseconds(duration: Duration) -> f64 {
    microseconds(duration) / 1e3
}

fn microseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round()
}

const LONGEST_PATH: usize = 1024;
const LONGEST_USER_AGENT: usize = 200;

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use proptest::option;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::telemetry::LogFormat;
    use crate::telemetry::logging::tests::written;

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

    proptest! {
        /// Byte for byte, in the order of the fields.
        #[test]
        fn the_fields_are_written_as_the_general_form_writes_them(
            (request_id, method, path, agent) in (".*", "GET|get|PATCH", ".{0,40}", option::of(".{0,210}")),
            (route, outcome) in (select(Route::ALL), select(Outcome::ALL)),
            (status, bytes_in, bytes_out) in any::<(u16, u64, u64)>(),
            (nanos, shift, upstream) in (any::<u64>(), 0..64_u32, option::of(any::<u32>())),
            client: Option<IpAddr>, session: Option<[u8; 32]>,
        ) {
            let line = RequestLine {
                request_id: &request_id,
                method: &method,
                route,
                path: &path,
                status,
                outcome,
                duration: Duration::from_nanos(nanos >> shift),
                bytes_in,
                bytes_out,
                client,
                session: session.map(Digest::from_bytes),
                user_agent: agent.as_deref(),
                upstream: upstream.map(|micros| Duration::from_micros(micros.into())),
                refreshed: Refreshed::Joined,
            };
            for format in [LogFormat::Json, LogFormat::Pretty] {
                let own = written(format, "info", || line.emit());
                // Not of the module that is believed to bring its own JSON.
                let general = written(format, "info", || general::emit(&line));
                let behind_the_time = |lines: &[String]| -> String {
                    let text = lines.concat();
                    text.split_once("INFO").unwrap_or_default().1.to_owned()
                };
                prop_assert_eq!(behind_the_time(&own), behind_the_time(&general));
                prop_assert!(!own.is_empty());
            }
        }
    }

    mod general {
        use super::super::*;

        pub(super) fn emit(line: &RequestLine<'_>) {
            tracing::info!(
                target: "request",
                request_id = line.request_id,
                method = method(line.method),
                route = line.route.as_str(),
                path = path(line.path),
                status = line.status,
                outcome = line.outcome.as_str(),
                duration_ms = milliseconds(line.duration),
                bytes_in = line.bytes_in,
                bytes_out = line.bytes_out,
                client = line.client.map(tracing::field::display),
                session = line.session.map(|digest| digest.short()),
                user_agent = line.user_agent.map(|text| first(text, LONGEST_USER_AGENT)),
                upstream_ms = line.upstream.map(milliseconds),
                refreshed = line.refreshed.as_str(),
                "answered"
            );
        }
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
