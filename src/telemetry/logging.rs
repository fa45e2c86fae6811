//! Starting the log.
//!
//! `RUST_LOG` filters what this program writes (default `info`). It does not reach its
//! dependencies: HTTP and Redis clients log URLs, header bytes and commands at their lower levels,
//! and those hold tokens. Whatever `RUST_LOG` says, they are heard from [`Level::WARN`] upwards
//! only (requirement R112).
//!
//! A panic leaves one line with its place in the source. Its message is not written, since it may
//! quote the data that was being handled.

use std::io::IsTerminal;
use std::panic::PanicHookInfo;
use std::str::FromStr;

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, filter, fmt, registry};

use super::line::{Line, SpanFields};
use super::writer::Outlet;

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For a reader at a terminal.
    Pretty,
    /// One JSON object a line, for a log collector.
    Json,
}

/// The text names no log format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the log format is either `pretty` or `json`")]
pub struct InvalidLogFormat;

impl FromStr for LogFormat {
    type Err = InvalidLogFormat;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "pretty" => Ok(Self::Pretty),
            "json" => Ok(Self::Json),
            _ => Err(InvalidLogFormat),
        }
    }
}

/// Why the log was not started.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// It was started before.
    #[error("the log has been started already")]
    AlreadyStarted(#[from] TryInitError),
    /// The system gives no thread to write it.
    #[error("the log's thread cannot be started")]
    Thread(#[from] std::io::Error),
}

/// Writes the last lines when it is dropped: keep it to the end of the process.
#[derive(Debug)]
#[must_use = "the last lines are written when this is dropped"]
pub struct Log(Outlet);

impl Drop for Log {
    fn drop(&mut self) {
        self.0.flush();
    }
}

/// Starts the log of this process on standard output and takes over the report of panics. Without
/// a `format`, a terminal gets readable lines and anything else JSON.
///
/// # Errors
/// [`InitError`]; on a second call, which changes nothing.
pub fn init(format: Option<LogFormat>) -> Result<Log, InitError> {
    let terminal = std::io::stdout().is_terminal();
    let format = format.unwrap_or(if terminal { LogFormat::Pretty } else { LogFormat::Json });
    let (filter, fault) = filter_from_environment();
    let outlet = Outlet::open(std::io::stdout())?;
    subscriber(format, filter, colours_wanted(terminal), outlet.clone()).try_init()?;
    let last = outlet.clone();
    std::panic::set_hook(Box::new(move |panic| {
        report_panic(panic);
        // What panicked may take the process with it.
        last.flush();
    }));
    if fault {
        tracing::warn!("RUST_LOG is not understood; logging at info");
    }
    Ok(Log(outlet))
}

/// A log that writes its lines to `writer`, each in one call and with its line end. The cap on
/// dependencies holds whatever the filter says.
pub fn subscriber<W>(
    format: LogFormat,
    filter: EnvFilter,
    colours: bool,
    writer: W,
) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = fmt::layer()
        .event_format(Line { format })
        .fmt_fields(SpanFields { format })
        .with_ansi(colours && format == LogFormat::Pretty)
        .log_internal_errors(false)
        .with_writer(writer);
    registry().with(filter).with(filter::filter_fn(may_be_heard)).with(lines)
}

/// Ours at any level; others only where something went wrong.
fn may_be_heard(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= Level::WARN || metadata.module_path().is_some_and(is_ours)
}

/// Whether a module is of this workspace, whose crates are all named so. An event's target would
/// not tell: it may be any word.
fn is_ours(module: &str) -> bool {
    module.starts_with("whisk_")
}

/// `RUST_LOG`, or `info` where it is not set; `true` where it is set to something else than a
/// filter.
fn filter_from_environment() -> (EnvFilter, bool) {
    let info = EnvFilter::builder().with_default_directive(Level::INFO.into());
    match info.clone().try_from_env() {
        Ok(filter) => (filter, false),
        Err(_) => {
            #[expect(clippy::disallowed_methods, reason = "RUST_LOG is no setting, but the log's own filter")]
            let set = std::env::var_os("RUST_LOG").is_some();
            (info.parse_lossy(""), set)
        }
    }
}

/// <https://no-color.org>
#[expect(clippy::disallowed_methods, reason = "NO_COLOR is no setting, but every terminal program's custom")]
fn colours_wanted(terminal: bool) -> bool {
    terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The place of a panic, without what it said.
fn report_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    let thread = std::thread::current();
    tracing::error!(target: "panic", place, thread = thread.name(), "panicked");
}

#[cfg(test)]
pub(super) mod tests;
