//! When the authorization server is away, it is not asked by every session in turn.
//!
//! After a few failures in a row no session of this process asks for a while; then one does, and
//! what it hears decides for all. The pauses double, up to half a minute, and are jittered, so
//! that instances do not come back in step.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::SharedClock;
use crate::crypto::random_bytes;
use crate::model::Timestamp;

/// Failures in a row after which nobody asks.
const PATIENCE: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Shared by the sessions of a process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Breaker {
    clock: SharedClock,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// Until then nobody asks.
    paused_until: Timestamp,
}

impl Breaker {
    /// One that lets everybody ask.
    pub fn new(clock: SharedClock) -> Self {
        Self { clock, state: Arc::default() }
    }

    /// Whether the server may be asked now; if not, how long the pause still lasts. After a pause
    /// the first caller is let through and begins the next pause, which its answer may end.
    ///
    /// # Errors
    /// What is left of the pause.
    pub fn admit(&self) -> Result<(), Duration> {
        let now = self.clock.now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if now < state.paused_until {
            return Err(state.paused_until.since(now));
        }
        if state.failures >= PATIENCE {
            state.paused_until = now.plus(pause(state.failures));
        }
        Ok(())
    }

    /// The server answered, whatever it said.
    pub fn answered(&self) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = State::default();
    }

    /// The server gave no usable answer.
    pub fn failed(&self) {
        let now = self.clock.now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.failures = state.failures.saturating_add(1);
        if state.failures >= PATIENCE {
            state.paused_until = now.plus(pause(state.failures));
        }
    }
}

/// Between half of the nominal pause and all of it.
fn pause(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(PATIENCE).min(5);
    let nominal = FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE);
    let [byte] = random_bytes::<1>();
    nominal / 2 + nominal.mul_f64(f64::from(byte) / 512.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn a_few_failures_pause_everybody_and_an_answer_ends_it() {
        let clock = ManualClock::new();
        let breaker = Breaker::new(clock.clone());
        for _ in 0..PATIENCE {
            assert_eq!(breaker.admit(), Ok(()));
            breaker.failed();
        }
        assert!(breaker.admit().is_err_and(|left| left <= FIRST_PAUSE));
        clock.advance(FIRST_PAUSE);
        assert_eq!(breaker.admit(), Ok(()), "one probes");
        assert!(breaker.admit().is_err(), "the others wait for it");
        breaker.answered();
        assert_eq!(breaker.admit(), Ok(()));
    }

    #[test]
    fn ten_minutes_of_outage_cost_few_requests() {
        let clock = ManualClock::new();
        let breaker = Breaker::new(clock.clone());
        let mut asked = 0;
        for _ in 0..6000 {
            clock.advance(Duration::from_millis(100));
            if breaker.admit().is_ok() {
                asked += 1;
                breaker.failed();
            }
        }
        assert!((20..=60).contains(&asked), "{asked}");
    }
}
