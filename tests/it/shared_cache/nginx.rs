//! A real nginx that keeps what it may.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::redis::free_port;

pub(super) struct Nginx {
    child: Child,
    port: u16,
    directory: TempDir,
}

impl Nginx {
    /// Before the broker, and below `/control/` before the API itself.
    pub(super) async fn start(broker: SocketAddr, api: SocketAddr) -> Self {
        for _ in 0..10 {
            let directory = tempfile::tempdir().unwrap();
            let port = free_port();
            let file = directory.path().join("nginx.conf");
            fs::write(&file, configuration(directory.path(), port, broker, api)).unwrap();
            let mut nginx = Self { child: spawn(directory.path(), &file), port, directory };
            let began = Instant::now();
            while nginx.child.try_wait().unwrap().is_none() {
                if TcpStream::connect(nginx.address()).is_ok() {
                    return nginx;
                }
                assert!(began.elapsed() < Duration::from_secs(20), "nginx does not listen: {}", nginx.log());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            assert!(nginx.log().contains("Address already in use"), "{}", nginx.log());
        }
        panic!("no port is free");
    }

    pub(super) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// The files of the cache: key, header and body as nginx wrote them.
    pub(super) fn kept(&self) -> Vec<String> {
        let mut kept = Vec::new();
        let mut folders = vec![self.directory.path().join("cache")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    kept.push(String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned());
                }
            }
        }
        kept
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("error.log")).unwrap_or_default()
    }
}

fn configuration(directory: &Path, port: u16, broker: SocketAddr, api: SocketAddr) -> String {
    let at = |name: &str| directory.join(name).to_str().unwrap().to_owned();
    let folders = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("    {name}_temp_path {};\n", at(name)))
        .concat();
    format!(
        r#"
user root;
worker_processes 1;
pid {pid};
error_log {log} notice;
events {{ worker_connections 512; }}
http {{
{folders}
    access_log off;
    proxy_cache_path {cache} levels=1 keys_zone=all:10m inactive=1h use_temp_path=off;
    proxy_cache all;
    proxy_cache_key $request_uri;
    proxy_cache_valid any 10m;
    proxy_cache_methods GET HEAD;
    proxy_cache_revalidate on;
    proxy_cache_lock on;
    proxy_cache_use_stale error timeout updating http_500 http_502 http_503 http_504;
    proxy_cache_background_update on;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $host;
    add_header X-Cache $upstream_cache_status always;
    server {{
        listen 127.0.0.1:{port};
        server_name app.test;
        location / {{ proxy_pass http://{broker}; }}
        location /control/ {{ proxy_pass http://{api}; }}
    }}
}}
"#,
        pid = at("pid"),
        log = at("error.log"),
        cache = at("cache"),
    )
}

fn spawn(directory: &Path, file: &Path) -> Child {
    let path = std::env::var("PATH").unwrap_or_default();
    Command::new("nginx")
        .env("PATH", format!("{path}:/usr/local/sbin:/usr/sbin:/sbin"))
        .arg("-p")
        .arg(directory)
        .arg("-c")
        .arg(file)
        .arg("-e")
        .arg(directory.join("error.log"))
        .args(["-g", "daemon off;"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("nginx is needed for this test ({error}); scripts/test installs it"))
}

impl Drop for Nginx {
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
