//! Things that go wrong on purpose.

mod strike;

use std::{fmt, sync::Arc, time::Duration};

use tokio::sync::watch;

pub(crate) use strike::{canned, cut, strike};

/// One thing that goes wrong with one token request. "Commits" means that the request is
/// processed: the code is spent, the refresh token rotated, even if no answer arrives.
#[derive(Clone, Debug)]
pub enum TokenFault {
    /// Answers this status, body and content type, and processes nothing.
    Status(u16, String, String),
    /// Reads the request, processes nothing and closes the connection.
    DropBeforeAnswer,
    /// Commits, then closes the connection without an answer.
    DropAfterCommit,
    /// Waits, then goes on as usual.
    Delay(Duration),
    /// Commits, then waits before it answers.
    DelayAfterCommit(Duration),
    /// Answers 307 with this `Location`, and processes nothing.
    Redirect307(String),
    /// Answers 200 `application/json` with this body, and processes nothing.
    Garbage(String),
    /// Answers 200 with JSON that does not end (64 MiB), and processes nothing.
    Endless,
    /// Commits, then holds the answer until the gate is opened.
    Gate(Gate),
    /// Passes: this request goes well. Lets a test place a fault at a later request.
    None,
}

/// One thing that goes wrong with one API request, whatever token it carries.
#[derive(Clone, Debug)]
pub enum ApiFault {
    /// Answers this status, body and content type; `text/plain` gives Whisk's plain 500.
    Status(u16, String, String),
    /// Reads the request's head and closes the connection.
    DropBeforeAnswer,
    /// Answers 200 announcing more bytes than it sends, then closes the connection.
    Truncate,
    /// Waits, then goes on as usual.
    Delay(Duration),
    /// Holds the request, before it is processed, until the gate is opened.
    Gate(Gate),
    /// Passes: this request goes well.
    None,
}

/// A gate that holds answers until a test opens it. Clones are the same gate.
#[derive(Clone)]
pub struct Gate(Arc<State>);

struct State {
    waiting: watch::Sender<usize>,
    open: watch::Sender<bool>,
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self(Arc::new(State { waiting: watch::Sender::new(0), open: watch::Sender::new(false) }))
    }

    /// Lets all pass, those that wait and those still to come.
    pub fn open(&self) {
        self.0.open.send_replace(true);
    }

    /// Resolves once a request has arrived at the gate.
    pub async fn reached(&self) {
        let mut waiting = self.0.waiting.subscribe();
        // The sender lives in self: the channel cannot close while we wait.
        let _ = waiting.wait_for(|count| *count > 0).await;
    }

    /// How many requests have arrived at the gate so far.
    pub fn arrivals(&self) -> usize {
        *self.0.waiting.borrow()
    }

    pub(crate) async fn pass(&self) {
        self.0.waiting.send_modify(|count| *count += 1);
        let mut open = self.0.open.subscribe();
        let _ = open.wait_for(|open| *open).await;
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("arrivals", &self.arrivals())
            .field("open", &*self.0.open.borrow())
            .finish()
    }
}
