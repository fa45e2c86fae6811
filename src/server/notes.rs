//! What handlers note about a request, for its one line in the log.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use actix_web::{HttpMessage, HttpRequest};

use crate::model::Digest;
use crate::telemetry::{Refreshed, Route};

/// Notes on one request. Cheap to clone; all clones are one note.
#[derive(Debug, Clone, Default)]
pub struct Notes(Rc<RefCell<Noted>>);

/// What can be noted.
#[derive(Debug, Clone, Copy)]
pub struct Noted {
    /// Where it went.
    pub route: Route,
    /// Whose it was.
    pub session: Option<Digest>,
    /// Until the API's headers.
    pub upstream: Option<Duration>,
    /// What it took to get a token.
    pub refreshed: Refreshed,
    /// Bytes of the body that were read.
    pub bytes_in: u64,
}

impl Default for Noted {
    fn default() -> Self {
        Self { route: Route::Other, session: None, upstream: None, refreshed: Refreshed::None, bytes_in: 0 }
    }
}

impl Notes {
    /// The notes on a request; loose ones where nobody will read them.
    pub fn of(request: &HttpRequest) -> Self {
        request.extensions().get::<Self>().cloned().unwrap_or_default()
    }

    /// Adds to the notes.
    pub fn note(&self, change: impl FnOnce(&mut Noted)) {
        change(&mut self.0.borrow_mut());
    }

    /// What was noted.
    pub fn read(&self) -> Noted {
        *self.0.borrow()
    }
}
