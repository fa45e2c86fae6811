//! Where secrets are: in files and variables, never where others can read them.

use std::collections::HashMap;

use super::{environment, err, out};
use crate::support::process::{Process, run};

/// R118: not in the arguments, not in anything that is printed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_in_arguments_or_output() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = directory.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let key = format!("k1:{}", "U0VDX01BUktfS0VZX0tFWV9LRVlfS0VZX0tFWV9LRVk=");
    let files = [
        ("whisk.client_secret", ""),
        ("whisk.client_secret_file", &*write("client-secret", "SEC_MARK_client\n")),
        ("sealing.keys_file", &*write("keys", &key)),
    ];
    let variables = [("whisk.client_secret", "SEC_MARK_client"), ("sealing.keys", &*key)];
    for given in [&files[..], &variables] {
        let environment = environment(given);
        let mut process = Process::serve(environment.clone()).await;
        let arguments = std::fs::read(format!("/proc/{}/cmdline", process.pid())).unwrap();
        hidden(&String::from_utf8_lossy(&arguments));
        process.kill();
        hidden(&process.logs());
        for arguments in [
            &["check-config"][..],
            &["--version"],
            &["--help"],
            &["serve", "--help"],
            &["check-config", "--help"],
            &["migrate"],
            &["serve", "--nonsense"],
        ] {
            let output = run(arguments, &environment).await;
            hidden(&out(&output));
            hidden(&err(&output));
        }
    }
    // No option takes one, so that nobody is tempted.
    let help = run(&["serve", "--help"], &HashMap::new()).await;
    assert!(!out(&help).contains("secret") && !out(&help).contains("password"), "{}", out(&help));
}

/// R118: the password of `store.url` is hidden wherever the URL is shown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_password_of_the_store_is_hidden() {
    for url in [
        "redis://user:SEC_MARK_password@127.0.0.1:1/0",
        "redis://:SEC_MARK_password@127.0.0.1:1/0",
        "redis+sentinel://user:SEC_MARK_password@127.0.0.1:1/main/0",
        "redis+cluster://user:SEC_MARK_password@127.0.0.1:1",
    ] {
        let environment =
            environment(&[("store.url", url), ("sealing.keys", super::KEY), ("RUST_LOG", "trace")]);
        for arguments in [&["check-config"][..], &["migrate"], &["end-sessions", "--all"]] {
            let output = run(arguments, &environment).await;
            hidden(&out(&output));
            hidden(&err(&output));
        }
        let mut process = Process::serve(environment).await;
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        process.kill();
        hidden(&process.logs());
    }
}

fn hidden(text: &str) {
    for mark in ["SEC_MARK", "U0VDX01BUktf", "AAECAwQFBgc"] {
        assert!(!text.contains(mark), "{mark} in:\n{text}");
    }
}
