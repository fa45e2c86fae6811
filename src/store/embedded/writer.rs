//! The one thread that writes.
//!
//! A durable commit costs a flush of the disk, whether it carries one change or a hundred. So the
//! thread takes every request that waits into one transaction and answers all of them after the
//! commit. Reads go on beside it, on the state before.
//!
//! After an I/O error (a full disk) the file is closed and opened again for the next request:
//! what was committed is there, what was not has been answered with an error.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redb::Database;
use tokio::sync::oneshot;

use super::file::{self, Pages};
use crate::clock::SharedClock;
use crate::model::{Generation, Timestamp};
use crate::store::decision::{self, Change};
use crate::store::{Created, Deadlines, Key, Record, RecordError, Replaced, StoreError};

/// A change asked for.
pub(super) enum Wish {
    Create(Record),
    Replace(Generation, Record),
    Touch(Deadlines),
    Take,
    Remove(Generation),
}

/// What became of it.
pub(super) enum Answer {
    Created(Created),
    Replaced(Replaced),
    Touched(bool),
    Taken(Option<Record>),
}

/// A wish, and whom to tell.
pub(super) struct Request {
    pub(super) key: Key,
    pub(super) wish: Wish,
    pub(super) answer: oneshot::Sender<Result<Answer, StoreError>>,
}

/// The open file. `None` while it is out of order.
#[derive(Debug)]
pub(super) struct Opened(Mutex<Option<Arc<Database>>>);

impl Opened {
    pub(super) fn new(database: Database) -> Self {
        Self(Mutex::new(Some(Arc::new(database))))
    }

    pub(super) fn get(&self) -> Result<Arc<Database>, StoreError> {
        self.slot().clone().ok_or_else(|| StoreError::Unavailable("the file is out of order".to_owned()))
    }

    fn slot(&self) -> MutexGuard<'_, Option<Arc<Database>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct Writer {
    pub(super) path: PathBuf,
    pub(super) opened: Arc<Opened>,
    pub(super) clock: SharedClock,
}

impl Writer {
    /// Serves until every sender is gone and the queue is empty.
    pub(super) fn run(self, requests: &Receiver<Request>) {
        let mut last_sweep = Instant::now();
        loop {
            let mut batch = Vec::new();
            match requests.recv_timeout(SWEEP_EVERY) {
                Ok(request) => batch.push(request),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            batch.extend(requests.try_iter().take(LARGEST_BATCH));
            // Whoever has gone since counts on nothing.
            batch.retain(|request| !request.answer.is_closed());
            let sweep = last_sweep.elapsed() >= SWEEP_EVERY;
            if sweep {
                last_sweep = Instant::now();
            }
            if sweep || !batch.is_empty() {
                self.serve(batch, sweep);
            }
        }
    }

    fn serve(&self, batch: Vec<Request>, sweep: bool) {
        let (requests, answers): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|request| ((request.key, request.wish), request.answer)).unzip();
        let now = self.clock.now();
        let outcome = match self.database() {
            // A commit with nothing in it would flush the disk all the same.
            Ok(database) if requests.is_empty() && matches!(file::has_ended(&database, now), Ok(false)) => {
                return;
            }
            Ok(database) => commit(&database, requests, now, sweep).map_err(|error| {
                tracing::error!(file = %self.path.display(), %error, "store file cannot be written");
                StoreError::Unavailable(format!("the file cannot be written: {error}"))
            }),
            Err(error) => Err(error),
        };
        match outcome {
            Ok(outcomes) => {
                for (answer, outcome) in answers.into_iter().zip(outcomes) {
                    let _ = answer.send(outcome.map_err(StoreError::Record));
                }
            }
            Err(error) => {
                *self.opened.slot() = None;
                for answer in answers {
                    let _ = answer.send(Err(StoreError::Unavailable(error.to_string())));
                }
            }
        }
    }

    /// The database, opened again if it is out of order.
    fn database(&self) -> Result<Arc<Database>, StoreError> {
        if let Ok(database) = self.opened.get() {
            return Ok(database);
        }
        let database = Arc::new(file::open(&self.path)?);
        *self.opened.slot() = Some(Arc::clone(&database));
        tracing::info!(file = %self.path.display(), "store file opened again");
        Ok(database)
    }
}

type Outcome = Result<Answer, RecordError>;

fn commit(
    database: &Database,
    requests: Vec<(Key, Wish)>,
    now: Timestamp,
    sweep: bool,
) -> Result<Vec<Outcome>, redb::Error> {
    // Durability is immediate by default: committed means flushed.
    let transaction = database.begin_write()?;
    let mut outcomes = Vec::with_capacity(requests.len());
    {
        let mut pages = Pages::open(&transaction)?;
        for (key, wish) in requests {
            let key = key.to_bytes();
            let decided = decide(pages.get(&key)?.as_deref(), wish, now);
            outcomes.push(match decided {
                Ok((answer, change)) => {
                    pages.apply(&key, change)?;
                    Ok(answer)
                }
                Err(error) => Err(error),
            });
        }
        if sweep {
            pages.sweep(now, LARGEST_SWEEP)?;
        }
    }
    transaction.commit()?;
    Ok(outcomes)
}

fn decide(stored: Option<&[u8]>, wish: Wish, now: Timestamp) -> Result<(Answer, Change), RecordError> {
    Ok(match wish {
        Wish::Create(record) => {
            let (answer, change) = decision::create(stored, &record, now);
            (Answer::Created(answer), change)
        }
        Wish::Replace(expected, record) => {
            let (answer, change) = decision::replace(stored, expected, &record, now)?;
            (Answer::Replaced(answer), change)
        }
        Wish::Touch(deadlines) => {
            let (answer, change) = decision::touch(stored, deadlines, now)?;
            (Answer::Touched(answer), change)
        }
        Wish::Remove(expected) => {
            let (answer, change) = decision::remove(stored, expected, now)?;
            (Answer::Replaced(answer), change)
        }
        Wish::Take => {
            let (answer, change) = decision::take(stored, now)?;
            (Answer::Taken(answer), change)
        }
    })
}

/// Requests in one transaction: few enough that it stays far below a call's time.
const LARGEST_BATCH: usize = 256;

/// Ended records removed in one transaction.
const LARGEST_SWEEP: usize = 512;

const SWEEP_EVERY: Duration = Duration::from_secs(1);
