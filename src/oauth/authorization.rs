//! The authorization request (RFC 6749 section 4.1.1) and what its answer brings back.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use url::form_urlencoded;

use super::CodeChallenge;
use crate::crypto::random_bytes;
use crate::model::Secret;
use crate::settings;

#[cfg(test)]
mod tests;

/// `state`: what ties a callback to the login that began it (RFC 6749 section 10.12). 256
/// random bits, one login long, used once.
///
/// Two states are told apart by looking one up under its [`Digest`](crate::model::Digest), as
/// comparing their characters would take a time that tells how many agree.
#[derive(Clone)]
pub struct State(Secret);

impl State {
    /// A state from 256 bits of the system's random source.
    #[expect(clippy::new_without_default, reason = "a random value is no default")]
    pub fn new() -> Self {
        Self(Secret::new(URL_SAFE_NO_PAD.encode(random_bytes::<32>())))
    }

    /// Reads a callback's `state`: `None` unless it has the exact form of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let ours = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) == Ok(32);
        ours.then(|| Self(Secret::new(text.to_owned())))
    }

    /// The 43 base64url characters.
    pub fn as_str(&self) -> &str {
        self.0.expose()
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("State([redacted])")
    }
}

/// `code` of a callback (RFC 6749 section 4.1.2): worth a token set, for a day at Whisk.
#[derive(Debug, Clone)]
pub struct AuthorizationCode(Secret);

impl AuthorizationCode {
    /// Longest code accepted, in bytes: it has come in a URL.
    pub const MAX_LENGTH: usize = 2048;

    /// Takes 1 to [`Self::MAX_LENGTH`] visible ASCII characters; `None` for any other text.
    pub fn parse(text: String) -> Option<Self> {
        let text = Secret::new(text);
        let length = 1..=Self::MAX_LENGTH;
        let clean = text.expose().bytes().all(|byte| byte.is_ascii_graphic());
        (clean && length.contains(&text.expose().len())).then_some(Self(text))
    }

    /// The text, for the token endpoint only.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// What one login asks for beyond the settings.
#[derive(Debug, Clone, Copy)]
pub struct AuthorizationRequest<'a> {
    /// Comes back with the callback.
    pub state: &'a State,
    /// Of this login's [`CodeVerifier`](super::CodeVerifier); `None` only where
    /// `whisk.pkce` is off.
    pub challenge: Option<&'a CodeChallenge>,
    /// Whisk's own parameter: forwards the person to this provider at once. The caller has
    /// found it in `whisk.identity_providers`.
    pub identity_provider: Option<&'a str>,
}

impl AuthorizationRequest<'_> {
    /// The URL that the browser is sent to. Every value is percent-encoded, a space as `%20`,
    /// which unlike `+` means the same in every part of a URL.
    pub(super) fn url(&self, whisk: &settings::Whisk, redirect_uri: &str, scope: &str) -> String {
        let mut query = vec![
            parameter("response_type", "code"),
            parameter("client_id", &whisk.client_id),
            parameter("redirect_uri", redirect_uri),
            parameter("state", self.state.as_str()),
        ];
        if !scope.is_empty() {
            query.push(parameter("scope", scope));
        }
        if let Some(challenge) = self.challenge {
            query.push(parameter("code_challenge", challenge.as_str()));
            query.push(parameter("code_challenge_method", CodeChallenge::METHOD));
        }
        if let Some(provider) = self.identity_provider {
            query.push(parameter("identity_provider", provider));
        }
        let mut url = whisk.authorize_url();
        url.set_query(Some(&query.join("&")));
        url.into()
    }
}

fn parameter(name: &str, value: &str) -> String {
    let value: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
    format!("{name}={}", value.replace('+', "%20"))
}
