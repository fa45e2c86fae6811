//! Settings that are refused: exit code 64, before a port is bound, the key named, its value never
//! printed.

use std::net::TcpListener;
use std::path::Path;

use super::{KEY, SECRET, environment, err, out};
use crate::support::process::{Process, run};

/// R116: each form of a hostile setting in the environment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_faulty_variable_is_refused_by_its_key() {
    let zeros = format!("VALUEMARK:{}=", "A".repeat(43));
    let short = "VALUEMARK:c2hvcnQ=";
    let twins = format!("{KEY},{KEY}");
    for (key, value) in [
        ("server.public_url", ""),
        ("server.public_url", "VALUE_MARK"),
        ("server.public_url", "https://app.test/VALUE_MARK"),
        ("server.public_url", "https://VALUE_MARK@app.test"),
        ("server.public_url", "https://app.test?VALUE_MARK"),
        ("server.public_url", "ftp://value-mark.test"),
        ("server.listen", "localhost:8080"),
        ("server.listen", "127.0.0.1:65536"),
        ("server.listen", "10.98.76.54"),
        ("server.workers", "-1"),
        ("server.workers", "many"),
        ("server.workers", "1025"),
        ("server.trusted_proxies", "10.0.0.0/33"),
        ("server.trusted_proxies", "VALUE_MARK"),
        ("server.trusted_proxies", "10.0.0.0/8,,"),
        ("server.allow_insecure", "yes"),
        ("server.drain_delay", "5"),
        ("server.drain_delay", "-5s"),
        ("server.shutdown_grace", "99999d"),
        ("whisk.client_id", ""),
        ("whisk.client_secret", ""),
        ("whisk.client_secret", "VALUE_MARK\nof two lines"),
        ("whisk.client_auth", "VALUE_MARK"),
        ("whisk.token_encoding", "json"),
        ("whisk.pkce", "plain"),
        ("whisk.token_path", "//evil.test/token"),
        ("whisk.token_path", "token?VALUE_MARK"),
        ("whisk.scopes", "two words"),
        ("session.idle_timeout", "0s"),
        ("session.idle_timeout", "366d"),
        ("session.absolute_timeout", "400d"),
        ("session.same_site", "none"),
        ("sealing.keys", "VALUE_MARK"),
        ("sealing.keys", short),
        ("sealing.keys", zeros.as_str()),
        ("sealing.keys", twins.as_str()),
        ("store.url", "http://VALUE_MARK"),
        ("store.url", "redis://"),
        ("store.url", "redis://user:VALUE_MARK@host:99999/0"),
        ("store.url", "redis://user:VALUE_MARK@host/db"),
        ("store.key_prefix", "a*VALUE_MARK"),
        ("store.timeout", "0s"),
        ("forward.routes", "/v2"),
        ("forward.routes", "/auth/"),
        ("forward.routes", "/../v2/"),
        ("forward.max_body", "0"),
        ("forward.max_body", "1.5MiB"),
        ("forward.replay_limit", "17MiB"),
        ("csrf.require_header", "1"),
        ("server.no_such_key", "VALUE_MARK"),
        ("nosuchsection.key", "VALUE_MARK"),
    ] {
        // A missing one is told without a layer.
        let changed = environment(&[(key, value)]);
        refused(&["serve"], changed, key, &[value]).await;
    }
    for variable in ["WHISK_BFF__SERVER", "WHISK_BFF__server__listen", "WHISK_BFF__SERVER__LISTEN__"] {
        refused(&["serve"], environment(&[(variable, "VALUE_MARK")]), "", &["VALUE_MARK"]).await;
    }
}

/// R116: a setting file of each hostile kind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_hostile_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let huge = format!("# {}\n", "VALUE_MARK ".repeat(200_000)).into_bytes();
    let kinds: Vec<(&str, Vec<u8>, &str)> = vec![
        ("unknown key", b"[server]\nVALUE_KEY = 1\nlistenn = \"VALUE_MARK\"\n".to_vec(), "server.listenn"),
        ("unknown section", b"[sever]\nlisten = \"VALUE_MARK\"\n".to_vec(), "sever"),
        ("key without a section", b"listen = \"VALUE_MARK\"\n".to_vec(), "listen"),
        ("repeated key", b"[server]\nworkers = 1\nworkers = 2\n".to_vec(), "server.workers"),
        ("repeated section", b"[server]\nworkers = 1\n[server]\n".to_vec(), "server"),
        ("text for a number", b"[server]\nworkers = \"VALUE_MARK\"\n".to_vec(), "server.workers"),
        ("number for a text", b"[server]\nlisten = 8080\n".to_vec(), "server.listen"),
        ("list for a text", b"[server]\nlisten = [\"VALUE_MARK\"]\n".to_vec(), "server.listen"),
        ("text for a list", b"[forward]\nroutes = \"/VALUE_MARK/\"\n".to_vec(), "forward.routes"),
        ("mixed list", b"[forward]\nroutes = [\"/v2/\", 1]\n".to_vec(), "forward.routes"),
        ("table for a value", b"[server.listen]\nx = \"VALUE_MARK\"\n".to_vec(), "server.listen"),
        ("float", b"[server]\nworkers = 1.5\n".to_vec(), "server.workers"),
        ("date", b"[server]\nworkers = 2026-01-01\n".to_vec(), "server.workers"),
        ("no TOML", b"[whisk]\nclient_secret = \"VALUE_MARK\n".to_vec(), ""),
        ("secret without quotes", b"[whisk]\nclient_secret = VALUE_MARK\n".to_vec(), ""),
        ("JSON", b"{\"whisk\": {\"client_secret\": \"VALUE_MARK\"}}".to_vec(), ""),
        ("no UTF-8", b"[server]\nlisten = \"\xff\xfeVALUE_MARK\"\n".to_vec(), ""),
        ("zero bytes", b"[server]\0\nlisten = \"VALUE_MARK\"\n".to_vec(), ""),
        ("too large", huge, ""),
        (
            "secret and file",
            b"[whisk]\nclient_secret = \"VALUE_MARK\"\nclient_secret_file = \"x\"\n".to_vec(),
            "whisk.client_secret",
        ),
    ];
    for (kind, text, key) in kinds {
        let file = directory.path().join("settings.toml");
        std::fs::write(&file, text).unwrap();
        // What the file says shall not be covered up by the environment.
        let mut environment = environment(&[]);
        if key == "server.listen" {
            environment.remove("WHISK_BFF__SERVER__LISTEN");
        }
        let told = refused(&["serve", "--config", path(&file)], environment, key, &[]).await;
        assert!(told.contains("settings.toml"), "{kind}: the file is named: {told}");
    }
    for unreadable in [directory.path().join("absent.toml"), directory.path().to_owned()] {
        let told = refused(&["serve", "--config", path(&unreadable)], environment(&[]), "", &[]).await;
        assert!(told.contains(path(&unreadable)) && told.contains("cannot be read"), "{told}");
    }
}

/// R116, R118: a secret's file that is absent, empty, too large or no text.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_hostile_secret_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let file = directory.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        path(&file).to_owned()
    };
    let absent = path(&directory.path().join("absent")).to_owned();
    let (empty, binary) = (write("empty", b""), write("binary", b"VALUE_MARK\xff\xfe"));
    let (lines, keys) = (write("lines", b"VALUE_MARK\nVALUE_MARK"), write("keys", b"VALUE_MARK\n"));
    let (huge, folder) = (write("huge", &vec![b'V'; 2 << 20]), path(directory.path()).to_owned());
    for (key, file) in [
        ("whisk.client_secret_file", &absent),
        ("whisk.client_secret_file", &empty),
        ("whisk.client_secret_file", &binary),
        ("whisk.client_secret_file", &lines),
        ("whisk.client_secret_file", &huge),
        ("whisk.client_secret_file", &folder),
        ("sealing.keys_file", &absent),
        ("sealing.keys_file", &empty),
        ("sealing.keys_file", &keys),
        ("store.url_file", &absent),
        ("store.url_file", &lines),
    ] {
        let given = key.trim_end_matches("_file");
        let changed = environment(&[(given, ""), (key, file)]);
        refused(&["serve"], changed, key, &[]).await;
    }
    let both = environment(&[("whisk.client_secret_file", &write("good", b"VALUE_MARK"))]);
    refused(&["serve"], both, "whisk.client_secret", &[]).await;
}

/// R117, contract §3: `http://` beyond this machine for any of the three is refused, unless
/// `server.allow_insecure` says so, and then each start warns.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_beyond_this_machine_needs_a_loud_permission() {
    let urls = ["server.public_url", "whisk.login_url", "whisk.api_url"];
    for key in urls {
        for url in [
            "http://value-mark.test",
            "HTTP://value-mark.test",
            "http://192.0.2.1",
            "http://localhost.value-mark.test",
        ] {
            refused(&["serve"], environment(&[(key, url)]), key, &["value-mark", "192.0.2.1"]).await;
        }
        for loopback in ["http://localhost:1234", "http://127.0.0.1:1234", "http://[::1]:1234"] {
            let output = run(&["check-config"], &environment(&[(key, loopback)])).await;
            assert_eq!(output.status.code(), Some(0), "{key} {loopback}: {output:?}");
            assert!(!out(&output).contains("# warning"), "{}", out(&output));
        }
        let permitted = environment(&[(key, "http://value.test"), ("server.allow_insecure", "true")]);
        let output = run(&["check-config"], &permitted).await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(out(&output).contains(&format!("# warning: {key} is http")), "{}", out(&output));
        let mut process = Process::serve(permitted).await;
        process.record("listening");
        let warned = process.records().into_iter().any(|record| {
            record["level"] == "WARN" && record["message"].as_str().is_some_and(|text| text.starts_with(key))
        });
        assert!(warned, "{}", process.logs());
    }
}

/// Runs a command that must refuse its settings: exit code 64 although the port is taken that it
/// would bind, `key` in front of a line, neither marks nor `hidden` nor the client secret printed.
async fn refused(
    arguments: &[&str],
    mut environment: std::collections::HashMap<String, String>,
    key: &str,
    hidden: &[&str],
) -> String {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    if key != "server.listen" {
        let address = taken.local_addr().unwrap().to_string();
        environment.insert("WHISK_BFF__SERVER__LISTEN".to_owned(), address);
    }
    let output = run(arguments, &environment).await;
    let told = err(&output);
    assert_eq!(output.status.code(), Some(64), "{key}: {output:?}");
    assert_eq!(out(&output), "", "{key}");
    assert!(told.lines().any(|line| line.starts_with(key)) && !told.trim().is_empty(), "{key}\n{told}");
    for mark in ["VALUE_MARK", "VALUEMARK", SECRET].iter().chain(hidden.iter().filter(|text| text.len() > 6))
    {
        assert!(!told.contains(mark), "{mark} is printed:\n{told}");
    }
    assert!(!told.contains("panicked"), "{told}");
    told
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
