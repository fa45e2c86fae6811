//! Access and refresh tokens (RFC 6749 sections 1.4 and 1.5): values that grant access, and
//! therefore types that print `[redacted]` and are wiped when dropped.

use std::fmt;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::Timestamp;

/// A text that must never be printed. Wiped when dropped.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Takes the text over.
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself. Each call is a place where it could leak.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A token is not one: empty, or not visible ASCII (RFC 6750 section 2.1, RFC 6749 appendix A.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a token of visible ASCII characters")]
pub struct InvalidToken;

fn parse(text: String) -> Result<Secret, InvalidToken> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(Secret::new(text))
    } else {
        // Wiped even when refused: it may be a token with a stray byte.
        drop(Secret::new(text));
        Err(InvalidToken)
    }
}

/// A token as it comes back from the store: whichever build wrote it, it must fit into a header.
fn stored<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    parse(String::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// What the resource server accepts (RFC 6749 section 1.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccessToken(#[serde(deserialize_with = "stored")] Secret);

impl AccessToken {
    /// Accepts one or more visible ASCII characters, so that the token is always a valid header
    /// value; anything else is refused.
    pub fn parse(text: String) -> Result<Self, InvalidToken> {
        parse(text).map(Self)
    }

    /// The token's text, for the `Authorization` header only.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// What the authorization server exchanges for a new access token (RFC 6749 section 1.5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RefreshToken(#[serde(deserialize_with = "stored")] Secret);

impl RefreshToken {
    /// Accepts one or more visible ASCII characters; anything else is refused.
    pub fn parse(text: String) -> Result<Self, InvalidToken> {
        parse(text).map(Self)
    }

    /// The token's text, for the token endpoint only.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// The tokens of one grant, with the moment at which the access token dies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenSet {
    /// Sent to the API.
    pub access: AccessToken,
    /// Exchanged for the next set; `None` where the server issued none.
    pub refresh: Option<RefreshToken>,
    /// When the access token expires by the server's word; `None` if it gave none that makes
    /// sense, and then only the API's 401 tells.
    pub expires_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Found by fuzzing: what was read from the store was never looked at.
    #[test]
    fn a_stored_token_is_held_to_the_same_rule_as_a_new_one() {
        for text in ["", "a b", "a\r\nX: y", "\u{e9}"] {
            let stored = postcard::to_stdvec(text).unwrap();
            assert!(postcard::from_bytes::<AccessToken>(&stored).is_err(), "{text:?}");
            assert!(postcard::from_bytes::<RefreshToken>(&stored).is_err(), "{text:?}");
        }
        let token = AccessToken::parse("a.b-c".to_owned()).unwrap();
        let stored = postcard::to_stdvec(&token).unwrap();
        assert_eq!(postcard::from_bytes::<AccessToken>(&stored), Ok(token));
    }
}
