//! A moment, to the millisecond.

use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(from = "u64")]
pub struct Timestamp(u64);

/// As it comes back from the store. See [`Timestamp::from_millis`].
impl From<u64> for Timestamp {
    fn from(ms: u64) -> Self {
        Self::from_millis(ms)
    }
}

impl Timestamp {
    /// The last moment that RFC 3339 can write (end of the year 9999). Sums stop here.
    const LAST_MS: u64 = 253_402_300_799_999;

    /// A moment from milliseconds since the Unix epoch; later than the year 9999 is that year's end.
    pub const fn from_millis(ms: u64) -> Self {
        Self(if ms > Self::LAST_MS { Self::LAST_MS } else { ms })
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The moment `by` later, at most the end of the year 9999.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self::from_millis(self.0.saturating_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX)))
    }

    /// The moment `by` earlier, at least the epoch.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(by.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long it is from `earlier` until this moment; zero if it is not later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// RFC 3339, UTC, to the second.
    pub fn to_rfc3339(self) -> String {
        humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_millis(self.0)).to_string()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// What is read from the store must not lie beyond what can be written.
    #[test]
    fn any_stored_moment_can_be_written() {
        for ms in [0, 1, Timestamp::LAST_MS, Timestamp::LAST_MS + 1, u64::MAX] {
            let moment: Timestamp = postcard::from_bytes(&postcard::to_stdvec(&ms).unwrap()).unwrap();
            assert_eq!(moment, Timestamp::from_millis(ms));
            assert!(moment.to_rfc3339().ends_with('Z'));
            assert_eq!(postcard::to_stdvec(&moment).unwrap(), postcard::to_stdvec(&moment.0).unwrap());
        }
    }
}
