//! One timer a connection.
//!
//! Deadlines move with every request, and nearly none is reached. So the timer is not moved to a
//! later one: when it rings too early it is set anew. A call that meets no delay does not touch it.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// The timer.
#[derive(Debug)]
pub(super) struct Alarm(Pin<Box<Sleep>>);

impl Alarm {
    pub(super) fn within(first: Duration) -> Self {
        Self(Box::pin(sleep(first)))
    }

    /// Ready when `until` has come.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, until: Instant) -> Poll<()> {
        if until < self.0.deadline() {
            self.0.as_mut().reset(until);
        }
        loop {
            std::task::ready!(self.0.as_mut().poll(cx));
            if Instant::now() >= until {
                return Poll::Ready(());
            }
            self.0.as_mut().reset(until);
        }
    }
}
