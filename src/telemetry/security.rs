//! The records that a security officer reads: one for each login, logout and refusal
//! (requirement R113; OWASP ASVS 5.0, 16.3).

use std::net::IpAddr;

use super::labels::SessionEnd;
use crate::model::Digest;

/// One event. Build it, add what is known, [`emit`](Self::emit) it once.
///
/// ```
/// use whisk_bff::telemetry::{SecurityEvent, SecurityKind};
/// SecurityEvent::new(SecurityKind::CsrfRejected).reason("origin").emit();
/// ```
#[derive(Debug, Clone)]
#[must_use = "an event is written by `emit`"]
pub struct SecurityEvent<'a> {
    kind: SecurityKind,
    reason: Option<&'static str>,
    request_id: Option<&'a str>,
    session: Option<Digest>,
    client: Option<IpAddr>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecurityKind {
    /// A user logged in and a session began.
    LoginCompleted,
    /// A login ended without a session. The reason tells how.
    LoginFailed,
    /// A callback came without `state`.
    StateMissing,
    /// A callback came with a `state` that this browser has no login for.
    StateMismatch,
    /// A session of an anonymous user began.
    AnonymousStarted,
    /// The CSRF gate refused a request. The reason tells by which rule.
    CsrfRejected,
    /// `Host` was not that of `server.public_url`.
    HostRejected,
    /// A path could be read in two ways, or its query held a token. The reason tells which.
    PathRejected,
    /// A limit on logins, anonymous users, callbacks or unknown cookies was reached.
    RateLimited,
    /// The authorization server refused to refresh (`invalid_grant`), which ends the session.
    RefreshRefused,
    /// A record did not open: its key is missing, or it was changed or moved.
    RecordRejected,
    /// The user logged out.
    Logout,
    /// A session ended in another way. The reason tells in which.
    SessionEnded,
}

impl SecurityKind {
    /// The event's name in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LoginCompleted => "login_completed",
            Self::LoginFailed => "login_failed",
            Self::StateMissing => "state_missing",
            Self::StateMismatch => "state_mismatch",
            Self::AnonymousStarted => "anonymous_started",
            Self::CsrfRejected => "csrf_rejected",
            Self::HostRejected => "host_rejected",
            Self::PathRejected => "path_rejected",
            Self::RateLimited => "rate_limited",
            Self::RefreshRefused => "refresh_refused",
            Self::RecordRejected => "record_rejected",
            Self::Logout => "logout",
            Self::SessionEnded => "session_ended",
        }
    }

    /// Whether it belongs to a day on which nothing is wrong.
    const fn is_ordinary(self) -> bool {
        matches!(self, Self::LoginCompleted | Self::AnonymousStarted | Self::Logout | Self::SessionEnded)
    }
}

impl<'a> SecurityEvent<'a> {
    /// An event of which nothing more is known.
    pub const fn new(kind: SecurityKind) -> Self {
        Self { kind, reason: None, request_id: None, session: None, client: None }
    }

    /// The end of a session.
    pub const fn ended(reason: SessionEnd) -> Self {
        match reason {
            SessionEnd::Logout => Self::new(SecurityKind::Logout),
            SessionEnd::Refused => Self::new(SecurityKind::RefreshRefused),
            _ => Self::new(SecurityKind::SessionEnded).reason(reason.as_str()),
        }
    }

    /// The cause, in words of ours.
    pub const fn reason(mut self, reason: &'static str) -> Self {
        self.reason = Some(reason);
        self
    }

    /// The request it happened in.
    pub const fn request(mut self, id: &'a str) -> Self {
        self.request_id = Some(id);
        self
    }

    /// The session it happened to: [`super::session_digest`].
    pub const fn session(mut self, digest: Digest) -> Self {
        self.session = Some(digest);
        self
    }

    /// The client's address.
    pub const fn client(mut self, address: Option<IpAddr>) -> Self {
        self.client = address;
        self
    }

    /// Writes the record with target `security`: at level `info` what belongs to an ordinary day,
    /// at `warn` the rest.
    pub fn emit(&self) {
        // The level of a tracing event is part of its call site.
        macro_rules! write_at {
            ($level:ident) => {
                tracing::$level!(
                    target: "security",
                    event = self.kind.as_str(),
                    reason = self.reason,
                    request_id = self.request_id,
                    session = self.session.map(|digest| digest.short()),
                    client = self.client.map(tracing::field::display),
                    "{}", self.kind.as_str()
                )
            };
        }
        if self.kind.is_ordinary() {
            write_at!(info);
        } else {
            write_at!(warn);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::logging::tests::json;

    #[test]
    fn an_event_is_one_record_at_the_level_of_its_day() {
        let lines = json("info", || {
            SecurityEvent::new(SecurityKind::CsrfRejected).reason("origin").request("r1").emit();
            SecurityEvent::ended(SessionEnd::Replaced).session(Digest::of("log", &[1; 32])).emit();
        });
        let seen: Vec<_> =
            lines.iter().map(|line| (&line["level"], &line["event"], &line["reason"])).collect();
        let expected = [("WARN", "csrf_rejected", "origin"), ("INFO", "session_ended", "replaced")];
        assert_eq!(
            format!("{seen:?}"),
            format!(
                "{:?}",
                expected.map(|(a, b, c)| (
                    serde_json::Value::from(a),
                    serde_json::Value::from(b),
                    serde_json::Value::from(c)
                ))
            )
        );
        assert!(lines.iter().all(|line| line["target"] == "security"));
    }
}
