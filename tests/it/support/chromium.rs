//! A real browser: headless Chromium with a fresh profile, driven over WebDriver by a
//! `chromedriver` of its own, and its traffic tapped.

mod tap;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use thirtyfour::prelude::*;
use thirtyfour::{ChromiumLikeCapabilities, LoggingPrefsLogLevel};

pub(crate) use tap::Tap;

/// What a machine that is busy with other tests may need for a page.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running browser. Ended when dropped, with everything it started.
pub(crate) struct Chromium {
    driver: Option<WebDriver>,
    chromedriver: Child,
    port: u16,
    tap: Tap,
    _profile: TempDir,
}

impl Chromium {
    pub(crate) async fn start() -> Self {
        let (chromedriver, port) = chromedriver();
        let (tap, profile) = (Tap::start(), tempfile::tempdir().unwrap());
        // From here on a failure ends chromedriver too.
        let mut browser = Self { driver: None, chromedriver, port, tap, _profile: profile };
        let mut capabilities = DesiredCapabilities::chrome();
        capabilities.set_binary(program("chromium").to_str().unwrap()).unwrap();
        for argument in ARGUMENTS {
            capabilities.add_arg(argument).unwrap();
        }
        let profile = format!("--user-data-dir={}", browser._profile.path().display());
        capabilities.add_arg(&profile).unwrap();
        capabilities.add_arg(&format!("--proxy-server=http://{}", browser.tap.addr())).unwrap();
        capabilities.set_browser_log_level(LoggingPrefsLogLevel::All).unwrap();
        let driver = WebDriver::new(format!("http://127.0.0.1:{port}"), capabilities).await.unwrap();
        browser.driver = Some(driver);
        browser
    }

    pub(crate) fn driver(&self) -> &WebDriver {
        self.driver.as_ref().unwrap()
    }

    /// What went over its connections.
    pub(crate) fn tap(&self) -> &Tap {
        &self.tap
    }

    pub(crate) async fn open(&self, url: &str) {
        self.driver().goto(url).await.unwrap();
    }

    pub(crate) async fn url(&self) -> String {
        self.driver().current_url().await.unwrap().to_string()
    }

    /// Clicks what a person would click, as soon as it is there.
    pub(crate) async fn click(&self, selector: &str) {
        let mut last = String::new();
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            match self.driver().find(By::Css(selector)).await {
                Ok(element) => match element.click().await {
                    Ok(()) => return,
                    Err(error) => last = error.to_string(),
                },
                Err(error) => last = error.to_string(),
            }
            tokio::time::sleep(PAUSE).await;
        }
        panic!("{selector} cannot be clicked: {last}\n{}", self.state().await);
    }

    /// Types into a field.
    pub(crate) async fn type_into(&self, selector: &str, text: &str) {
        self.driver().find(By::Css(selector)).await.unwrap().send_keys(text).await.unwrap();
    }

    /// What a script in the page sees; a promise is waited for.
    pub(crate) async fn evaluate(&self, expression: &str) -> serde_json::Value {
        let script = format!("return {expression}");
        self.driver().execute(script, Vec::new()).await.unwrap().json().clone()
    }

    /// Waits until an expression is true in the page, whatever pages come in between.
    pub(crate) async fn until(&self, expression: &str) {
        let script = format!("return Boolean({expression})");
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let answer = self.driver().execute(script.clone(), Vec::new()).await;
            if answer.is_ok_and(|value| value.json() == true) {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
        panic!("still not true: {expression}\n{}", self.state().await);
    }

    /// What the browser complained of since it was last asked.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log = self.driver().browser_log().await.unwrap();
        log.into_iter().map(|entry| format!("{}: {}", entry.level, entry.message)).collect()
    }

    async fn state(&self) -> String {
        let script = "return location.href + '\\n' + document.body?.innerText";
        match self.driver().execute(script, Vec::new()).await {
            Ok(text) => format!("{}\n{:?}", text.json(), self.complaints().await),
            Err(error) => error.to_string(),
        }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        if let Some(driver) = self.driver.take() {
            let _ = driver.leak();
        }
        // It ends its browsers before itself.
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
            let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
            let _ =
                stream.write_all(b"GET /shutdown HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            let _ = stream.read_to_end(&mut Vec::new());
        }
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(5) {
            if self.chromedriver.try_wait().is_ok_and(|status| status.is_some()) {
                return;
            }
            std::thread::sleep(PAUSE);
        }
        let _ = self.chromedriver.kill();
        let _ = self.chromedriver.wait();
    }
}

/// Starts chromedriver and reads from it which port it has taken.
fn chromedriver() -> (Child, u16) {
    let mut child = Command::new(program("chromedriver"))
        .arg("--port=0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let port = lines
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok())
        .expect("chromedriver says its port");
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    (child, port)
}

fn program(name: &str) -> PathBuf {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| Path::is_file(path));
    found.unwrap_or_else(|| panic!("{name} is not installed; scripts/test installs it"))
}

const PAUSE: Duration = Duration::from_millis(50);

/// Loopback goes through the tap too; everything else a browser does by itself is off.
const ARGUMENTS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,1000",
    "--proxy-bypass-list=<-loopback>",
];
