//! Tells that a connection has something to do, to whoever waits for it now.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

use futures_util::task::AtomicWaker;

/// What wakes a connection. It stays the same while the connection goes from call to call, so that
/// a call which is polled for other reasons need not ask the connection, and a connection that is
/// idle wakes nobody.
pub(super) struct Bell {
    state: Arc<State>,
    /// The state, as a connection takes it.
    waker: Waker,
}

struct State {
    rung: AtomicBool,
    listener: AtomicWaker,
}

impl Bell {
    /// One that has rung: a new connection has something to do.
    pub(super) fn new() -> Self {
        let state = Arc::new(State { rung: AtomicBool::new(true), listener: AtomicWaker::new() });
        Self { waker: Waker::from(Arc::clone(&state)), state }
    }

    /// Whether it has rung since it was last asked.
    pub(super) fn has_rung(&self) -> bool {
        self.state.rung.load(Ordering::Relaxed) && self.state.rung.swap(false, Ordering::AcqRel)
    }

    /// For the connection.
    pub(super) fn context(&self) -> Context<'_> {
        Context::from_waker(&self.waker)
    }

    /// Has the task woken when it rings, once; at once, if it has rung.
    pub(super) fn listen(&self, cx: &Context<'_>) {
        self.state.listener.register(cx.waker());
        if self.state.rung.load(Ordering::Acquire) {
            self.state.listener.wake();
        }
    }
}

impl Wake for State {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        self.listener.wake();
    }
}
