//! What is in the log of the real program, and what never is.

use serde_json::Value;

use super::{browser_at, environment, process, world};
use crate::support::process::Process;
use crate::support::world::{CLIENT_SECRET, HOST, exchange};

/// R112: not one secret of a whole life, at the finest level: logins that succeed, fail and are
/// forged, a refresh, a logout.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_logged_at_the_finest_level() {
    let world = world().spawn().await;
    let process = process(&world, &[("RUST_LOG", "trace")]).await;
    let browser = browser_at(&world, &process);
    let mut secrets = vec![CLIENT_SECRET.to_owned(), "SEC_MARK".to_owned(), "AAECAwQFBgcICQ".to_owned()];

    let begun = browser.navigate("/auth/login?return_to=/RETURN_MARK?x=QUERY_MARK").await;
    secrets.extend(parameters(begun.header("location"), &["state", "code_challenge"]));
    let callback = browser.at_authorization_page(begun.header("location"), "allow", None).await;
    secrets.extend(parameters(&callback, &["code"]));
    let answer = browser.come_back(&callback).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    let first = browser.session_cookie().unwrap();
    secrets.push(first.clone());
    secrets.extend(first.split_once("%3D").map(|(_, id)| id.to_owned()));

    let forged =
        "/auth/callback?code=CODE_MARK_9&state=STATE_MARK_9_abcdefghijk&error_description=QUERY_MARK";
    assert_eq!(browser.come_back(forged).await.status, 400);
    let refused = browser.decide("/auth/login", "deny", None).await;
    secrets.extend(parameters(&refused, &["state"]));
    assert_eq!(browser.come_back(&refused).await.status, 400);

    assert_eq!(browser.get("/v2/me?q=QUERY_MARK").await.status, 200);
    world.sandbox.expire_access_tokens();
    assert_eq!(browser.get("/v2/me").await.status, 200, "the token was refreshed");
    assert_eq!(browser.post("/auth/logout").await.status, 204);
    browser.expect_ended();

    let verifiers = world.sandbox.journal().token();
    let verifiers = verifiers.iter().filter_map(|entry| {
        let mut form = url::form_urlencoded::parse(&entry.body);
        form.find(|(name, _)| name == "code_verifier").map(|(_, value)| value.into_owned())
    });
    secrets.extend(verifiers);
    secrets.extend(world.sandbox.issued_secrets());
    secrets.extend(["CODE_MARK_9", "STATE_MARK_9", "QUERY_MARK"].map(str::to_owned));
    assert!(secrets.len() > 12, "{secrets:?}");

    let metrics = process.ask_admin("/metrics").1;
    let (logs, records) = (process.logs(), process.records());
    for secret in secrets.iter().filter(|secret| secret.len() >= 8) {
        assert!(!logs.contains(secret.as_str()), "{secret} is in the log");
        assert!(!metrics.contains(secret.as_str()), "{secret} is in the metrics");
    }
    // The log was not simply silent, and what it says of sessions is a short digest.
    let callbacks = records.iter().filter(|record| record["path"] == "/auth/callback").count();
    assert_eq!(callbacks, 3, "{logs}");
    let me = records.iter().find(|record| record["path"] == "/v2/me").expect("the call's line");
    let session = me["session"].as_str().expect("a digest");
    let text = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    assert!(session.len() == 12 && session.bytes().all(text), "{session}");
    assert!(!first.contains(session));
}

/// The values of these parameters in the query of a URL.
fn parameters(url: &str, names: &[&str]) -> Vec<String> {
    let query = url.split_once('?').expect("a query").1;
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let value = |name: &&str| pairs.iter().find(|(known, _)| known == name).expect("the parameter").1.clone();
    names.iter().map(value).collect()
}

/// R113: whatever stands in path and headers, a request leaves one record, in UTC, with nothing in
/// it that a reader's terminal would obey.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_writes_stays_inside_one_escaped_record() {
    let world = world().spawn().await;
    for format in ["json", "pretty"] {
        let changed = [("RUST_LOG", "trace"), ("WHISK_BFF_LOG_FORMAT", format)];
        let mut process = Process::serve(environment(&world, &changed)).await;
        let paths =
            ["/v2/%0aFAKE1", "/v2/%0d%0a%1b[2JFAKE2", "/v2/%e2%80%a8FAKE3", "/v2/\u{85}\u{202e}FAKE4"];
        let agents: [&[u8]; 4] = [
            b"\x1b[31mFAKE-AGENT",
            b"a\tFAKE-AGENT",
            "FAKE\u{9b}2J\u{202e}-AGENT".as_bytes(),
            b"\xff\x1bFAKE",
        ];
        for path in paths {
            for agent in agents {
                let mut request = format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\nUser-Agent: ").into_bytes();
                request.extend_from_slice(agent);
                request.extend_from_slice(b"\r\nX-CSRF: 1\r\nConnection: close\r\n\r\n");
                let answer = exchange(process.address(), &request);
                assert!(answer.starts_with(b"HTTP/1.1 4"), "{:?}", String::from_utf8_lossy(&answer));
            }
        }
        process.term();
        assert!(process.wait().await.success());
        let logs = process.logs();
        let hostile =
            |c: char| c.is_control() && c != '\n' || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202e}');
        assert!(!logs.contains(hostile), "{logs:?}");
        // Of what was understood as a request, each left its line.
        for (path, expected) in [("%0aFAKE1", 1..=4), ("%1b[2JFAKE2", 0..=4), ("%e2%80%a8FAKE3", 1..=4)] {
            let lines = logs.lines().filter(|line| line.contains(path) && line.contains("answered")).count();
            assert!(expected.contains(&lines), "{lines} lines of {path} in {format}:\n{logs}");
        }
        if format == "json" {
            for record in process.records() {
                let time = record["timestamp"].as_str().expect("a time");
                assert!(time.ends_with('Z') && time.len() == "2026-01-02T03:04:05.678Z".len(), "{time}");
                assert_ne!(record["message"], Value::Null);
            }
        }
    }
}
