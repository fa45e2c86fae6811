//! A browser that has no session yet.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroize;

use super::{Digest, Timestamp};

/// What a visitor is called: 256 random bits. Whoever has it gets the anonymous session that is
/// made for it, so it is a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct VisitorId([u8; 32]);

impl VisitorId {
    /// What the id is called outside the cookie.
    pub fn digest(&self) -> Digest {
        Digest::of("visitor", &self.0)
    }
}

impl Drop for VisitorId {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for VisitorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VisitorId({})", self.digest().short())
    }
}

/// A browser without a session, as its visitor cookie names it. The name holds for a while only,
/// so that what is remembered of it always outlives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visitor {
    id: VisitorId,
    /// Seconds since the Unix epoch.
    since: u64,
}

impl Visitor {
    /// How long the name holds.
    pub const LIFETIME: Duration = Duration::from_secs(600);
    /// How far the clocks of two instances may be apart.
    const SKEW: Duration = Duration::from_secs(60);
    /// How long something must be remembered that was noted of a current visitor.
    pub const MEMORY: Duration = Self::LIFETIME.saturating_add(Self::SKEW.saturating_mul(2));

    /// A new visitor, from 256 bits of the system's random source.
    pub fn from_random(bytes: [u8; 32], now: Timestamp) -> Self {
        Self { id: VisitorId(bytes), since: now.as_millis() / 1000 }
    }

    /// Reads a cookie's text; `None` for any other.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, since) = text.split_once('.')?;
        let mut bytes = [0; 32];
        match URL_SAFE_NO_PAD.decode_slice(id, &mut bytes) {
            Ok(32) => Some(Self { id: VisitorId(bytes), since: since.parse().ok()? }),
            _ => None,
        }
    }

    /// The cookie's text. It is for the browser that owns it only.
    pub fn expose(&self) -> String {
        format!("{}.{}", URL_SAFE_NO_PAD.encode(self.id.0), self.since)
    }

    /// The name without its age.
    pub fn id(&self) -> &VisitorId {
        &self.id
    }

    /// Whether the name still holds.
    pub fn is_current(&self, now: Timestamp) -> bool {
        let since = Timestamp::from_millis(self.since.saturating_mul(1000));
        now.since(since) < Self::LIFETIME && since.since(now) <= Self::SKEW
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_visitor_is_read_back_and_grows_old() {
        let now = Timestamp::from_millis(1_700_000_000_123);
        let visitor = Visitor::from_random([7; 32], now);
        assert_eq!(Visitor::parse(&visitor.expose()).unwrap(), visitor);
        assert!(visitor.is_current(now) && visitor.is_current(now.plus(Duration::from_secs(598))));
        assert!(!visitor.is_current(now.plus(Visitor::LIFETIME)));
        assert!(visitor.is_current(now.minus(Duration::from_secs(30))), "another instance's clock");
        assert!(!visitor.is_current(now.minus(Duration::from_secs(600))));
        assert!(!format!("{visitor:?}").contains(visitor.expose().split('.').next().unwrap()));
    }

    #[test]
    fn no_other_text_is_a_visitor() {
        let good = Visitor::from_random([7; 32], Timestamp::from_millis(1000)).expose();
        let (id, _) = good.split_once('.').unwrap();
        for text in ["", ".", id, &format!("{id}."), &format!("{id}.-1"), &format!("{id}.1.2"), "AA.1"] {
            assert_eq!(Visitor::parse(text), None, "{text}");
        }
        assert!(
            Visitor::parse(&format!("{id}.{}", u64::MAX))
                .is_some_and(|visitor| { !visitor.is_current(Timestamp::from_millis(1000)) })
        );
    }
}
