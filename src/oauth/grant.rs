//! Reading a token response (RFC 6749 section 5.1) and a refusal (section 5.2).
//!
//! Whisk's pages and public clients show five shapes of `scope` and two of `expires_in`; none
//! may cost a login. Of the tokens themselves nothing is forgiven: they end in headers.

use std::time::Duration;

use super::wire::{ErrorResponse, Loose, TokenResponse, object};
use super::{ErrorCode, InvalidAnswer};
use crate::model::{AccessToken, RefreshToken, Scopes, Timestamp, TokenSet};

#[cfg(test)]
mod tests;

/// What the token endpoint is asked to accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Grant {
    /// A code from a callback (RFC 6749 section 4.1.3).
    AuthorizationCode,
    /// A refresh token (RFC 6749 section 6).
    RefreshToken,
}

impl Grant {
    /// `grant_type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
        }
    }
}

/// What the server granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// The new tokens. After a refresh without a new refresh token the old one stays valid
    /// (RFC 6749 section 6): the caller keeps it.
    pub tokens: TokenSet,
    /// The scopes the answer names, which may be none at all (`""`, `[]`). `None` where it does
    /// not say: those requested, or after a refresh those held before (RFC 6749 sections 5.1
    /// and 6).
    pub scopes: Option<Scopes>,
    /// What an operator should know, though the tokens are good.
    pub alert: Option<Alert>,
}

/// An oddity of a token response that does not make it unusable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Alert {
    /// `expires_in` is zero or less, so by its own word the token is dead. Taken as unknown.
    NotPositiveExpiresIn,
    /// `expires_in` is no whole number of seconds. Taken as unknown.
    UnreadableExpiresIn,
}

impl Alert {
    /// A fixed word, fit for a log or a metric.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotPositiveExpiresIn => "expires_in_not_positive",
            Self::UnreadableExpiresIn => "expires_in_unreadable",
        }
    }
}

/// Reads the body of a 200. `asked_at` is when the request was sent: counted from there, a
/// token's life is never taken for longer than it is.
///
/// # Errors
/// [`InvalidAnswer`]: which part of the answer cannot be used. Nothing of it is kept.
pub fn granted(body: &[u8], asked_at: Timestamp) -> Result<Granted, InvalidAnswer> {
    let response: TokenResponse = object(body).ok_or(InvalidAnswer::NotJson)?;
    match response.token_type {
        Loose::Text(name) if name.eq_ignore_ascii_case("bearer") => {}
        _ => return Err(InvalidAnswer::TokenType),
    }
    let access = token(response.access_token).ok_or(InvalidAnswer::AccessToken)?;
    let refresh = match response.refresh_token {
        Loose::Absent => None,
        Loose::Text(text) if text.is_empty() => None,
        other => Some(token(other).ok_or(InvalidAnswer::RefreshToken)?),
    };
    let access = AccessToken::parse(access).map_err(|_| InvalidAnswer::AccessToken)?;
    let refresh = refresh.map(RefreshToken::parse).transpose().map_err(|_| InvalidAnswer::RefreshToken)?;
    let (lifetime, alert) = lifetime(response.expires_in);
    let expires_at = lifetime.map(|lifetime| asked_at.plus(lifetime));
    let tokens = TokenSet { access, refresh, expires_at };
    Ok(Granted { tokens, scopes: scopes(response.scope), alert })
}

/// Reads the body of a refusal; `None` if it holds no error code.
pub fn refused(body: &[u8]) -> Option<ErrorCode> {
    match object::<ErrorResponse>(body)?.error {
        Loose::Text(code) if !code.is_empty() => Some(ErrorCode::read(&code)),
        _ => None,
    }
}

/// Longest token accepted, in bytes. Servers' limits for a header line begin at 8 KiB.
const MAX_TOKEN: usize = 16 * 1024;

/// Longest life of an access token believed.
const MAX_LIFETIME: u64 = 10 * 365 * 24 * 60 * 60;

fn token(member: Loose) -> Option<String> {
    match member {
        Loose::Text(mut text) if text.len() <= MAX_TOKEN => Some(std::mem::take(&mut *text)),
        _ => None,
    }
}

fn lifetime(expires_in: Loose) -> (Option<Duration>, Option<Alert>) {
    let seconds = match expires_in {
        Loose::Absent => return (None, None),
        Loose::Integer(seconds) => Some(seconds),
        // `as` saturates.
        Loose::Float(seconds) if seconds.fract() == 0.0 => Some(seconds as i128),
        Loose::Text(text) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
            // All digits, so it can only fail by being too large.
            Some(text.parse().unwrap_or(i128::MAX))
        }
        _ => None,
    };
    match seconds {
        None => (None, Some(Alert::UnreadableExpiresIn)),
        Some(..=0) => (None, Some(Alert::NotPositiveExpiresIn)),
        Some(seconds) => {
            let seconds = u64::try_from(seconds).unwrap_or(MAX_LIFETIME).min(MAX_LIFETIME);
            (Some(Duration::from_secs(seconds)), None)
        }
    }
}

fn scopes(scope: Loose) -> Option<Scopes> {
    match scope {
        Loose::Text(text) => Some(names([text.as_str()])),
        Loose::Texts(texts) => Some(names(texts.iter().map(String::as_str))),
        _ => None,
    }
}

/// Within an array, too, a text may name several.
fn names<'a>(texts: impl IntoIterator<Item = &'a str>) -> Scopes {
    let names = texts.into_iter().flat_map(|text| text.split([' ', ',']));
    Scopes::collect(names.filter(|name| !name.is_empty()).take(Loose::MAX_TEXTS))
}
