//! `[limits]`: how often one client address, or one session, may do what costs others.

use super::quantity::{duration, show_duration};
use super::reader::Reader;
use super::writer::Writer;
use crate::model::Rate;

/// Limits against abuse. `None` is no limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Logins begun, a client address.
    pub logins: Option<Rate>,
    /// Anonymous users created, a client address.
    pub anonymous_users: Option<Rate>,
    /// Callbacks that end without a session by the caller's own doing, a client address.
    pub failed_callbacks: Option<Rate>,
    /// Calls whose session cookie names no session, a client address.
    pub unknown_cookies: Option<Rate>,
    /// How many addresses each limit remembers, and how many sessions: 1,024 to 4,194,304.
    pub addresses: usize,
    /// Calls of one session at the same time; 0 to 65,535.
    pub session_in_flight: Option<u32>,
    /// Calls of one session a second.
    pub session_calls_per_second: Option<Rate>,
}

impl Limits {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let logins = reader.parse("limits.logins", rate);
        let anonymous_users = reader.parse("limits.anonymous_users", rate);
        let failed_callbacks = reader.parse("limits.failed_callbacks", rate);
        let unknown_cookies = reader.parse("limits.unknown_cookies", rate);
        let addresses = reader.integer("limits.addresses", 1 << 10..=1 << 22);
        let in_flight = reader.integer("limits.session_in_flight", 0..=i64::from(u16::MAX));
        let calls = reader.integer("limits.session_calls_per_second", 0..=i64::from(u16::MAX));
        Some(Self {
            logins: logins?,
            anonymous_users: anonymous_users?,
            failed_callbacks: failed_callbacks?,
            unknown_cookies: unknown_cookies?,
            addresses: usize::try_from(addresses?).unwrap_or(usize::MAX),
            session_in_flight: u32::try_from(in_flight?).ok().filter(|most| *most > 0),
            session_calls_per_second: u32::try_from(calls?)
                .ok()
                .and_then(|count| Rate::new(count, Rate::SHORTEST)),
        })
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.put("logins", show_rate(self.logins));
        writer.put("anonymous_users", show_rate(self.anonymous_users));
        writer.put("failed_callbacks", show_rate(self.failed_callbacks));
        writer.put("unknown_cookies", show_rate(self.unknown_cookies));
        writer.put("addresses", i64::try_from(self.addresses).unwrap_or(i64::MAX));
        writer.put("session_in_flight", i64::from(self.session_in_flight.unwrap_or(0)));
        writer
            .put("session_calls_per_second", i64::from(self.session_calls_per_second.map_or(0, Rate::count)));
    }
}

/// `300/1m`, or `off`.
fn rate(text: &str) -> Result<Option<Rate>, &'static str> {
    if text == "off" {
        return Ok(None);
    }
    let parts = text.split_once('/').and_then(|(count, period)| {
        let digits = count.bytes().all(|byte| byte.is_ascii_digit());
        Some((count.parse().ok().filter(|_| digits)?, duration(period)?))
    });
    parts
        .and_then(|(count, period)| Rate::new(count, period))
        .map(Some)
        .ok_or("must be `off`, or a number up to 1000000, `/` and a duration of 1s to 1h, such as `300/1m`")
}

fn show_rate(rate: Option<Rate>) -> String {
    rate.map_or_else(|| "off".to_owned(), |rate| format!("{}/{}", rate.count(), show_duration(rate.period())))
}
