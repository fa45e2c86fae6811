//! Proof Key for Code Exchange (RFC 7636), by S256 only.
//!
//! Whisk documents no PKCE and may pass over it (RFC 6749 section 3.1 makes it), so nothing
//! else may rest on it: forgery of a callback is kept out by [`State`](super::State).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::crypto::random_bytes;
use crate::model::Secret;

#[cfg(test)]
mod tests;

/// The secret of one login that proves, at the token endpoint, who began it (RFC 7636 section
/// 4.1). Kept on the server. Read back, it must be 43 to 128 unreserved characters.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct CodeVerifier(Secret);

impl CodeVerifier {
    /// 43 characters from 256 bits of the system's random source.
    #[expect(clippy::new_without_default, reason = "a random value is no default")]
    pub fn new() -> Self {
        Self(Secret::new(URL_SAFE_NO_PAD.encode(random_bytes::<32>())))
    }

    /// What the authorization request shows of it.
    pub fn challenge(&self) -> CodeChallenge {
        CodeChallenge(URL_SAFE_NO_PAD.encode(Sha256::digest(self.expose())))
    }

    /// The text, for the token endpoint only.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl TryFrom<String> for CodeVerifier {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let text = Secret::new(text);
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if (43..=128).contains(&text.expose().len()) && text.expose().bytes().all(unreserved) {
            Ok(Self(text))
        } else {
            Err("not a code verifier")
        }
    }
}

impl fmt::Debug for CodeVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeVerifier([redacted])")
    }
}

/// `BASE64URL(SHA256(code_verifier))` (RFC 7636 section 4.2). Public: it is part of a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeChallenge(String);

impl CodeChallenge {
    /// `code_challenge_method`. Never `plain`, which would show the verifier itself.
    pub const METHOD: &'static str = "S256";

    /// `code_challenge`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
