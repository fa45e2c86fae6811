//! The log lines of the whole test process.

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};

use tracing_subscriber::EnvFilter;
use whisk_bff::telemetry::{LogFormat, logging};

static LOGS: OnceLock<Arc<Mutex<Vec<u8>>>> = OnceLock::new();

struct LogWriter(Arc<Mutex<Vec<u8>>>);

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// All log lines of this test process, at the finest level.
pub(super) fn capture_logs() {
    LOGS.get_or_init(|| {
        let lines: Arc<Mutex<Vec<u8>>> = Arc::default();
        let writer = Arc::clone(&lines);
        let subscriber = logging::subscriber(LogFormat::Json, EnvFilter::new("trace"), false, move || {
            LogWriter(Arc::clone(&writer))
        });
        let _ = tracing::subscriber::set_global_default(subscriber);
        lines
    });
}

/// What the test process has logged so far.
pub(crate) fn logs() -> String {
    capture_logs();
    String::from_utf8_lossy(&LOGS.get().unwrap().lock().unwrap()).into_owned()
}
