//! Log lines on their way out, off the worker's back.
//!
//! A worker that writes its own line asks the system once a call, and waits where the reader of a
//! pipe is slow. Here a line is put behind the others in memory, and one thread writes what has
//! gathered, at most [`GATHER`] later. The lines stay in the order in which they were put.
//!
//! Memory is bounded: where the reader is so slow that [`ROOM`] is full, lines are lost, and so
//! they are where writing fails. Each is counted ([`lost_lines`]), and a warning tells how many
//! as soon as there is room. Nothing is lost at an orderly end: [`Outlet::flush`] waits for the
//! last line.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// How long a line may wait for others.
const GATHER: Duration = Duration::from_millis(2);
/// So much is written without waiting for more, in bytes.
const ENOUGH: usize = 64 << 10;
/// Most bytes of lines that wait; about 10,000 request lines.
const ROOM: usize = 4 << 20;
/// How long the end of the process waits for a reader that does not read.
const PATIENCE: Duration = Duration::from_secs(2);

/// Lines that were never written, in this process. A process has one log, hence one count.
static LOST: AtomicU64 = AtomicU64::new(0);

/// How many lines of this process' log were lost.
pub(super) fn lost_lines() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// Where lines are put. Clones put into the same.
#[derive(Debug, Clone)]
pub(super) struct Outlet(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// There is something to do for the thread that writes.
    work: Condvar,
    /// It has written all there was.
    written: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    /// Lines lost since the last that was put.
    lost: u64,
    /// Somebody waits for the lines to be written.
    urgent: bool,
    /// The thread holds lines that it has not written yet.
    writing: bool,
}

impl Outlet {
    /// Starts the thread that writes to `sink`.
    ///
    /// # Errors
    /// What the system says of the new thread.
    pub(super) fn open(sink: impl Write + Send + 'static) -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let theirs = Arc::clone(&shared);
        std::thread::Builder::new().name("log".to_owned()).spawn(move || theirs.write_to(sink))?;
        Ok(Self(shared))
    }

    /// Waits until everything that was put is written, though not for ever.
    pub(super) fn flush(&self) {
        let mut waiting = self.0.lock();
        waiting.urgent = true;
        self.0.work.notify_one();
        let unwritten = |waiting: &mut Waiting| waiting.writing || !waiting.lines.is_empty();
        let _ = self.0.written.wait_timeout_while(waiting, PATIENCE, unwritten);
    }

    fn put(&self, line: &[u8]) {
        let mut waiting = self.0.lock();
        if waiting.lines.len() + line.len() > ROOM {
            waiting.lost += 1;
            LOST.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let first = waiting.lines.is_empty();
        let enough = waiting.lines.len() < ENOUGH && waiting.lines.len() + line.len() >= ENOUGH;
        waiting.lines.extend_from_slice(line);
        drop(waiting);
        if first || enough {
            self.0.work.notify_one();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_to(&self, mut sink: impl Write) {
        let mut batch = Vec::new();
        loop {
            let waiting = self.work.wait_while(self.lock(), |waiting| waiting.lines.is_empty());
            let gathered = self.work.wait_timeout_while(
                waiting.unwrap_or_else(PoisonError::into_inner),
                GATHER,
                |waiting| !waiting.urgent && waiting.lines.len() < ENOUGH,
            );
            let (mut waiting, _) = gathered.unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut batch, &mut waiting.lines);
            waiting.writing = true;
            let lost = std::mem::take(&mut waiting.lost);
            drop(waiting);

            if sink.write_all(&batch).and_then(|()| sink.flush()).is_err() {
                let lines = batch.iter().filter(|byte| **byte == b'\n').count();
                LOST.fetch_add(lines as u64, Ordering::Relaxed);
            }
            batch.clear();
            batch.shrink_to(ENOUGH);

            let mut waiting = self.lock();
            waiting.writing = false;
            if waiting.lines.is_empty() {
                waiting.urgent = false;
                self.written.notify_all();
            }
            drop(waiting);
            if lost > 0 {
                tracing::warn!(target: "log", lost, "lines of the log were lost");
            }
        }
    }
}

impl<'a> MakeWriter<'a> for Outlet {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(self)
    }
}

/// Takes one line, which comes in one piece.
#[derive(Debug)]
pub(super) struct Line<'a>(&'a Outlet);

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.put(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A sink that shows what came, and can be held closed.
    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_line_is_written_whole_and_the_lines_of_a_thread_in_their_order() {
        let sink = Sink::default();
        let outlet = Outlet::open(sink.clone()).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let outlet = outlet.clone();
                scope.spawn(move || {
                    for line in 0..5_000 {
                        outlet.put(format!("{thread} {line}\n").as_bytes());
                    }
                });
            }
        });
        outlet.flush();
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        for thread in 0..4 {
            let prefix = format!("{thread} ");
            let lines: Vec<usize> =
                text.lines().filter_map(|line| line.strip_prefix(&prefix)?.parse().ok()).collect();
            assert_eq!(lines, (0..5_000).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_reader_that_does_not_read_costs_lines_that_are_counted_and_no_waiting() {
        let sink = Sink::default();
        let outlet = Outlet::open(sink.clone()).unwrap();
        let line = [b'x'; 1 << 20];
        let closed = sink.0.lock().unwrap();
        let before = lost_lines();
        // One batch may be in the hands of the thread, beside what waits.
        for _ in 0..10 {
            outlet.put(&line);
        }
        assert!(lost_lines() - before >= 2, "{}", lost_lines() - before);
        drop(closed);
        outlet.flush();
        let written = sink.0.lock().unwrap().len() as u64;
        assert_eq!(written / (1 << 20) + (lost_lines() - before), 10);
    }
}
