//! The admin listener: probes and metrics, and nothing of them anywhere else.

use serde_json::json;

use super::{browser_at, process, world};
use crate::support::process::{Process, ask};
use crate::support::world::{HOST, exchange};
use crate::support::{Call, World};

/// Contract §8: what the two probes say on a good day.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn livez_and_readyz_answer_with_json() {
    let world = World::spawn().await;
    crate::support::eventually("readiness", async || ask(world.admin(0), "/readyz").0 == 200).await;
    let parsed = |path: &str| {
        let (status, body) = ask(world.admin(0), path);
        (status, serde_json::from_str::<serde_json::Value>(&body).unwrap())
    };
    assert_eq!(parsed("/livez"), (200, json!({ "status": "ok" })));
    let checks = json!([
        { "name": "store", "status": "ok" },
        { "name": "login_server", "status": "ok" },
    ]);
    assert_eq!(parsed("/readyz"), (200, json!({ "status": "ok", "checks": checks })));
}

/// Contract §8: a token endpoint that is away makes an instance `degraded`, not unready.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_server_that_is_away_is_told_and_takes_nobody_out() {
    let world = World::spawn().await;
    let browser = world.logged_in().await;
    let fault = || whisk_sandbox::TokenFault::Status(503, String::new(), "text/plain".to_owned());
    world.sandbox.behaviour(|behaviour| behaviour.token_faults.extend([fault(), fault(), fault()]));
    let callback = browser.authorize("/auth/login").await;
    browser.come_back(&callback).await.assert_problem(503, "login_server_unavailable");
    let (status, body) = ask(world.admin(0), "/readyz");
    assert_eq!(status, 200, "{body}");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["status"], "degraded");
    assert_eq!(body["checks"][1], json!({ "name": "login_server", "status": "away" }));

    world.sandbox.behaviour(|behaviour| behaviour.token_faults.clear());
    browser.log_in().await;
    let (_, body) = ask(world.admin(0), "/readyz");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&body).unwrap()["status"], "ok");
}

/// R120, contract §3 `server.admin_listen`: each listener has its own routes, and no header of a
/// request changes that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_and_metrics_are_on_the_admin_listener_alone() {
    let world = World::spawn().await;
    let browser = world.browser();
    for path in
        ["/metrics", "/healthz", "/livez", "/readyz", "/health", "/ping", "/ready", "/metrics/", "//metrics"]
    {
        for agent in ["kube-probe/1.31", "ELB-HealthChecker/2.0", "GoogleHC/1.0", "Prometheus/3.0"] {
            let call = Call::get(path).header("user-agent", agent);
            browser.send(call).await.assert_problem(404, "not_found");
        }
    }
    for agent in ["kube-probe/1.31", "ELB-HealthChecker/2.0", "GoogleHC/1.0"] {
        let call = Call::get("/v2/me").header("user-agent", agent);
        browser.send(call).await.assert_problem(401, "login_required");
        let call =
            Call::get("/v2/me?/metrics").header("user-agent", agent).header("x-original-uri", "/livez");
        browser.send(call).await.assert_problem(401, "login_required");
    }
    for path in ["/v2/me", "/auth/session", "/auth/login", "/", "/metrics/x", "/debug/pprof"] {
        assert_eq!(ask(world.admin(0), path).0, 404, "{path} on the admin listener");
    }
}

/// Contract §3 `server.admin_listen = ""`: no such listener.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_admin_listen_turns_the_listener_off() {
    let world = world().spawn().await;
    let process = Process::serve(super::environment(&world, &[("server.admin_listen", "")])).await;
    assert!(!process.has_admin(), "{}", process.logs());
    browser_at(&world, &process).get("/metrics").await.assert_problem(404, "not_found");
    assert_eq!(listening_sockets(process.pid()), 1);
    let other = self::process(&world, &[]).await;
    assert_eq!(listening_sockets(other.pid()), 2);
}

/// How many TCP sockets of a process listen.
fn listening_sockets(pid: u32) -> usize {
    let mut inodes = Vec::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap() {
        if let Ok(target) = std::fs::read_link(entry.unwrap().path())
            && let Some(inode) =
                target.to_str().and_then(|text| text.strip_prefix("socket:[")?.strip_suffix(']'))
        {
            inodes.push(inode.to_owned());
        }
    }
    inodes.sort();
    inodes.dedup();
    let tables =
        ["tcp", "tcp6"].map(|table| std::fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap());
    let listening = |line: &&str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields.len() > 9 && fields[3] == "0A" && inodes.iter().any(|inode| inode == fields[9])
    };
    tables.iter().map(|table| table.lines().filter(listening).count()).sum()
}

/// Contract §8: each of the metrics, with its kind, and the build.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_metric_of_the_contract_is_there() {
    let world = World::spawn().await;
    let browser = world.logged_in().await;
    assert_eq!(browser.get("/v2/me").await.status, 200);
    let forged = Call::post("/v2/lists").metadata("cross-site", "cors", "empty");
    browser.send(forged).await.assert_problem(403, "csrf_rejected");
    let answer = exchange(world.admin(0), b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let head = String::from_utf8_lossy(&answer).to_ascii_lowercase();
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    let text = ask(world.admin(0), "/metrics").1;
    for (name, kind, sample) in [
        ("requests_total", "counter", "requests_total{route=\"forward\",outcome=\"2xx\"} 1"),
        ("request_seconds", "histogram", "request_seconds_count{route=\"login\"} 1"),
        ("refreshes_total", "counter", "refreshes_total{outcome=\"refreshed\"} 0"),
        ("refreshes_total", "counter", "refreshes_total{outcome=\"joined\"} 0"),
        ("refreshes_total", "counter", "refreshes_total{outcome=\"failed\"} 0"),
        ("refreshes_total", "counter", "refreshes_total{outcome=\"refused\"} 0"),
        ("logins_total", "counter", "logins_total{outcome=\"completed\"} 1"),
        ("sessions_started_total", "counter", "sessions_started_total{kind=\"user\"} 1"),
        ("sessions_ended_total", "counter", "sessions_ended_total{reason=\"logout\"} 0"),
        (
            "store_operations_total",
            "counter",
            "store_operations_total{operation=\"create\",outcome=\"done\"} 2",
        ),
        ("store_operation_seconds", "histogram", "store_operation_seconds_count{operation=\"create\"} 2"),
        ("cache_hits_total", "counter", "cache_hits_total "),
        ("cache_misses_total", "counter", "cache_misses_total "),
        ("cache_flushes_total", "counter", "cache_flushes_total "),
        ("upstream_calls_total", "counter", "upstream_calls_total{outcome=\"2xx\"} 1"),
        ("upstream_seconds", "histogram", "upstream_seconds_count 1"),
        ("csrf_refusals_total", "counter", "csrf_refusals_total{reason=\"fetch_site\"} 1"),
    ] {
        let there = |line: &str| text.lines().any(|known| known == line);
        assert!(there(&format!("# TYPE whisk_bff_{name} {kind}")), "{name}\n{text}");
        assert!(text.contains(&format!("# HELP whisk_bff_{name} ")), "{name}\n{text}");
        assert!(text.contains(&format!("\nwhisk_bff_{sample}")), "{sample}\n{text}");
    }
    let build = format!("whisk_bff_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
    assert!(text.lines().any(|line| line == build), "{text}");
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        assert!(line.starts_with("whisk_bff_"), "{line}");
    }
}

/// Contract §8: whatever a request says, no label takes it up, and the number of series is bounded.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_label_takes_a_value_from_a_request() {
    let world = World::spawn().await;
    let send = |text: String| exchange(world.address(0), text.as_bytes());
    let provoke = |number: usize| {
        let mark = format!("LABELMARK{number}");
        for (method, path) in [
            ("GET", format!("/{mark}")),
            ("GET", format!("/v2/{mark}?{mark}={mark}")),
            (mark.as_str(), format!("/v2/{mark}")),
            ("GET", format!("/auth/login?identity_provider={mark}&return_to={mark}")),
            ("GET", format!("/auth/callback?error={mark}&state={mark}&code={mark}")),
            ("POST", format!("/auth/{mark}")),
        ] {
            send(format!(
                "{method} {path} HTTP/1.1\r\nHost: {HOST}\r\nUser-Agent: {mark}\r\nOrigin: https://{mark}\r\n\
                 Cookie: __Host-Http-whisk={mark}\r\nX-Request-Id: {mark}\r\nConnection: close\r\n\r\n"
            ));
            send(format!("GET / HTTP/1.1\r\nHost: {mark}\r\nConnection: close\r\n\r\n"));
        }
    };
    provoke(0);
    let series = || world.metrics(0).lines().count();
    let before = series();
    (1..20).for_each(provoke);
    assert_eq!(series(), before, "{}", world.metrics(0));
    assert!(!world.metrics(0).to_ascii_lowercase().contains("labelmark"), "{}", world.metrics(0));
}
