//! A small world: brokers, a sandbox Whisk, a store, browsers.
//!
//! After every test the world asserts by itself (in `Drop`):
//!
//! * LEAK: no token, code or client secret of this world is in any byte that a browser got, in
//!   any log line at the finest level, or in the metrics; no session cookie's value is in a log;
//! * LOSS: every browser that logged in and was not expected to lose its session still gets 200
//!   from `/v2/me`;
//! * LIVE: every instance answers a fresh connection;
//! * NOHIT: no request that was refused before forwarding reached the API;
//! * TTL: no key in Redis lives for ever.

mod evidence;
mod log;
mod oracles;

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use whisk_bff::app::{Application, StartError, Stop, Surroundings};
use whisk_bff::clock::ManualClock;
use whisk_bff::settings::Settings;
use whisk_sandbox::{Config, Sandbox};

pub(crate) use evidence::Evidence;
use log::capture_logs;
pub(crate) use log::logs;

use super::browser::Browser;
use super::hooks::{BuggyClock, PAGES};
use super::redis::{RedisConfig, RedisServer};

pub(crate) const ORIGIN: &str = "https://app.test";
pub(crate) const HOST: &str = "app.test";
pub(crate) const CLIENT_SECRET: &str = "SEC_MARK_a+b&c=d %é";
const KEY: &str = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Everything that a test plays with.
pub(crate) struct World {
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) clock: Arc<ManualClock>,
    /// Set, it makes the next call of a session panic.
    pub(crate) bug: Arc<AtomicBool>,
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
        self.instances[instance] = Instance::start(&settings, &self.clock, &self.bug);
    }

    /// Moves the brokers' clock and Whisk's forward together.
    pub(crate) fn advance(&self, by: Duration) {
        self.clock.advance(by);
        self.sandbox.advance(by);
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
    /// `{sandbox}` in a value becomes the sandbox's origin.
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
        // All browsers of a world have one address; `limits` has these on, one by one.
        for limit in ["logins", "anonymous_users", "failed_callbacks", "unknown_cookies"] {
            settings.insert(format!("limits.{limit}"), "off".to_owned());
        }
        let create = "{sandbox}/auth/anonymous/create".to_owned();
        settings.insert("anonymous.create_url".to_owned(), create);
        settings.extend(self.settings);
        for value in settings.values_mut() {
            *value = value.replace("{sandbox}", &sandbox.url());
        }
        let (clock, bug) = (ManualClock::new(), Arc::new(AtomicBool::new(false)));
        let instances = (0..self.instances).map(|_| Instance::start(&settings, &clock, &bug)).collect();
        World {
            sandbox: Arc::new(sandbox),
            clock,
            bug,
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
    fn start(settings: &HashMap<String, String>, clock: &Arc<ManualClock>, bug: &Arc<AtomicBool>) -> Self {
        let clock = Arc::new(BuggyClock { clock: Arc::clone(clock), bug: Arc::clone(bug) });
        let load = |settings| Settings::load(&[], settings).unwrap_or_else(|faults| panic!("{faults}"));
        let settings = environment(settings);
        let (stop, pressed) = Stop::new();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let surroundings = Surroundings { clock, pages: PAGES };
                let mut attempts = 0;
                let application = loop {
                    match Application::build(load(settings.clone()), surroundings.clone()).await {
                        Ok(application) => break application,
                        // The threads of the instance before have not let go of the file yet.
                        Err(StartError::Store(_)) if attempts < 100 => attempts += 1,
                        Err(error) => panic!("{error:?}"),
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                };
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
