//! Names of sessions and of their versions.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroize;

/// The secret that names a session: 256 random bits, in the browser's cookie and nowhere else
/// (RFC 10017 section 6.1.3.2).
#[derive(Clone)]
pub struct SessionId {
    secret: [u8; 32],
    /// See [`Self::name`].
    name: OnceLock<Digest>,
}

impl SessionId {
    /// A new id from 256 bits of the system's random source.
    pub fn from_random(bytes: [u8; 32]) -> Self {
        Self { secret: bytes, name: OnceLock::new() }
    }

    /// Reads the 43 base64url characters of a cookie; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
            Ok(32) => Some(Self::from_random(bytes)),
            _ => None,
        }
    }

    /// The cookie's text. It is a credential: for the browser that owns it only.
    pub fn expose(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.secret)
    }

    /// What the id is called outside the cookie: in the store and in logs. A call asks for it
    /// several times, and it is reckoned once.
    pub fn name(&self) -> Digest {
        *self.name.get_or_init(|| Digest::of("session", &self.secret))
    }
}

impl PartialEq for SessionId {
    fn eq(&self, other: &Self) -> bool {
        self.secret == other.secret
    }
}

impl Eq for SessionId {}

impl Hash for SessionId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.secret.hash(state);
    }
}

impl Drop for SessionId {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({})", self.name().short())
    }
}

/// A SHA-256 name of a secret, from which the secret cannot be had.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Hashes `secret` for one `purpose`. Only for secrets of at least 128 random bits: a
    /// guessable one could be found by trying.
    pub fn of(purpose: &str, secret: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"whisk-bff\0");
        hash.update(purpose.as_bytes());
        hash.update([0]);
        hash.update(secret);
        Self(hash.finalize().into())
    }

    /// A digest that was written down before.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// All 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// 43 base64url characters.
    pub fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// The first twelve characters of [`Self::text`], enough to follow one session through a log.
    pub fn short(&self) -> String {
        let mut short = String::with_capacity(12);
        self.push_short(&mut short);
        short
    }

    /// Appends [`Self::short`] to a text.
    pub fn push_short(&self, text: &mut String) {
        // Nine bytes are twelve characters.
        URL_SAFE_NO_PAD.encode_string(self.0.first_chunk::<9>().unwrap_or(&[0; 9]), text);
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({})", self.short())
    }
}

/// Counts the versions of a stored record. It grows by one with each replacement, and a writer
/// must name the one it read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Generation(pub u64);

impl Generation {
    /// The version after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Whose tokens a session holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Principal {
    /// A person who logged in through the authorization code grant.
    User,
    /// A user that Whisk made for an app without a login.
    Anonymous,
}
