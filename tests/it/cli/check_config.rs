//! `check-config`: the settings in force, to be read by people and by the program itself.

use super::{KEY, SECRET, environment, err, out};
use crate::support::process::run;

const FILE: &str = r#"
[server]
public_url = "https://app.test"
listen = "127.0.0.1:8080"
trusted_proxies = ["10.0.0.0/8", "::1"]
drain_delay = "1500ms"

[whisk]
client_id = "a \"quoted\" client"
scopes = ["offline_access", "recipe:read"]

[session]
idle_timeout = "14d"
same_site = "lax"

[forward]
routes = ["/v2/", "/{service}/v2/"]
max_body = "1GiB"
"#;

/// Contract §2: what it prints is the settings in force: read again, it prints the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_output_can_be_read_again_and_holds_no_secret() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("first.toml");
    std::fs::write(&file, FILE).unwrap();
    let secrets = environment(&[
        ("server.public_url", ""),
        ("server.listen", ""),
        ("server.admin_listen", ""),
        ("whisk.client_id", ""),
        ("sealing.keys", KEY),
        ("store.url", "rediss://user:SEC_MARK_password@redis.test:6380/3"),
    ]);
    let first = run(&["check-config", "--config", file.to_str().unwrap()], &secrets).await;
    assert_eq!((first.status.code(), err(&first)), (Some(0), String::new()), "{first:?}");
    for line in [
        "public_url = \"https://app.test\"",
        "trusted_proxies = [\"10.0.0.0/8\", \"::1/128\"]",
        "drain_delay = \"1500ms\"",
        "same_site = \"lax\"",
        "client_secret = \"[redacted]\"",
        "keys = [\"k1:[redacted]\"]",
        "max_body = \"1GiB\"",
    ] {
        assert!(out(&first).lines().any(|known| known == line), "{line}\n{}", out(&first));
    }
    assert!(out(&first).contains("redis.test:6380/3"), "{}", out(&first));
    let secret = ["SEC_MARK", "AAECAwQF"].into_iter().find(|secret| out(&first).contains(secret));
    assert_eq!(secret, None, "{}", out(&first));

    // The secrets come from where they came from; all else from what was printed.
    let printed = directory.path().join("printed.toml");
    std::fs::write(&printed, out(&first)).unwrap();
    let again = run(&["check-config", "--config", printed.to_str().unwrap()], &secrets).await;
    assert_eq!(again.status.code(), Some(0), "{again:?}");
    assert_eq!(out(&again), out(&first));
}

/// Contract §3: defaults, then each file in its order, then the environment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn later_files_win_and_the_environment_wins_over_all() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = directory.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let one = write("one", "[server]\ndrain_delay = \"1s\"\nshutdown_grace = \"1s\"\nworkers = 1\n");
    let two = write("two", "[server]\ndrain_delay = \"2s\"\nworkers = 2\n");
    let changed = environment(&[("server.workers", "3")]);
    let output = run(&["check-config", "--config", &one, "--config", &two], &changed).await;
    for line in
        ["drain_delay = \"2s\"", "shutdown_grace = \"1s\"", "workers = 3", "key_prefix = \"whisk-bff\""]
    {
        assert!(out(&output).lines().any(|known| known == line), "{line}\n{}", out(&output));
    }
}

/// Contract §2: with faults, exit code 64, every one of them listed by its key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_is_listed_at_once() {
    let changed = environment(&[
        ("server.listen", "VALUE_MARK"),
        ("server.public_url", "ftp://VALUE_MARK"),
        ("session.same_site", "VALUE_MARK"),
        ("store.timeout", "VALUE_MARK"),
        ("forward.max_body", "VALUE_MARK"),
        ("whisk.client_id", ""),
        ("no.such_key", "VALUE_MARK"),
    ]);
    for command in ["check-config", "serve", "migrate"] {
        let output = run(&[command], &changed).await;
        assert_eq!(output.status.code(), Some(64), "{command}: {output:?}");
        for key in [
            "server.listen",
            "server.public_url",
            "session.same_site",
            "store.timeout",
            "forward.max_body",
            "whisk.client_id",
            "no.such_key",
        ] {
            let told = err(&output).lines().filter(|line| line.starts_with(key)).count();
            assert_eq!(told, 1, "{key}\n{}", err(&output));
        }
        assert!(!err(&output).contains("VALUE_MARK") && !err(&output).contains(SECRET), "{}", err(&output));
        assert_eq!(out(&output), "", "{command}");
    }
}
