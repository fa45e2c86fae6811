//! The form of one log line, in JSON for machines and in words for a terminal.
//!
//! tracing-subscriber's own formats let some control characters through, so both forms are
//! written here, and every name and value passes [`Escaping`].
//!
//! ```text
//! {"timestamp":"2026-01-02T03:04:05.678Z","level":"INFO","target":"request","message":"answered","status":200}
//! 03:04:05.678  INFO request: answered status=200
//! ```

use std::cell::RefCell;
use std::fmt::{self, Write};
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use super::escape::{Escaping, Style, is_unsafe};
use super::logging::LogFormat;
use super::request_log;

/// Writes events as lines of one format.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) format: LogFormat,
}

/// Writes the fields of a span, for the lines of the events inside it.
#[derive(Debug, Clone, Copy)]
pub(super) struct SpanFields {
    pub(super) format: LogFormat,
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        match self.format {
            LogFormat::Json => {
                out.write_str(r#"{"timestamp":""#)?;
                write_time(&mut out, now())?;
                for piece in [r#"","level":""#, event.metadata().level().as_str(), r#"","target":""#] {
                    out.write_str(piece)?;
                }
                if event.metadata().module_path() == Some(request_log::MODULE) {
                    write_request(&mut out, event)?;
                } else {
                    let fields = Fields::of(event, self.format);
                    Escaping::new(&mut out, Style::Json).write_str(fields.target(event))?;
                    for piece in [r#"","message":""#, &fields.message, "\"", &fields.text] {
                        out.write_str(piece)?;
                    }
                }
                // In a list, since an event and its spans may have fields of one name.
                let mut end = "";
                for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
                    let start = if end.is_empty() { r#","spans":["# } else { "," };
                    write!(out, r#"{start}{{"name":"{}""#, span.name())?;
                    if let Some(text) = span.extensions().get::<FormattedFields<N>>() {
                        write!(out, "{text}")?;
                    }
                    out.write_char('}')?;
                    end = "]";
                }
                out.write_str(end)?;
                out.write_str("}\n")
            }
            LogFormat::Pretty => {
                let fields = Fields::of(event, self.format);
                let level = *event.metadata().level();
                let mut now_text = String::with_capacity(24);
                write_time(&mut now_text, now())?;
                let time = now_text.get(11..23).unwrap_or(&now_text);
                let (on, off) = if out.has_ansi_escapes() { (colour(level), "\x1b[0m") } else { ("", "") };
                write!(out, "{time} {on}{level:>5}{off} ")?;
                Escaping::new(&mut out, Style::Plain).write_str(fields.target(event))?;
                write!(out, ": {}{}", fields.message, fields.text)?;
                for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
                    if let Some(text) = span.extensions().get::<FormattedFields<N>>() {
                        write!(out, "{text}")?;
                    }
                }
                writeln!(out)
            }
        }
    }
}

impl<'writer> FormatFields<'writer> for SpanFields {
    fn format_fields<R: tracing_subscriber::field::RecordFields>(
        &self,
        mut out: Writer<'writer>,
        record: R,
    ) -> fmt::Result {
        let mut fields = Fields::new(self.format);
        record.record(&mut fields);
        out.write_str(&fields.text)
    }

    fn add_fields(
        &self,
        current: &'writer mut FormattedFields<Self>,
        record: &tracing::span::Record<'_>,
    ) -> fmt::Result {
        // Each field brings its own separator.
        self.format_fields(current.as_writer(), record)
    }
}

/// The fields of one event or span, already escaped. Each stands behind a separator.
struct Fields {
    format: LogFormat,
    /// What happened; no separator.
    message: String,
    text: String,
    /// The true target of a record that came through the `log` crate.
    target: Option<String>,
}

impl Fields {
    fn new(format: LogFormat) -> Self {
        Self { format, message: String::new(), text: String::new(), target: None }
    }

    fn of(event: &Event<'_>, format: LogFormat) -> Self {
        let mut fields = Self::new(format);
        event.record(&mut fields);
        fields
    }

    fn target<'a>(&'a self, event: &Event<'a>) -> &'a str {
        self.target.as_deref().unwrap_or(event.metadata().target())
    }

    fn text(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        // Writing to a `String` cannot fail; a `Debug` that fails loses its own value only.
        let _ = match (field.name(), self.format) {
            ("message", LogFormat::Json) => Escaping::new(&mut self.message, Style::Json).write_fmt(value),
            ("message", LogFormat::Pretty) => Escaping::new(&mut self.message, Style::Plain).write_fmt(value),
            ("log.target", _) => {
                self.target = Some(value.to_string());
                Ok(())
            }
            (name, _) if name.starts_with("log.") => Ok(()),
            (_, LogFormat::Json) => {
                self.name(field);
                self.text.push('"');
                let written = Escaping::new(&mut self.text, Style::Json).write_fmt(value);
                self.text.push('"');
                written
            }
            (_, LogFormat::Pretty) => {
                self.name(field);
                let value = value.to_string();
                let plain = |c: char| !matches!(c, ' ' | '"' | '=' | '\\') && !is_unsafe(c);
                if !value.is_empty() && value.chars().all(plain) {
                    Escaping::new(&mut self.text, Style::Plain).write_str(&value)
                } else {
                    self.text.push('"');
                    let written = Escaping::new(&mut self.text, Style::Quoted).write_str(&value);
                    self.text.push('"');
                    written
                }
            }
        };
    }

    /// A number or a truth value, which needs neither quotes nor escaping.
    fn bare(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        if field.name() == "message" || field.name().starts_with("log.") {
            return self.text(field, value);
        }
        self.name(field);
        let _ = self.text.write_fmt(value);
    }

    fn name(&mut self, field: &Field) {
        let name = field.name();
        // Names of members stand once in a JSON line.
        let own = if matches!(name, "timestamp" | "level" | "target") { "_" } else { "" };
        let (before, style, after) = match self.format {
            LogFormat::Json => (",\"", Style::Json, "\":"),
            LogFormat::Pretty => (" ", Style::Plain, "="),
        };
        self.text.push_str(before);
        let _ = Escaping::new(&mut self.text, style).write_str(name);
        self.text.push_str(own);
        self.text.push_str(after);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if self.format != LogFormat::Json || field.name() == "message" || field.name().starts_with("log.") {
            return self.text(field, format_args!("{value}"));
        }
        self.name(field);
        self.text.push('"');
        let _ = Escaping::new(&mut self.text, Style::Json).write_str(value);
        self.text.push('"');
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.bare(field, format_args!("{value}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.bare(field, format_args!("{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.bare(field, format_args!("{value}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.bare(field, format_args!("{value:?}"));
        } else {
            self.text(field, format_args!("{value:?}"));
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a line's time is the machine's, whatever a test's clock says")]
fn now() -> SystemTime {
    SystemTime::now()
}

/// RFC 3339 in UTC, to the millisecond. A worker writes thousands of lines a second, so each
/// thread keeps the text of the second it wrote last.
fn write_time(out: &mut dyn Write, now: SystemTime) -> fmt::Result {
    thread_local! {
        static SECOND: RefCell<(u64, String)> = const { RefCell::new((u64::MAX, String::new())) };
    }
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SECOND.with_borrow_mut(|(second, text)| {
        if *second != since.as_secs() {
            *text = humantime::format_rfc3339_seconds(now).to_string();
            *second = since.as_secs();
        }
        let digit = |place| char::from_digit(since.subsec_millis() / place % 10, 10).unwrap_or('0');
        out.write_str(text.trim_end_matches('Z'))?;
        for part in ['.', digit(100), digit(10), digit(1), 'Z'] {
            out.write_char(part)?;
        }
        Ok(())
    })
}

/// What a request's line has behind the opening quote of its target. Its fields come as JSON.
fn write_request(out: &mut Writer<'_>, event: &Event<'_>) -> fmt::Result {
    struct Copied<'a, 'b>(&'a mut Writer<'b>, fmt::Result);

    impl Visit for Copied<'_, '_> {
        fn record_str(&mut self, field: &Field, value: &str) {
            if field.name() == request_log::AS_JSON {
                self.1 = self.0.write_str(value);
            }
        }
        fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
        fn record_f64(&mut self, _: &Field, _: f64) {}
        fn record_u64(&mut self, _: &Field, _: u64) {}
    }

    out.write_str(r#"request","message":"answered""#)?;
    let mut copied = Copied(out, Ok(()));
    event.record(&mut copied);
    copied.1
}

const fn colour(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        Level::DEBUG => "\x1b[34m",
        Level::TRACE => "\x1b[35m",
    }
}
