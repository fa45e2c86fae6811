//! Is an access token still good?

use std::time::Duration;

use super::vault::SessionContent;
use crate::model::Timestamp;

/// What to do with an access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Use it.
    Fresh,
    /// Use it, and refresh it behind the call.
    Aging,
    /// Do not use it.
    Stale,
}

impl Freshness {
    /// Judges by the server's word on the token's life.
    ///
    /// A token ages `refresh_ahead` before its end, but never in the first half of its life, or a
    /// server with short-lived tokens would be asked at every call. One without a refresh token
    /// cannot age. One without a known end is fresh until the API says otherwise, and so is an
    /// anonymous user's that cannot be refreshed: its life is the session's.
    pub fn of(content: &SessionContent, now: Timestamp, refresh_ahead: Duration) -> Self {
        let tokens = &content.tokens;
        let Some(expires_at) = tokens.expires_at else {
            return Self::Fresh;
        };
        if content.lives_by_its_calls() {
            return Self::Fresh;
        }
        if now >= expires_at {
            return Self::Stale;
        }
        let half_life = expires_at.since(content.tokens_since) / 2;
        if tokens.refresh.is_some() && expires_at.since(now) <= refresh_ahead.min(half_life) {
            Self::Aging
        } else {
            Self::Fresh
        }
    }
}
