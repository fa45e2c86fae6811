//! The real binary as a process of its own.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::world::exchange;

/// Longest time that anything of a process may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running `whisk-bff serve`. Killed when dropped.
pub(crate) struct Process {
    child: Child,
    output: Arc<Lines>,
    readers: Vec<JoinHandle<()>>,
    address: SocketAddr,
    admin: Option<SocketAddr>,
}

/// What a process has written, line by line.
#[derive(Default)]
struct Lines {
    lines: Mutex<Vec<String>>,
    more: Condvar,
}

impl Process {
    /// Starts `serve` with this environment and waits until it listens.
    pub(crate) async fn serve(environment: HashMap<String, String>) -> Self {
        tokio::task::spawn_blocking(move || Self::start(&environment)).await.unwrap()
    }

    fn start(environment: &HashMap<String, String>) -> Self {
        let mut child = command(&["serve"], environment).spawn().unwrap();
        let output: Arc<Lines> = Arc::default();
        let readers = vec![
            follow(child.stdout.take().unwrap(), Arc::clone(&output)),
            follow(child.stderr.take().unwrap(), Arc::clone(&output)),
        ];
        let unbound = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut process = Self { child, output, readers, address: unbound, admin: None };
        let listening = process.record("listening");
        let address = |name: &str| listening[name].as_str().map(|text| text.parse().expect("an address"));
        process.address = address("address").expect("where it listens");
        process.admin = address("admin");
        process
    }

    /// The public listener.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The admin listener.
    pub(crate) fn admin(&self) -> SocketAddr {
        self.admin.expect("an admin listener")
    }

    /// Whether it has an admin listener.
    pub(crate) fn has_admin(&self) -> bool {
        self.admin.is_some()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop.
    pub(crate) fn term(&self) {
        let status = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end.
    pub(crate) async fn wait(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                for reader in self.readers.drain(..) {
                    reader.join().unwrap();
                }
                return status;
            }
            assert!(began.elapsed() < PATIENCE, "it does not end:\n{}", self.logs());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Everything it has written so far.
    pub(crate) fn logs(&self) -> String {
        self.output.lines.lock().unwrap().join("\n")
    }

    /// Its log records so far.
    pub(crate) fn records(&self) -> Vec<Value> {
        let lines = self.output.lines.lock().unwrap();
        lines
            .iter()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
            .collect()
    }

    /// Waits for the first log record with this message.
    pub(crate) fn record(&mut self, message: &str) -> Value {
        let began = Instant::now();
        let mut lines = self.output.lines.lock().unwrap();
        loop {
            if let Some(record) =
                lines.iter().map(|line| read(line)).find(|record| record["message"] == message)
            {
                return record;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() && began.elapsed() < PATIENCE,
                "no record says {message:?} ({ended:?}):\n{}",
                lines.join("\n")
            );
            lines = self.output.more.wait_timeout(lines, Duration::from_millis(50)).unwrap().0;
        }
    }

    /// Asks the admin listener: the status and the body.
    pub(crate) fn ask_admin(&self, path: &str) -> (u16, String) {
        ask(self.admin(), path)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command of the binary to its end.
pub(crate) async fn run(arguments: &[&str], environment: &HashMap<String, String>) -> Output {
    let child = command(arguments, environment).stdin(Stdio::null()).spawn().unwrap();
    let pid = child.id();
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
    let Ok(output) = tokio::time::timeout(PATIENCE, output).await else {
        let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).status();
        panic!("{arguments:?} does not end");
    };
    output.unwrap()
}

/// `GET` of a path: the status (0 where there was no answer) and the body.
pub(crate) fn ask(address: SocketAddr, path: &str) -> (u16, String) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n");
    let answer = String::from_utf8_lossy(&exchange(address, request.as_bytes())).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

/// A record in JSON, or of a readable one what `listening` needs.
fn read(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|_| {
        let fields = line.split(' ').filter_map(|word| word.split_once('='));
        let mut record: serde_json::Map<_, _> =
            fields.map(|(name, value)| (name.to_owned(), value.to_owned().into())).collect();
        if line.contains(" listening ") {
            record.insert("message".to_owned(), "listening".into());
        }
        record.into()
    })
}

/// The binary with nothing of this process's environment but the search path.
fn command(arguments: &[&str], environment: &HashMap<String, String>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_whisk-bff"));
    command.args(arguments).env_clear().envs(environment);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn follow(stream: impl Read + Send + 'static, output: Arc<Lines>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines() {
            let Ok(line) = line else { break };
            output.lines.lock().unwrap().push(line);
            output.more.notify_all();
        }
    })
}
