#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::*;

/// What `events` writes, a line each.
pub(in crate::telemetry) fn written(format: LogFormat, filter: &str, events: impl FnOnce()) -> Vec<String> {
    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let buffer = Buffer::default();
    let sink = buffer.clone();
    let log = subscriber(format, EnvFilter::new(filter), false, move || sink.clone());
    tracing::subscriber::with_default(log, events);
    let text = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().map(str::to_owned).collect()
}

pub(in crate::telemetry) fn json(filter: &str, events: impl FnOnce()) -> Vec<Value> {
    let lines = written(LogFormat::Json, filter, events);
    lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_json_line_holds_time_level_target_message_and_fields() {
    let lines = json("info", || {
        let span = tracing::info_span!("request", request_id = "r1", later = tracing::field::Empty);
        let _inside = span.enter();
        span.record("later", 3);
        let absent: Option<&str> = None;
        tracing::info!(target: "request", status = 200_u16, ratio = 0.5, done = true, absent, level = "x", "answered {}", 1);
    });
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    let time = line["timestamp"].as_str().unwrap();
    assert!(time.ends_with('Z') && humantime::parse_rfc3339(time).is_ok(), "{time}");
    assert_eq!((&line["level"], &line["target"]), (&"INFO".into(), &"request".into()));
    assert_eq!(line["message"], "answered 1");
    assert_eq!((&line["status"], &line["ratio"], &line["done"]), (&200.into(), &0.5.into(), &true.into()));
    assert_eq!(line["level_"], "x");
    assert!(line.get("absent").is_none());
    assert_eq!(line["spans"][0], serde_json::json!({"name": "request", "request_id": "r1", "later": 3}));
}

#[test]
fn a_forged_line_stays_one_record_in_both_formats() {
    let forged = "/v2/\n{\"level\":\"INFO\"}\r\u{1b}[31m\u{9b}0m\u{202e}";
    for format in [LogFormat::Json, LogFormat::Pretty] {
        let lines = written(format, "info", || {
            tracing::info!(path = forged, debug = ?forged, display = %forged, "{forged}");
        });
        let [line] = lines.as_slice() else { panic!("{lines:?}") };
        assert!(!line.chars().any(crate::telemetry::escape::is_unsafe), "{line:?}");
        if format == LogFormat::Json {
            let read: Value = serde_json::from_str(line).unwrap();
            assert_eq!((read["path"].as_str(), read["message"].as_str()), (Some(forged), Some(forged)));
        }
    }
}

#[test]
fn a_pretty_value_cannot_pass_for_two_fields() {
    let lines = written(LogFormat::Pretty, "info", || tracing::info!(agent = "a status=200 \"", "seen"));
    assert!(lines.first().unwrap().ends_with(r#": seen agent="a status=200 \"""#), "{lines:?}");
}

#[test]
fn an_event_is_ours_by_its_module_and_not_by_its_name() {
    for (module, ours) in [
        ("whisk_bff", true),
        ("whisk_bff::telemetry::logging", true),
        ("whiskers::tokens", false),
        ("hyper::whisk_bff", false),
        ("reqwest::connect", false),
    ] {
        assert_eq!(is_ours(module), ours, "{module}");
    }
    let lines = json("trace", || tracing::trace!(target: "any word", "heard"));
    assert_eq!(lines.len(), 1);
}

#[test]
fn a_filter_still_silences_our_own() {
    let lines = json("warn", || tracing::info!(target: "request", "answered"));
    assert!(lines.is_empty(), "{lines:?}");
}

#[test]
fn a_panic_leaves_its_place_and_not_its_message() {
    if std::env::var_os(CHILD).is_some() {
        let _log = init(None).unwrap();
        assert!(init(None).is_err());
        let _ = std::panic::catch_unwind(|| panic!("the token is s3cr3t"));
        return;
    }
    let (text, records) = alone("a_panic_leaves_its_place_and_not_its_message");
    assert!(!text.contains("s3cr3t"), "{text}");
    let [record] = records.as_slice() else { panic!("{text}") };
    assert_eq!((&record["target"], &record["level"]), (&"panic".into(), &"ERROR".into()));
    assert_eq!(record["message"], "panicked");
    assert!(record["place"].as_str().unwrap().starts_with("src/telemetry/logging/tests.rs:"), "{record}");
}

#[test]
fn rust_log_opens_no_dependency_below_warnings() {
    if std::env::var_os(CHILD).is_some() {
        let _log = init(None).unwrap();
        tracing::trace!("ours");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // Port 0 is nobody's. At level debug, reqwest logs where it connects to.
        let call = async {
            reqwest::Client::builder().build().unwrap().get("http://127.0.0.1:0/s3cr3t").send().await
        };
        assert!(runtime.block_on(call).is_err());
        return;
    }
    let (text, records) = alone("rust_log_opens_no_dependency_below_warnings");
    let [record] = records.as_slice() else { panic!("{text}") };
    assert_eq!(record["message"], "ours");
}

/// Runs one test of this file in a process of its own, since a log and a panic hook are the whole
/// process's. What it wrote, and the JSON lines in that.
fn alone(test: &str) -> (String, Vec<Value>) {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "--test-threads=2", &format!("telemetry::logging::tests::{test}")])
        .envs([(CHILD, "1"), ("RUST_LOG", "trace"), ("RUST_BACKTRACE", "1")])
        .output()
        .unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &*String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    let records = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    (text, records)
}

const CHILD: &str = "WHISK_BFF_TEST_ALONE";
