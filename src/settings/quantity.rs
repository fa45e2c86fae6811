//! Durations (`500ms`, `30s`, `10m`, `2h`, `14d`) and sizes (`64KiB`, `100MiB`) as text.

use std::time::Duration;

/// Seconds of a day.
pub(super) const DAY: u64 = 24 * 60 * 60;

/// Milliseconds of each unit, the largest first.
const DURATIONS: &[(&str, u64)] =
    &[("d", 1000 * DAY), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
/// Bytes of each unit, the largest first.
const SIZES: &[(&str, u64)] = &[("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("", 1)];

/// A whole number and its unit. `0` needs none.
pub(super) fn duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    amount(text, DURATIONS).map(Duration::from_millis)
}

/// A whole number and its unit; without one, bytes.
pub(super) fn bytes(text: &str) -> Option<u64> {
    amount(text, SIZES)
}

/// In the largest unit that says it exactly.
pub(super) fn show_duration(duration: Duration) -> String {
    match u64::try_from(duration.as_millis()).unwrap_or(u64::MAX) {
        0 => "0s".to_owned(),
        milliseconds => show(milliseconds, DURATIONS),
    }
}

/// In the largest unit that says it exactly.
pub(super) fn show_bytes(bytes: u64) -> String {
    if bytes == 0 { "0".to_owned() } else { show(bytes, SIZES) }
}

fn amount(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (_, size) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*size)
}

fn show(amount: u64, units: &[(&str, u64)]) -> String {
    let exact = units.iter().find(|(_, size)| amount.is_multiple_of(*size));
    exact.map_or_else(|| amount.to_string(), |(unit, size)| format!("{}{unit}", amount / size))
}
