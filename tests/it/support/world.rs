//! A small world: brokers, a sandbox Whisk, a store, browsers.
//!
//! After every test the world asserts by itself (in `Drop`):
//!
//! * LEAK: no token, code or client secret of this world is in any byte that a browser got, in
//!   any log line at the finest level, or in the metrics; no session cookie's value is in a log;
//! * LOSS: every browser that logged in and was not expected to lose its session still gets 200
//!   from `/v2/me`;
//! * LIVE: every instance answers a fresh connection;
//! * NOHIT: no request that was refused before forwarding reached the API.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use whisk_bff::app::{Application, Stop, Surroundings};
use whisk_bff::clock::ManualClock;
use whisk_bff::settings::Settings;
use whisk_bff::telemetry::{LogFormat, logging};
use whisk_sandbox::{Config, Sandbox};

use super::browser::Browser;
use super::redis::{RedisConfig, RedisServer};

pub(crate) const ORIGIN: &str = "https://app.test";
pub(crate) const HOST: &str = "app.test";
pub(crate) const CLIENT_SECRET: &str = "SEC_MARK_a+b&c=d %é";
const KEY: &str = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Everything that a test plays with.
pub(crate) struct World {
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) evidence: Arc<Evidence>,
    redis: Option<Mutex<RedisServer>>,
    instances: Vec<Instance>,
    settings: HashMap<String, String>,
    directory: tempfile::TempDir,
    unchecked: AtomicBool,
}

pub(crate) struct WorldBuilder {
    settings: HashMap<String, String>,
    instances: usize,
    redis: bool,
    sandbox: Config,
}

/// One broker, with a runtime and threads of its own.
struct Instance {
    address: SocketAddr,
    admin: SocketAddr,
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

/// What the world has seen, for its oracles.
#[derive(Default)]
pub(crate) struct Evidence {
    /// All that browsers got from brokers.
    transcript: Mutex<Vec<u8>>,
    /// Values of session cookies.
    cookies: Mutex<Vec<String>>,
    /// Numbers of the requests that were refused before forwarding.
    refused: Mutex<Vec<(u64, String)>>,
    /// Cookie lines that must still be worth a session, by browser.
    alive: Mutex<HashMap<u64, String>>,
    next: AtomicU64,
}

impl World {
    /// One broker with a store in memory.
    pub(crate) async fn spawn() -> Self {
        Self::builder().spawn().await
    }

    pub(crate) fn builder() -> WorldBuilder {
        WorldBuilder {
            settings: HashMap::new(),
            instances: 1,
            redis: false,
            sandbox: Config {
                client_secret: CLIENT_SECRET.to_owned(),
                redirect_uris: vec![format!("{ORIGIN}/auth/callback")],
                ..Config::default()
            },
        }
    }

    /// A browser with an empty cookie jar, at the first instance.
    pub(crate) fn browser(&self) -> Browser {
        let addresses = self.instances.iter().map(|instance| instance.address).collect();
        Browser::new(addresses, Arc::clone(&self.evidence), Arc::clone(&self.sandbox))
    }

    /// A browser that has logged in.
    pub(crate) async fn logged_in(&self) -> Browser {
        let browser = self.browser();
        browser.log_in().await;
        browser
    }

    pub(crate) fn address(&self, instance: usize) -> SocketAddr {
        self.instances[instance].address
    }

    pub(crate) fn admin(&self, instance: usize) -> SocketAddr {
        self.instances[instance].admin
    }

    pub(crate) fn redis(&self) -> std::sync::MutexGuard<'_, RedisServer> {
        self.redis
            .as_ref()
            .expect("a world with Redis")
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The settings of the world's instances, as environment variables, for one more instance or
    /// a process.
    pub(crate) fn environment(&self) -> HashMap<String, String> {
        environment(&self.settings)
    }

    pub(crate) fn directory(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    /// Stops an instance and starts another in its place, with these settings changed.
    pub(crate) fn restart(&mut self, instance: usize, changed: &[(&str, &str)]) {
        let mut settings = self.settings.clone();
        settings.extend(changed.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        self.instances[instance].end();
        self.instances[instance] = Instance::start(&settings, Arc::clone(&self.clock));
    }

    /// The text of `/metrics` of an instance.
    pub(crate) fn metrics(&self, instance: usize) -> String {
        let answer = exchange(
            self.instances[instance].admin,
            b"GET /metrics HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n",
        );
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// The value of one sample line of `/metrics`, 0 where it is not there.
    pub(crate) fn metric(&self, instance: usize, sample: &str) -> f64 {
        let text = self.metrics(instance);
        let line = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.trim().parse().expect("a number"))
    }

    /// The servers around are not what they were at the end of this test: what remains is checked
    /// for leaks only.
    pub(crate) fn ends_in_ruins(&self) {
        self.unchecked.store(true, Ordering::SeqCst);
    }
}

impl WorldBuilder {
    pub(crate) fn set(mut self, key: &str, value: impl Into<String>) -> Self {
        self.settings.insert(key.to_owned(), value.into());
        self
    }

    pub(crate) fn instances(mut self, count: usize) -> Self {
        self.instances = count;
        self
    }

    /// With a real Redis. Without it, a store in memory.
    pub(crate) fn redis(mut self) -> Self {
        self.redis = true;
        self
    }

    pub(crate) fn sandbox(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.sandbox);
        self
    }

    pub(crate) async fn spawn(self) -> World {
        capture_logs();
        let directory = tempfile::tempdir().unwrap();
        let sandbox = Sandbox::spawn(self.sandbox).await.unwrap();
        let redis = if self.redis { Some(RedisServer::start(RedisConfig::default()).await) } else { None };
        let mut settings: HashMap<String, String> = [
            ("server.public_url", ORIGIN),
            ("server.listen", "127.0.0.1:0"),
            ("server.admin_listen", "127.0.0.1:0"),
            ("server.workers", "2"),
            ("server.drain_delay", "0s"),
            ("server.shutdown_grace", "3s"),
            ("whisk.client_id", &sandbox.config().client_id),
            ("whisk.client_secret", &sandbox.config().client_secret),
            ("whisk.login_url", &sandbox.url()),
            ("whisk.api_url", &sandbox.url()),
            ("sealing.keys", KEY),
            ("store.url", &redis.as_ref().map_or_else(|| "memory:".to_owned(), RedisServer::url)),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
        settings.extend(self.settings);
        let clock = ManualClock::new();
        let instances = (0..self.instances).map(|_| Instance::start(&settings, Arc::clone(&clock))).collect();
        World {
            sandbox: Arc::new(sandbox),
            clock,
            evidence: Arc::default(),
            redis: redis.map(Mutex::new),
            instances,
            settings,
            directory,
            unchecked: AtomicBool::new(false),
        }
    }
}

pub(crate) fn environment(settings: &HashMap<String, String>) -> HashMap<String, String> {
    let name = |key: &String| format!("WHISK_BFF__{}", key.to_uppercase().replace('.', "__"));
    settings.iter().map(|(key, value)| (name(key), value.clone())).collect()
}

impl Instance {
    fn start(settings: &HashMap<String, String>, clock: Arc<ManualClock>) -> Self {
        let settings = Settings::load(&[], environment(settings)).unwrap_or_else(|faults| panic!("{faults}"));
        let (stop, pressed) = Stop::new();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let surroundings =
                    Surroundings { clock, pages: Some(|config| super::hooks::configure(config)) };
                let application = Application::build(settings, surroundings).await.unwrap();
                tell.send((application.address(), application.admin_address().unwrap())).unwrap();
                application.run_until_stopped(pressed).await.unwrap();
            });
        });
        let (address, admin) = told.recv().expect("the instance starts");
        Self { address, admin, stop, thread: Some(thread) }
    }

    fn end(&mut self) {
        self.stop.press();
        self.stop.press();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.end();
    }
}

impl Evidence {
    pub(crate) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::SeqCst)
    }

    pub(crate) fn saw(&self, bytes: &[u8]) {
        self.transcript.lock().unwrap().extend_from_slice(bytes);
    }

    pub(crate) fn refused(&self, number: u64, what: String) {
        self.refused.lock().unwrap().push((number, what));
    }

    pub(crate) fn cookie(&self, value: &str) {
        self.cookies.lock().unwrap().push(value.to_owned());
    }

    /// This browser's session must work at the end of the test (`None`: no longer).
    pub(crate) fn expect(&self, browser: u64, cookie: Option<String>) {
        let mut alive = self.alive.lock().unwrap();
        match cookie {
            Some(cookie) => alive.insert(browser, cookie),
            None => alive.remove(&browser),
        };
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let mut faults = Vec::new();
        self.look_for_leaks(&mut faults);
        self.look_for_hits(&mut faults);
        if !self.unchecked.load(Ordering::SeqCst) {
            self.look_for_losses(&mut faults);
        }
        assert!(faults.is_empty(), "the world's oracles: {faults:#?}");
    }
}

impl World {
    fn look_for_leaks(&self, faults: &mut Vec<String>) {
        let mut secrets = self.sandbox.issued_secrets();
        secrets.push(CLIENT_SECRET.to_owned());
        secrets.push("SEC_MARK".to_owned());
        let metrics: String = if self.unchecked.load(Ordering::SeqCst) {
            String::new()
        } else {
            (0..self.instances.len()).map(|n| self.metrics(n)).collect()
        };
        let transcript = String::from_utf8_lossy(&self.evidence.transcript.lock().unwrap()).into_owned();
        let logs = logs();
        for secret in &secrets {
            for (place, text) in [("browser", &transcript), ("log", &logs), ("metrics", &metrics)] {
                if text.contains(secret.as_str()) {
                    faults.push(format!("LEAK: {}… is in the {place}", &secret[..secret.len().min(12)]));
                }
            }
        }
        for cookie in self.evidence.cookies.lock().unwrap().iter() {
            if logs.contains(cookie.as_str()) {
                faults.push("LEAK: a session cookie is in the log".to_owned());
            }
        }
    }

    fn look_for_hits(&self, faults: &mut Vec<String>) {
        let refused = self.evidence.refused.lock().unwrap();
        if refused.is_empty() {
            return;
        }
        let reached: Vec<String> = self
            .sandbox
            .journal()
            .entries()
            .iter()
            .filter_map(|entry| entry.header_str("x-test-request").map(str::to_owned))
            .collect();
        for (number, what) in refused.iter() {
            if reached.contains(&number.to_string()) {
                faults.push(format!("NOHIT: {what} was refused and reached the API"));
            }
        }
    }

    fn look_for_losses(&self, faults: &mut Vec<String>) {
        for instance in &self.instances {
            let answer = exchange(
                instance.address,
                format!("GET /auth/session HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n").as_bytes(),
            );
            if !answer.starts_with(b"HTTP/1.1 200") {
                faults.push(format!("LIVE: an instance answers {:?}", String::from_utf8_lossy(&answer)));
            }
        }
        let address = self.instances[0].address;
        for cookie in self.evidence.alive.lock().unwrap().values() {
            let request = format!(
                "GET /v2/me HTTP/1.1\r\nHost: {HOST}\r\nSec-Fetch-Site: same-origin\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
            );
            let answer = exchange(address, request.as_bytes());
            if !answer.starts_with(b"HTTP/1.1 200") {
                faults.push(format!("LOSS: a session was lost: {:?}", String::from_utf8_lossy(&answer)));
            }
        }
    }
}

/// Sends raw bytes on a fresh connection and reads until it closes (or 10 s pass).
pub(crate) fn exchange(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut answer = Vec::new();
    let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_secs(5)) else {
        return answer;
    };
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let _ = stream.write_all(bytes);
    let _ = stream.read_to_end(&mut answer);
    answer
}

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
fn capture_logs() {
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
