//! The balancers' files that the project ships, run as they are, in front of two real instances
//! on one real Redis.

mod front;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::stream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use self::front::{Front, Stage};
use crate::support::{Browser, Call, eventually};

/// R77, R119, R123: HAProxy by `deploy/haproxy.cfg`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_haproxy_a_rolling_restart_loses_no_call_and_no_login() {
    let stage = Stage::set(Front::HaProxy).await;
    keeps_its_promises(stage).await;
}

/// R77, R119, R123: nginx by `deploy/nginx.conf`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_nginx_a_rolling_restart_loses_no_call_and_no_login() {
    let stage = Stage::set(Front::Nginx).await;
    keeps_its_promises(stage).await;
}

async fn keeps_its_promises(mut stage: Stage) {
    let browsers: Vec<Arc<Browser>> = {
        let mut browsers = Vec::new();
        for _ in 0..4 {
            let browser = stage.browser();
            browser.log_in().await;
            browsers.push(Arc::new(browser));
        }
        browsers
    };
    passes_bodies_piece_by_piece(&stage).await;
    tells_who_calls(&stage, &browsers[0]).await;

    let load = Load::start(browsers.clone());
    tokio::time::sleep(Duration::from_secs(1)).await;
    stage.restart(0).await;
    stage.restart(1).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (posts, failures) = load.stop().await;
    assert!(failures.is_empty(), "{} calls failed: {failures:#?}\n{}", failures.len(), stage.logs());
    assert!(posts > 100, "{posts} calls wrote");

    // Each browser is still logged in, and each POST was carried out once.
    for browser in &browsers {
        assert_eq!(browser.get("/auth/session").await.json()["authenticated"], true);
    }
    let items = browsers[0].get("/v2/lists/groceries/items").await.json();
    let written = items["items"].as_array().or(items.as_array()).expect("a list").len();
    assert_eq!(written, posts + 2, "each item was added once, to the two that were there");

    // Login at one instance, calls at the other: both served every session.
    stage.assert_that_both_served_all(browsers.len());
    let (seen, word) = (stage.front_logs(), "code=");
    assert!(!seen.contains(word) && !seen.contains("state="), "the balancer's log has a callback's query");
}

/// Neither an answer nor a request waits for its end.
async fn passes_bodies_piece_by_piece(stage: &Stage) {
    let browser = stage.browser();
    browser.log_in().await;
    let url = |path: &str| format!("{}{path}", stage.base());
    let ask = |request: reqwest::RequestBuilder| {
        request
            .header("host", crate::support::world::HOST)
            .header("sec-fetch-site", "same-origin")
            .header("cookie", browser.cookie_line())
    };
    let mut answer =
        ask(stage.client().get(url("/v2/stream?interval_ms=3600000"))).send().await.expect("a stream");
    assert_eq!(answer.headers()["strict-transport-security"], "max-age=31536000; includeSubDomains");
    assert_eq!(answer.headers().get_all("strict-transport-security").iter().count(), 1);
    let first = tokio::time::timeout(Duration::from_secs(20), answer.chunk()).await.expect("the first line");
    assert_eq!(first.unwrap().unwrap(), "{\"line\":0}\n");
    drop(answer);

    let (send, receive) = mpsc::channel::<std::io::Result<Vec<u8>>>(1);
    let body = stream::unfold(receive, async |mut receive| Some((receive.recv().await?, receive)));
    let upload = ask(stage.client().post(url("/v2/upload"))).body(reqwest::Body::wrap_stream(Box::pin(body)));
    let upload = tokio::spawn(upload.send());
    send.send(Ok(vec![b'a'; 1000])).await.unwrap();
    let journal = || stage.world.sandbox.journal().select(|entry| entry.target == "/v2/upload");
    eventually("the first piece of the upload", async || {
        journal().first().is_some_and(|entry| entry.body_length == 1000)
    })
    .await;
    send.send(Ok(vec![b'b'; 1000])).await.unwrap();
    drop(send);
    let answer = upload.await.unwrap().expect("an answer");
    assert_eq!(answer.json::<serde_json::Value>().await.unwrap()["bytes"], 2000);
}

/// What a stranger writes about where he comes from reaches nobody.
async fn tells_who_calls(stage: &Stage, browser: &Browser) {
    let call = Call::get("/v2/echo/who")
        .header("x-forwarded-for", "192.0.2.66")
        .header("forwarded", "for=192.0.2.66;proto=http")
        .header("x-forwarded-proto", "http");
    let answer = browser.send(call).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(!answer.text().contains("192.0.2.66"), "the API was told: {}", answer.text());
    // The log is written behind the answer's back.
    let began = std::time::Instant::now();
    let line = loop {
        let mut records = stage.records().into_iter().flatten();
        match records.find(|record| record["target"] == "request" && record["path"] == "/v2/echo/who") {
            Some(line) => break line,
            None => assert!(began.elapsed() < Duration::from_secs(10), "no line of the request"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(line["client"], "127.0.0.1");
}

/// Fifty calls a second, every second one a POST.
struct Load {
    over: Arc<AtomicBool>,
    posts: Arc<AtomicUsize>,
    calls: tokio::task::JoinHandle<Vec<String>>,
}

impl Load {
    fn start(browsers: Vec<Arc<Browser>>) -> Self {
        let (over, posts): (Arc<AtomicBool>, Arc<AtomicUsize>) = Default::default();
        let (until, counted) = (Arc::clone(&over), Arc::clone(&posts));
        let calls = tokio::spawn(async move {
            let mut tick = tokio::time::interval(Duration::from_millis(20));
            let mut calls = JoinSet::new();
            for number in 0_usize.. {
                if until.load(Ordering::SeqCst) {
                    break;
                }
                tick.tick().await;
                let browser = Arc::clone(&browsers[number / 2 % browsers.len()]);
                let call = if number % 2 == 0 {
                    Call::get("/v2/me")
                } else {
                    counted.fetch_add(1, Ordering::SeqCst);
                    Call::post("/v2/lists/groceries/items")
                        .header("content-type", "application/json")
                        .body(format!("{{\"name\":\"item {number}\"}}"))
                };
                calls.spawn(async move {
                    match browser.try_send(call).await {
                        Ok(answer) if answer.status.is_success() => None,
                        Ok(answer) => Some(format!("call {number}: {} {}", answer.status, answer.text())),
                        Err(error) => Some(format!("call {number}: {error:?}")),
                    }
                });
            }
            calls.join_all().await.into_iter().flatten().collect()
        });
        Self { over, posts, calls }
    }

    /// How many calls wrote, and what failed.
    async fn stop(self) -> (usize, Vec<String>) {
        self.over.store(true, Ordering::SeqCst);
        let failures = self.calls.await.unwrap();
        (self.posts.load(Ordering::SeqCst), failures)
    }
}
