//! `[session]`: how long a browser's session lasts, and its cookie.

use std::time::Duration;

use super::quantity::DAY;
use super::reader::Reader;
use super::writer::Writer;

/// The life of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// It ends after this long without an API call. At least 1 s, at most `absolute_timeout`.
    pub idle_timeout: Duration,
    /// It ends this long after its login, however busy. 1 s to 365 d, the life of Whisk's
    /// refresh token.
    pub absolute_timeout: Duration,
    /// `SameSite` of its cookie.
    pub same_site: SameSite,
    /// How long before its expiry an access token is refreshed behind the call that noticed.
    /// Zero: not before it has expired.
    pub refresh_ahead: Duration,
}

/// `SameSite` of the session cookie (RFC 6265bis section 5.6.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameSite {
    /// Sent with requests that this site itself makes.
    Strict,
    /// Sent also when a link on another site leads here.
    Lax,
}

const SAME_SITE: &[(&str, SameSite)] = &[("strict", SameSite::Strict), ("lax", SameSite::Lax)];
const SECOND: Duration = Duration::from_secs(1);
const YEAR: Duration = Duration::from_secs(365 * DAY);

impl Session {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let idle_timeout = reader.duration("session.idle_timeout", SECOND..=YEAR);
        let absolute_timeout = reader.duration("session.absolute_timeout", SECOND..=YEAR);
        let same_site = reader.choice("session.same_site", SAME_SITE);
        let refresh_ahead = reader.duration("session.refresh_ahead", Duration::ZERO..=YEAR);

        let (mut idle_timeout, absolute_timeout) = (idle_timeout?, absolute_timeout?);
        if idle_timeout > absolute_timeout {
            if reader.is_default("session.idle_timeout") {
                // Who only shortens the life of a session has contradicted nobody.
                idle_timeout = absolute_timeout;
            } else {
                reader.fault("session.idle_timeout", "must not be longer than `session.absolute_timeout`");
            }
        }
        Some(Self { idle_timeout, absolute_timeout, same_site: same_site?, refresh_ahead: refresh_ahead? })
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.duration("idle_timeout", self.idle_timeout);
        writer.duration("absolute_timeout", self.absolute_timeout);
        writer.choice("same_site", self.same_site, SAME_SITE);
        writer.duration("refresh_ahead", self.refresh_ahead);
    }
}
