//! A login in progress, as it is kept between the two requests.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::crypto::{KeyRing, SealingKey};
use crate::model::{Digest, Generation, ReturnTo, SessionId, Timestamp};
use crate::oauth::{CodeVerifier, State};
use crate::store::{FORMAT, Key, Record};

/// How long a login may take: RFC 6749 section 4.1.2 advises ten minutes for a code, whatever the
/// authorization server allows.
pub const LOGIN_LIFETIME: Duration = Duration::from_secs(600);

/// The secret in the login's cookie, which binds the login to one browser: 128 bits, derived from
/// the login's `state` (random bits as well) under a sealing key. So a cookie that this broker set
/// is known from one that somebody made up without asking the store.
#[derive(Clone, PartialEq, Eq)]
pub struct Binding(String);

impl Binding {
    /// The one of that login.
    pub(super) fn of(state: &State, key: &SealingKey) -> Self {
        let derived = key.derive(&format!("login binding {}", state.as_str()));
        Self(URL_SAFE_NO_PAD.encode(&derived[..16]))
    }

    /// Whether one of the ring's keys made it for that login.
    pub(super) fn is_of(&self, state: &State, ring: &KeyRing) -> bool {
        std::iter::once(ring.active())
            .chain(ring.retired())
            .any(|key| Self::of(state, key).digest() == self.digest())
    }

    /// What a cookie holds. Any text: a wrong one binds nothing.
    pub fn from_cookie(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The cookie's text.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Compared by their hashes, which tell nothing by the time it takes.
    pub(super) fn digest(&self) -> [u8; 32] {
        *Digest::of("login binding", self.0.as_bytes()).as_bytes()
    }
}

impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Binding([redacted])")
    }
}

/// What the store keeps of a login, sealed.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LoginTransaction {
    /// Which browser began it.
    pub(super) binding: [u8; 32],
    /// Where the browser goes in the end.
    pub(super) return_to: ReturnTo,
    pub(super) stage: Stage,
}

/// How far a login is.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Stage {
    /// The browser is at the authorization page.
    Pending {
        /// Proves to the token endpoint that the code is ours; `None` with `whisk.pkce = false`.
        verifier: Option<CodeVerifier>,
        /// The record of the session that this browser had when it began.
        replaces: Option<String>,
        /// The record of the visitor that this browser was known as.
        visitor: Option<String>,
    },
    /// The session began, but the browser hung up before its cookie was sent. The same callback,
    /// from the same browser, still gets it.
    Undelivered {
        /// The session's id, as the cookie would have it.
        session: String,
    },
}

impl LoginTransaction {
    /// The record of this transaction under `key`.
    pub(super) fn seal(&self, ring: &KeyRing, key: &Key, now: Timestamp) -> Record {
        // Plain strings and numbers always serialise into memory.
        let plain = Zeroizing::new(postcard::to_stdvec(self).unwrap_or_default());
        Record {
            generation: Generation(1),
            expires_at: now.plus(LOGIN_LIFETIME),
            cookie_until: now.plus(LOGIN_LIFETIME),
            sealed: ring.seal(&place(key), &plain),
        }
    }

    /// Opens a record; `None` for one that is not ours, not of `key`, or too old.
    pub(super) fn open(ring: &KeyRing, key: &Key, record: &Record, now: Timestamp) -> Option<Self> {
        let sealed = &record.sealed;
        let plain = ring.open(sealed.key_id.as_str(), &place(key), &sealed.bytes).ok()?;
        (now < record.expires_at).then(|| postcard::from_bytes(&plain).ok()).flatten()
    }
}

impl Stage {
    pub(super) fn undelivered(id: &SessionId) -> Self {
        Self::Undelivered { session: id.expose() }
    }
}

fn place(key: &Key) -> Vec<u8> {
    let mut place = vec![FORMAT];
    place.extend_from_slice(&key.to_bytes());
    place
}
