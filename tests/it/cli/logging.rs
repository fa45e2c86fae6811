//! How log lines are written: `--log-format`, its variable, `RUST_LOG`.

use serde_json::Value;

use super::{KEY, environment, out};
use crate::support::process::{Process, run};
use crate::support::redis::free_port;

/// What `serve` writes that warns of its absent store and then finds its port taken.
async fn lines(arguments: &[&str], changed: &[(&str, &str)]) -> Vec<String> {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, redis) =
        (taken.local_addr().unwrap().to_string(), format!("redis://127.0.0.1:{}", free_port()));
    let mut environment = environment(&[
        ("server.listen", &address),
        // Below what any system allows, of which nothing is told then.
        ("server.max_connections", "100"),
        ("store.url", &redis),
        ("sealing.keys", KEY),
    ]);
    environment.extend(changed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let output = run(arguments, &environment).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    out(&output).lines().map(str::to_owned).collect()
}

fn is_json(line: &str) -> bool {
    serde_json::from_str::<Value>(line).is_ok_and(|record| record["message"].is_string())
}

/// Contract §2: a pipe gets JSON lines; `--log-format` and its variable say otherwise, the argument
/// above the variable.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipe_gets_json_unless_told_otherwise() {
    let pretty = ("WHISK_BFF_LOG_FORMAT", "pretty");
    for (arguments, changed, json) in [
        (&["serve"][..], &[][..], true),
        (&["serve", "--log-format", "json"], &[pretty], true),
        (&["--log-format", "pretty", "serve"], &[], false),
        (&["serve"], &[pretty], false),
    ] {
        let lines = lines(arguments, changed).await;
        assert!(!lines.is_empty());
        for line in &lines {
            assert_eq!(is_json(line), json, "{arguments:?} {changed:?}: {line}");
            assert!(!line.contains('\u{1b}'), "no colours in a pipe: {line}");
            assert!(line.contains("WARN"), "{line}");
        }
    }
}

/// Contract §2: `RUST_LOG` filters; one that cannot be read is told, and `info` holds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rust_log_filters() {
    assert_eq!(lines(&["serve"], &[("RUST_LOG", "off")]).await, [""; 0]);
    assert_eq!(lines(&["serve"], &[("RUST_LOG", "error")]).await, [""; 0]);
    assert_eq!(lines(&["serve"], &[("RUST_LOG", "warn,whisk_bff=off,store=off")]).await, [""; 0]);
    assert!(!lines(&["serve"], &[("RUST_LOG", "warn")]).await.is_empty());

    let mut process = Process::serve(environment(&[("RUST_LOG", "===,,=")])).await;
    process.record("listening");
    let told = process.records().iter().filter(|record| record["level"] == "WARN").count();
    assert_eq!(told, 1, "{}", process.logs());
    assert!(process.logs().contains("RUST_LOG"), "{}", process.logs());
}
