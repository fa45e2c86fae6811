//! How long sessions live.

use std::time::Duration;

use super::vault::SessionContent;
use crate::model::{Principal, Timestamp};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Whisk deletes an anonymous user after this long without a call (fact W24).
const ANONYMOUS_USER: Duration = DAY.saturating_mul(30);

/// The two time-outs of the settings, and what follows from them.
#[derive(Debug, Clone, Copy)]
pub struct Lifetimes {
    /// Without a call.
    pub idle: Duration,
    /// In all.
    pub absolute: Duration,
}

impl Lifetimes {
    /// How long this session lasts without a call.
    ///
    /// An anonymous user lives as long at Whisk as it makes calls, so its session must not promise
    /// more. Without a refresh token its access token is all that it has: Whisk tells a life that
    /// each call begins anew, and if that should not be so, the API's 401 will tell.
    fn idle_of(&self, content: &SessionContent) -> Duration {
        let tokens = &content.tokens;
        match (content.principal, tokens.expires_at) {
            (Principal::User, _) => self.idle,
            (Principal::Anonymous, Some(expires_at)) if tokens.refresh.is_none() => {
                self.idle.min(ANONYMOUS_USER).min(expires_at.since(content.tokens_since))
            }
            (Principal::Anonymous, _) => self.idle.min(ANONYMOUS_USER),
        }
    }

    /// Until when a session lasts that is called now and then no more. A little more than its idle
    /// time (a 64th of it, at most a minute), so that the deadline need not be moved at every call.
    pub(super) fn deadline(&self, content: &SessionContent, now: Timestamp) -> Timestamp {
        let idle = self.idle_of(content);
        let slack = (idle / 64).min(Duration::from_secs(60));
        now.plus(idle.saturating_add(slack)).min(content.ends_at)
    }

    /// Whether a deadline still promises the whole idle time to a session that is called now.
    pub(super) fn covered(&self, content: &SessionContent, deadline: Timestamp, now: Timestamp) -> bool {
        deadline >= content.ends_at.min(now.plus(self.idle_of(content)))
    }

    /// How long a record outlives its session, so that a browser that comes back can be told that
    /// its session has ended, and is not taken for a stranger: a tenth of the idle timeout, at most
    /// a week. Nothing but that is done with it.
    pub fn afterlife(&self) -> Duration {
        (self.idle / 10).min(DAY.saturating_mul(7))
    }

    /// The `Max-Age` of a session's cookie.
    pub fn cookie_max_age(&self) -> Duration {
        self.idle
    }
}
