//! How often something may happen, and the arithmetic that decides it.
//!
//! The arithmetic is GCRA, the cell rate algorithm of ATM (ITU-T I.371, annex A): a bucket is one
//! number, its *debt*, which is the time until it is as good as new. Each event adds the same
//! interval to it, and an event that would bring it above the whole span is refused. `limit.lua`
//! does the same inside Redis.

use std::time::Duration;

/// `count` events at once, and from then on `count` a `period`, evenly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    count: u32,
    period: Duration,
}

impl Rate {
    /// Most events a period.
    pub const MOST: u32 = 1_000_000;
    /// Shortest period.
    pub const SHORTEST: Duration = Duration::from_secs(1);
    /// Longest period. Nobody is told to wait for longer, and nothing is remembered for longer.
    pub const LONGEST: Duration = Duration::from_secs(3600);

    /// `None` where a bound is passed, or `count` is 0.
    pub fn new(count: u32, period: Duration) -> Option<Self> {
        let fits = (1..=Self::MOST).contains(&count) && (Self::SHORTEST..=Self::LONGEST).contains(&period);
        fits.then_some(Self { count, period })
    }

    /// So many at once, and a period.
    pub const fn count(self) -> u32 {
        self.count
    }

    /// The time after which as many may happen again.
    pub const fn period(self) -> Duration {
        self.period
    }

    /// What one event adds to the debt, in microseconds; rounded up, so that never more than
    /// `count` happen in a period.
    pub fn interval_us(self) -> u64 {
        let period = u64::try_from(self.period.as_micros()).unwrap_or(u64::MAX);
        period.div_ceil(u64::from(self.count))
    }

    /// The largest debt, in microseconds.
    pub fn span_us(self) -> u64 {
        self.interval_us() * u64::from(self.count)
    }

    /// The debt after one more event; or how long until one may happen. A debt above the span, as
    /// a clock that was set back leaves it, counts as the span.
    ///
    /// # Errors
    /// The time after which the same question is answered otherwise.
    pub fn admit(self, debt_us: u64) -> Result<u64, Duration> {
        let after = debt_us.min(self.span_us()) + self.interval_us();
        match after.checked_sub(self.span_us()) {
            None | Some(0) => Ok(after),
            Some(wait) => Err(Duration::from_micros(wait)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn rate(count: u32, seconds: u64) -> Rate {
        Rate::new(count, Duration::from_secs(seconds)).unwrap()
    }

    /// How many of the events at these microseconds are admitted, and each refusal's wait.
    fn run(rate: Rate, moments: impl IntoIterator<Item = u64>) -> Vec<Result<(), Duration>> {
        let mut full_at = 0;
        let mut answers = Vec::new();
        for now in moments {
            answers.push(rate.admit(u64::saturating_sub(full_at, now)).map(|debt| full_at = now + debt));
        }
        answers
    }

    #[test]
    fn so_many_at_once_then_evenly() {
        let admitted = |answers: Vec<Result<(), Duration>>| answers.iter().filter(|a| a.is_ok()).count();
        assert_eq!(admitted(run(rate(5, 10), [1_000_000; 9])), 5);
        // One each two seconds after that, whoever asks more often.
        let every_tenth = (0..300).map(|tenth| 1_000_000 + tenth * 100_000);
        assert_eq!(admitted(run(rate(5, 10), every_tenth)), 5 + 14);
        // After a whole period of rest as many as at first.
        let rested = [1_000_000; 9].into_iter().chain([11_000_000; 9]);
        assert_eq!(admitted(run(rate(5, 10), rested)), 10);
    }

    #[test]
    fn the_wait_is_true_to_the_microsecond() {
        for rate in [rate(1, 1), rate(3, 1), rate(7, 60), rate(300, 60), rate(1_000_000, 1), rate(1, 3600)] {
            let full = rate.span_us();
            let wait = u64::try_from(rate.admit(full).unwrap_err().as_micros()).unwrap();
            assert!(rate.admit(full - wait).is_ok() && rate.admit(full - wait + 1).is_err(), "{rate:?}");
            assert!(wait <= rate.interval_us());
            // A clock that was set back keeps nobody out for longer.
            assert_eq!(rate.admit(u64::MAX), rate.admit(full));
        }
    }

    #[test]
    fn what_is_out_of_bounds_is_no_rate() {
        for (count, seconds) in [(0, 1), (1_000_001, 60), (1, 0), (1, 3601)] {
            assert_eq!(Rate::new(count, Duration::from_secs(seconds)), None);
        }
    }
}
