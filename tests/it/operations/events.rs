//! Security events: each leaves exactly one record.

use std::time::Duration;

use serde_json::Value;

use super::{browser_at, process, world};
use crate::support::process::Process;
use crate::support::{Call, World, eventually};

/// R72, R113, W10: login done and failed, `state` missing and foreign, a forged request, a foreign
/// host, a refused refresh, a logout.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_security_event_is_exactly_one_record() {
    let world = world().spawn().await;
    let process = process(&world, &[]).await;
    let browser = browser_at(&world, &process);
    let mut seen = Seen { process: &process, known: 0 };
    seen.expect(&[]).await;

    browser.log_in().await;
    seen.expect(&[("INFO", "login_completed", None)]).await;

    let refused = browser.decide("/auth/login", "deny", None).await;
    assert_eq!(browser.come_back(&refused).await.status, 400);
    seen.expect(&[("WARN", "login_failed", Some("access_denied"))]).await;

    assert_eq!(browser.come_back("/auth/callback?code=abc").await.status, 400);
    seen.expect(&[("WARN", "state_missing", Some("no_state"))]).await;

    let foreign = format!("/auth/callback?code=abc&state={}", "a".repeat(43));
    assert_eq!(browser.come_back(&foreign).await.status, 400);
    seen.expect(&[("WARN", "state_mismatch", Some("foreign_state"))]).await;

    let forged = Call::post("/v2/lists").metadata("cross-site", "cors", "empty");
    browser.send(forged).await.assert_problem(403, "csrf_rejected");
    seen.expect(&[("WARN", "csrf_rejected", Some("fetch_site"))]).await;

    let elsewhere = Call::get("/v2/me").header("host", "evil.test");
    browser.send(elsewhere).await.assert_problem(421, "wrong_host");
    seen.expect(&[("WARN", "host_rejected", None)]).await;

    browser.get("/v2/..%2fadmin").await.assert_problem(400, "bad_request");
    seen.expect(&[("WARN", "path_rejected", Some("dot_segment"))]).await;
    browser.get("/v2/me?access_token=x").await.assert_problem(400, "bad_request");
    seen.expect(&[("WARN", "path_rejected", Some("token_in_query"))]).await;

    assert_eq!(browser.post("/auth/logout").await.status, 204);
    browser.expect_ended();
    seen.expect(&[("INFO", "logout", None)]).await;
    assert_eq!(browser.post("/auth/logout").await.status, 204);
    seen.expect(&[]).await;

    let doomed = browser_at(&world, &process);
    doomed.log_in().await;
    seen.expect(&[("INFO", "login_completed", None)]).await;
    end_its_grant(&world);
    doomed.get("/v2/me").await.assert_problem(401, "session_ended");
    doomed.expect_ended();
    seen.expect(&[("WARN", "refresh_refused", None)]).await;
}

fn end_its_grant(world: &World) {
    world.sandbox.kill_refresh_families();
    world.sandbox.expire_access_tokens();
}

/// The security records of a process, looked at bit by bit.
struct Seen<'a> {
    process: &'a Process,
    known: usize,
}

impl Seen<'_> {
    /// These have come since the last look, and no other.
    async fn expect(&mut self, expected: &[(&str, &str, Option<&str>)]) {
        let all = || -> Vec<Value> {
            self.process.records().into_iter().filter(|record| record["target"] == "security").collect()
        };
        eventually("the record", async || all().len() >= self.known + expected.len()).await;
        // What comes too often comes a moment later.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let new = all().split_off(self.known);
        // What a request brought about names it, and who sent it.
        for record in new.iter().filter(|record| {
            let event = record["event"].as_str().unwrap_or("");
            event.ends_with("_rejected") || event.starts_with("login_") || event.starts_with("state_")
        }) {
            assert_eq!(record["client"], "127.0.0.1", "{record}");
            let id = record["request_id"].as_str().expect("a request's id");
            eventually("the request's own line", async || {
                self.process
                    .records()
                    .iter()
                    .any(|line| line["target"] == "request" && line["request_id"] == id)
            })
            .await;
        }
        let told: Vec<_> = new
            .iter()
            .map(|record| {
                let text = |name: &str| record[name].as_str();
                (text("level").unwrap_or(""), text("event").unwrap_or(""), text("reason"))
            })
            .collect();
        assert_eq!(told, expected);
        self.known += new.len();
    }
}
