//! `whisk-bff dev` as a newcomer starts it: the real binary, told apart from others by its ports.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A running program. Killed when dropped.
pub(super) struct Dev {
    child: Child,
    /// Origin of the sample page.
    pub(super) page: String,
    /// Origin of the sandbox.
    pub(super) sandbox: String,
    output: Arc<Mutex<String>>,
    data: Arc<TempDir>,
}

impl Dev {
    /// On free ports, with a data directory of its own.
    pub(super) async fn start(arguments: &[&str]) -> Self {
        Self::start_in(Arc::new(tempfile::tempdir().unwrap()), "0", "0", arguments).await
    }

    /// Once more, on the same ports with the same data.
    pub(super) async fn start_again(mut self, arguments: &[&str]) -> Self {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let port = |origin: &str| origin.rsplit(':').next().unwrap().to_owned();
        let (page, sandbox) = (port(&self.page), port(&self.sandbox));
        Self::start_in(Arc::clone(&self.data), &page, &sandbox, arguments).await
    }

    async fn start_in(data: Arc<TempDir>, port: &str, sandbox_port: &str, arguments: &[&str]) -> Self {
        let mut child = command(&["--port", port, "--sandbox-port", sandbox_port])
            .arg("--data-dir")
            .arg(data.path())
            .args(arguments)
            // A setting of the machine must not reach it; this one would not even be taken.
            .env("WHISK_BFF__SERVER__LISTEN", "nowhere")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut reader = BufReader::new(child.stdout.take().unwrap());
        let address = |reader: &mut BufReader<_>, label: &str| {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let origin = line.trim().strip_prefix(label).expect("the first two lines are the addresses");
            origin.trim().to_owned()
        };
        let page = address(&mut reader, "Sample page");
        let sandbox = address(&mut reader, "Sandbox Whisk");
        let output = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&output);
        std::thread::spawn(move || {
            for line in reader.lines().map_while(Result::ok) {
                kept.lock().unwrap().push_str(&format!("{line}\n"));
            }
        });
        let dev = Self { child, page, sandbox, output, data };
        dev.answers().await;
        dev
    }

    async fn answers(&self) {
        let began = Instant::now();
        while reqwest::get(&self.page).await.is_err() {
            assert!(began.elapsed() < Duration::from_secs(30), "no answer:\n{}", self.output());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What it has printed after the addresses.
    pub(super) fn output(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    /// The text in the files it keeps, one after the other.
    pub(super) fn files(&self) -> String {
        let files = std::fs::read_dir(self.data.path()).unwrap().map(|entry| entry.unwrap().path());
        files.map(|file| String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned()).collect()
    }

    /// Requests that the sandbox has seen whose target begins with `path`.
    pub(super) async fn seen(&self, method: &str, path: &str) -> usize {
        let journal = reqwest::get(format!("{}/sandbox/journal", self.sandbox)).await.unwrap();
        let journal: Value = serde_json::from_slice(&journal.bytes().await.unwrap()).unwrap();
        let entries = journal["entries"].as_array().or(journal.as_array()).expect("the journal is a list");
        let wanted = |entry: &&Value| {
            entry["method"] == method
                && entry["target"].as_str().is_some_and(|target| target.starts_with(path))
        };
        entries.iter().filter(wanted).count()
    }

    /// Pulls strings of the sandbox.
    pub(super) async fn pull(&self, strings: &Value) {
        let client = reqwest::Client::new();
        let answer = client.post(format!("{}/sandbox/behaviour", self.sandbox)).json(strings).send().await;
        assert!(answer.unwrap().status().is_success(), "{strings}");
    }

    /// The login server is away for so many requests, and every token has just expired.
    pub(super) async fn outage(&self, requests: usize) {
        let faults = vec![json!({"status": {"status": 503}}); requests];
        self.pull(&json!({"token_faults": faults, "expire_access_tokens": true})).await;
    }

    /// Sends a signal, and answers how it ended and after how long.
    pub(super) fn end(&mut self, signal: &str) -> (ExitStatus, Duration) {
        let began = Instant::now();
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        (self.child.wait().unwrap(), began.elapsed())
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs to its end what is refused; answers its exit code and what it said.
pub(super) fn refused(arguments: &[&str], data: &Path) -> (i32, String) {
    let mut child = command(arguments)
        .arg("--data-dir")
        .arg(data)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (child.wait().unwrap().code().unwrap(), said)
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_whisk-bff"));
    command.arg("dev").args(arguments);
    command
}
