//! A shipped file with its ports, paths and addresses changed, and what stands behind it.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, KeyPair};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::process::{Process, ask};
use crate::support::redis::free_port;
use crate::support::{Browser, World, eventually};

const HAPROXY: &str = include_str!("../../../deploy/haproxy.cfg");
const NGINX: &str = include_str!("../../../deploy/nginx.conf");

/// Which balancer.
#[derive(Clone, Copy)]
pub(crate) enum Front {
    HaProxy,
    Nginx,
}

/// Two instances, a balancer, and a world around them. The world's own instance takes no part;
/// it is there to say at the end that no session was lost.
pub(crate) struct Stage {
    pub(crate) world: World,
    instances: Vec<Process>,
    /// What the processes wrote that are no more.
    past: Vec<Vec<Value>>,
    client: reqwest::Client,
    // Ends before the directory goes.
    balancer: Balancer,
    directory: TempDir,
}

struct Balancer {
    child: Child,
    port: u16,
}

impl Stage {
    pub(crate) async fn set(front: Front) -> Self {
        let world = World::builder()
            .redis()
            .set("server.trusted_proxies", "127.0.0.1")
            // A busy machine is no outage.
            .set("store.timeout", "10s")
            .set("whisk.scopes", "offline_access,shopping_list:read,shopping_list:write")
            .spawn()
            .await;
        let environment = environment(&world, None);
        let instances =
            vec![Process::serve(environment.clone()).await, Process::serve(environment.clone()).await];
        for instance in &instances {
            eventually("a ready instance", async || instance.ask_admin("/readyz").0 == 200).await;
        }
        let directory = tempfile::tempdir().unwrap();
        let certificate = write_certificate(directory.path());
        let balancer = front.start(directory.path(), &instances).await;
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .http1_only()
            .tls_certs_only([certificate])
            .resolve("app.test", SocketAddr::from(([127, 0, 0, 1], balancer.port)))
            .build()
            .unwrap();
        let past = vec![Vec::new(), Vec::new()];
        Self { world, instances, past, client, balancer, directory }
    }

    /// Where browsers find the balancer.
    pub(crate) fn base(&self) -> String {
        format!("https://app.test:{}", self.balancer.port)
    }

    pub(crate) fn client(&self) -> &reqwest::Client {
        &self.client
    }

    pub(crate) fn browser(&self) -> Browser {
        let (evidence, sandbox) = (Arc::clone(&self.world.evidence), Arc::clone(&self.world.sandbox));
        Browser::at(vec![self.base()], self.client.clone(), evidence, sandbox)
    }

    /// SIGTERM, its end, and a successor at the same addresses that is ready.
    pub(crate) async fn restart(&mut self, number: usize) {
        let old = &mut self.instances[number];
        old.term();
        let status = old.wait().await;
        assert!(status.success(), "{status}\n{}", old.logs());
        self.past[number].extend(old.records());
        let addresses = Some((old.address(), old.admin()));
        let new = Process::serve(environment(&self.world, addresses)).await;
        eventually("a ready successor", async || new.ask_admin("/readyz").0 == 200).await;
        self.instances[number] = new;
    }

    /// What each instance, its predecessors included, has logged.
    pub(crate) fn records(&self) -> Vec<Vec<Value>> {
        let all = self.past.iter().zip(&self.instances);
        all.map(|(past, now)| past.iter().cloned().chain(now.records()).collect()).collect()
    }

    /// Each session was served by both instances, wherever it had begun.
    pub(crate) fn assert_that_both_served_all(&self, at_least: usize) {
        let of = |records: &[Value], wanted: &dyn Fn(&Value) -> bool| -> HashSet<String> {
            let sessions = records.iter().filter(|record| wanted(record));
            sessions.filter_map(|record| Some(record["session"].as_str()?.to_owned())).collect()
        };
        let records = self.records();
        let all = records.concat();
        let begun = of(&all, &|record| record["event"] == "login_completed");
        let served: Vec<_> =
            records.iter().map(|records| of(records, &|record| record["route"] == "forward")).collect();
        assert!(begun.len() >= at_least, "{begun:?}");
        let both = begun.iter().filter(|session| served.iter().all(|served| served.contains(*session)));
        assert!(both.count() >= at_least, "begun: {begun:?}; served: {served:?}");
    }

    /// What the balancer has logged.
    pub(crate) fn front_logs(&self) -> String {
        ["front.log", "access.log", "error.log"]
            .map(|name| fs::read_to_string(self.directory.path().join(name)).unwrap_or_default())
            .concat()
    }

    /// What the balancer has logged, and the warnings of the instances.
    pub(crate) fn logs(&self) -> String {
        let told = |record: &&Value| record["level"] != "INFO" || record["target"] == "whisk_bff";
        let records = self.records().concat();
        let mut text = self.front_logs();
        records.iter().filter(told).for_each(|record| text.push_str(&format!("{record}\n")));
        text
    }
}

/// The environment of an instance, at these addresses or at any.
fn environment(world: &World, addresses: Option<(SocketAddr, SocketAddr)>) -> HashMap<String, String> {
    let mut environment = world.environment();
    environment.insert("WHISK_BFF__SERVER__DRAIN_DELAY".to_owned(), "5s".to_owned());
    if let Some((public, admin)) = addresses {
        environment.insert("WHISK_BFF__SERVER__LISTEN".to_owned(), public.to_string());
        environment.insert("WHISK_BFF__SERVER__ADMIN_LISTEN".to_owned(), admin.to_string());
    }
    environment
}

impl Front {
    fn program(self) -> &'static str {
        match self {
            Self::HaProxy => "haproxy",
            Self::Nginx => "nginx",
        }
    }

    async fn start(self, directory: &Path, instances: &[Process]) -> Balancer {
        for _ in 0..10 {
            let (port, plain) = (free_port(), free_port());
            let file = directory.join("front.conf");
            fs::write(&file, self.render(directory, instances, port, plain)).unwrap();
            let mut balancer = Balancer { child: self.spawn(directory, &file), port };
            let began = Instant::now();
            while balancer.child.try_wait().unwrap().is_none() {
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    assert_eq!(ask(SocketAddr::from(([127, 0, 0, 1], plain)), "/").0, 301);
                    return balancer;
                }
                assert!(began.elapsed() < Duration::from_secs(20), "{} does not listen", self.program());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        let log = fs::read_to_string(directory.join("front.log")).unwrap_or_default();
        panic!("{} does not start:\n{log}", self.program());
    }

    fn spawn(self, directory: &Path, file: &Path) -> Child {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new(self.program());
        command.env("PATH", format!("{path}:/usr/local/sbin:/usr/sbin:/sbin")).stdin(Stdio::null());
        match self {
            Self::HaProxy => command.arg("-db").arg("-f").arg(file),
            Self::Nginx => {
                command.arg("-p").arg(directory).arg("-c").arg(file);
                command.arg("-e").arg(directory.join("error.log")).args(["-g", "daemon off;"])
            }
        };
        let log = fs::File::create(directory.join("front.log")).unwrap();
        command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap_or_else(|error| {
            panic!("{} is needed for this test ({error}); scripts/test installs it", self.program())
        })
    }

    /// The shipped file with what an operator changes, and the paths and ports of an unprivileged
    /// process of ours. Each text must be there.
    fn render(self, directory: &Path, instances: &[Process], port: u16, plain: u16) -> String {
        let at = |name: &str| directory.join(name).to_str().unwrap().to_owned();
        let (one, two) = (&instances[0], &instances[1]);
        match self {
            Self::HaProxy => {
                let server =
                    |process: &Process| format!("{} port {}", process.address(), process.admin().port());
                replace(
                    HAPROXY,
                    &[
                        ("    user haproxy\n    group haproxy\n", String::new()),
                        ("bind :443 ", format!("bind 127.0.0.1:{port} ")),
                        ("bind :80\n", format!("bind 127.0.0.1:{plain}\n")),
                        ("/etc/haproxy/whisk-bff.pem", at("both.pem")),
                        // Here each instance has an admin port of its own.
                        (" check port 9090 ", " check ".to_owned()),
                        ("whisk-bff-1:8080", server(one)),
                        ("whisk-bff-2:8080", server(two)),
                    ],
                )
            }
            Self::Nginx => {
                let folders = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
                    .map(|name| format!("    {name}_temp_path {};\n", at(name)))
                    .concat();
                replace(
                    NGINX,
                    &[
                        ("user www-data;", "user root;".to_owned()),
                        ("pid /run/nginx.pid;", format!("pid {};", at("pid"))),
                        ("/var/log/nginx/error.log", at("error.log")),
                        ("/var/log/nginx/access.log", at("access.log")),
                        ("http {\n", format!("http {{\n{folders}")),
                        ("listen 443 ", format!("listen 127.0.0.1:{port} ")),
                        ("listen 80;", format!("listen 127.0.0.1:{plain};")),
                        ("server_name app.example.com;", "server_name app.test;".to_owned()),
                        ("/etc/nginx/whisk-bff.crt", at("certificate.pem")),
                        ("/etc/nginx/whisk-bff.key", at("key.pem")),
                        ("server whisk-bff-1:8080 ", format!("server {} ", one.address())),
                        ("server whisk-bff-2:8080 ", format!("server {} ", two.address())),
                    ],
                )
            }
        }
    }
}

fn replace(file: &str, changes: &[(&str, String)]) -> String {
    changes.iter().fold(file.to_owned(), |text, (old, new)| {
        assert!(text.contains(old), "the shipped file has no {old:?}");
        text.replace(old, new)
    })
}

/// A certificate for `app.test` that only this test trusts.
fn write_certificate(directory: &Path) -> reqwest::Certificate {
    let key = KeyPair::generate().unwrap();
    let parameters = CertificateParams::new(["app.test".to_owned()]).unwrap();
    let certificate = parameters.self_signed(&key).unwrap().pem();
    fs::write(directory.join("certificate.pem"), &certificate).unwrap();
    fs::write(directory.join("key.pem"), key.serialize_pem()).unwrap();
    fs::write(directory.join("both.pem"), format!("{certificate}{}", key.serialize_pem())).unwrap();
    reqwest::Certificate::from_pem(certificate.as_bytes()).unwrap()
}

impl Drop for Balancer {
    fn drop(&mut self) {
        // A kill of nginx's first process would leave the others.
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let began = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if began.elapsed() > Duration::from_secs(10) {
                let _ = self.child.kill();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
