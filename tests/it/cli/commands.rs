//! Each command, its help and its exit codes.

use std::collections::HashMap;
use std::net::TcpListener;

use super::{environment, err, out};
use crate::support::process::{Process, run};
use crate::support::redis::{RedisServer, free_port};

const COMMANDS: [&str; 6] = ["serve", "dev", "check-config", "migrate", "generate-key", "end-sessions"];

/// Contract §2: `--help` of each command shows an example of that command, and the program's own
/// names them all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn help_of_each_command_shows_an_example() {
    let none = HashMap::new();
    let all = run(&["--help"], &none).await;
    assert_eq!(all.status.code(), Some(0));
    for command in COMMANDS {
        assert!(out(&all).contains(&format!("\n  {command} ")), "{}", out(&all));
        let help = run(&[command, "--help"], &none).await;
        assert_eq!((help.status.code(), err(&help)), (Some(0), String::new()));
        let example = out(&help).split_once("Example:").map(|(_, example)| example.to_owned());
        let example = example.unwrap_or_else(|| panic!("no example:\n{}", out(&help)));
        assert!(example.contains(&format!("whisk-bff {command}")), "{example}");
    }
    let version = run(&["--version"], &none).await;
    assert_eq!(out(&version), format!("whisk-bff {}\n", env!("CARGO_PKG_VERSION")));
}

/// Contract §2: 64 for what is no command line of ours, on standard error.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_usage_exits_with_64() {
    for arguments in [
        &[][..],
        &["serv"],
        &["serve", "extra"],
        &["serve", "--nonsense"],
        &["serve", "--config"],
        &["serve", "--log-format", "xml"],
        &["--log-format", "", "check-config"],
        &["migrate", "--dry-run=yes"],
        &["generate-key", "--config", "x"],
        &["end-sessions"],
        &["end-sessions", "--all", "--user", "u"],
        &["dev", "--port", "70000"],
        &["dev", "--token-lifetime", "0s"],
    ] {
        let output = run(arguments, &environment(&[])).await;
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {output:?}");
        assert_eq!(out(&output), "", "{arguments:?}");
        assert!(!err(&output).is_empty(), "{arguments:?}");
    }
    let format = run(&["check-config"], &environment(&[("WHISK_BFF_LOG_FORMAT", "xml")])).await;
    assert_eq!(format.status.code(), Some(64), "{format:?}");
}

/// Contract §2: 1 for what goes wrong beyond usage and settings, with its cause.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn anything_else_that_goes_wrong_exits_with_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let absent = format!("redis://127.0.0.1:{}/0", free_port());
    let redis = [("store.url", absent.as_str()), ("sealing.keys", super::KEY)];
    for (arguments, changed, cause) in [
        (&["serve"][..], &[("server.listen", address.as_str())][..], "server.listen"),
        (&["serve"], &[("server.admin_listen", address.as_str())], "server.admin_listen"),
        (&["serve"], &[("store.url", "embedded:/proc/nowhere/x.redb")], "/proc/nowhere"),
        (&["migrate"], &redis, "store"),
        (&["migrate", "--dry-run"], &redis, "store"),
        (&["end-sessions", "--all"], &redis, "store"),
    ] {
        let output = run(arguments, &environment(changed)).await;
        assert_eq!(output.status.code(), Some(1), "{arguments:?} {changed:?}: {output:?}");
        assert!(err(&output).starts_with("error: ") && err(&output).contains(cause), "{}", err(&output));
    }
}

/// Contract §2: `migrate` tells what it would do, does it, and then has nothing left to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrate_tells_what_it_does() {
    let nothing = run(&["migrate"], &environment(&[])).await;
    assert_eq!(nothing.status.code(), Some(0), "{nothing:?}");
    assert!(out(&nothing).contains("nothing to do"), "{}", out(&nothing));

    let server = RedisServer::plain().await;
    let redis = environment(&[("store.url", &server.url()), ("sealing.keys", super::KEY)]);
    let planned = run(&["migrate", "--dry-run"], &redis).await;
    assert_eq!(planned.status.code(), Some(0), "{planned:?}");
    assert!(out(&planned).contains("0001_base_layout would be applied"), "{}", out(&planned));
    assert!(server.keys().await.is_empty(), "a dry run writes nothing");
    let applied = run(&["migrate"], &redis).await;
    assert!(out(&applied).contains("0001_base_layout was applied"), "{}", out(&applied));
    let again = run(&["migrate"], &redis).await;
    assert_eq!((again.status.code(), out(&again).as_str()), (Some(0), "The layout is up to date.\n"));
    assert_eq!(server.ttl_violations().await, [""; 0]);
}

/// Contract §2: `generate-key` prints a line that `sealing.keys_file` takes, another each time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn generate_key_prints_a_line_for_the_keys_file() {
    let none = HashMap::new();
    let (one, other) = (run(&["generate-key"], &none).await, run(&["generate-key"], &none).await);
    assert_eq!((one.status.code(), err(&one)), (Some(0), String::new()));
    assert_ne!(out(&one), out(&other));
    assert_ne!(out(&one).split(':').next(), out(&other).split(':').next(), "ids differ, too");
    assert_eq!(out(&one).lines().count(), 1);
    assert!(out(&one).ends_with('\n'));

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys");
    std::fs::write(&file, format!("# newest first\n{}\n{}", out(&one), out(&other))).unwrap();
    let changed = [("sealing.keys_file", file.to_str().unwrap())];
    let checked = run(&["check-config"], &environment(&changed)).await;
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    for line in [out(&one), out(&other)] {
        let (id, key) = line.trim().split_once(':').unwrap();
        assert!(out(&checked).contains(&format!("{id}:[redacted]")), "{}", out(&checked));
        assert!(!out(&checked).contains(key));
    }
    let mut process = Process::serve(environment(&changed)).await;
    process.kill();
}

/// Contract §3 `server.listen`: port 0 takes a free one, which is logged as `listening`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serve_logs_where_it_listens() {
    let mut process = Process::serve(environment(&[("server.drain_delay", "0s")])).await;
    let listening = process.record("listening");
    assert_eq!((&listening["level"], &listening["public_url"]), (&"INFO".into(), &"https://app.test".into()));
    assert!(process.address().port() != 0 && process.admin().port() != 0);
    assert_ne!(process.address(), process.admin());
    assert_eq!(process.ask_admin("/livez").0, 200);
    process.term();
    assert_eq!(process.wait().await.code(), Some(0), "{}", process.logs());
}
