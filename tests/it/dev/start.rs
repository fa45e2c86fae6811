//! Starting and stopping.

use std::net::TcpListener;
use std::time::Duration;

use super::program::{Dev, refused};

/// The first lines are the two addresses, the next ones say what to do; the page has a policy
/// under which nothing foreign runs, and neither is taken from a cache unasked.
#[tokio::test]
async fn the_first_lines_say_where_it_is_and_what_to_do() {
    let dev = Dev::start(&[]).await;
    assert!(dev.page.starts_with("http://localhost:"), "{}", dev.page);
    assert!(dev.sandbox.starts_with("http://127.0.0.1:"), "{}", dev.sandbox);
    let told = dev.output();
    let told = told.split('{').next().unwrap();
    for word in [dev.page.as_str(), "Log in", "Allow", "Ctrl-C", "1m"] {
        assert!(told.contains(word), "{word} is not in {told}");
    }

    for (path, kind) in [
        ("/", "text/html"),
        ("/app.js", "text/javascript"),
        ("/calls.js", "text/javascript"),
        ("/style.css", "text/css"),
    ] {
        let answer = reqwest::get(format!("{}{path}", dev.page)).await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        let header = |name: &str| answer.headers().get(name).unwrap().to_str().unwrap().to_owned();
        assert!(header("content-type").starts_with(kind), "{path}");
        assert_eq!(header("cache-control"), "no-cache", "{path}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert!(!answer.text().await.unwrap().contains("style=\""), "{path}");
    }
    let client = reqwest::Client::new();
    let answer = client.post(&dev.page).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["allow"].to_str().unwrap()), (405, "GET, HEAD"));
    assert_eq!(client.head(&dev.page).send().await.unwrap().status(), 200);
    assert_eq!(reqwest::get(format!("{}/index.html", dev.page)).await.unwrap().status(), 404);
}

/// A port that is taken is named, with the option that changes it, and nothing else is said.
#[test]
fn a_busy_port_is_named_with_its_option() {
    let data = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (arguments, option) in [
        (["--port", &port, "--sandbox-port", "0"], "--port"),
        (["--port", "0", "--sandbox-port", &port], "--sandbox-port"),
    ] {
        let (code, said) = refused(&arguments, data.path());
        assert_eq!(code, 1, "{said}");
        assert!(said.contains(&format!("port {port} is in use")), "{said}");
        assert!(said.contains(&format!("another one with {option} ")), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

/// One port cannot be both.
#[test]
fn the_same_port_twice_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let (code, said) = refused(&["--port", &port, "--sandbox-port", &port], data.path());
    assert_eq!(code, 1);
    assert!(said.contains("--sandbox-port"), "{said}");
}

/// A lifetime that the authorization server cannot tell is bad usage: exit 64.
#[test]
fn a_token_lifetime_has_bounds() {
    let data = tempfile::tempdir().unwrap();
    for lifetime in ["0s", "1500ms", "soon", "366d"] {
        let (code, said) = refused(&["--token-lifetime", lifetime], data.path());
        assert_eq!(code, 64, "{lifetime}: {said}");
        assert!(said.contains("--token-lifetime"), "{said}");
    }
}

/// Ctrl-C and SIGTERM end it in good order and at once.
#[tokio::test]
async fn either_signal_ends_it_at_once_with_success() {
    for signal in ["-INT", "-TERM"] {
        let mut dev = Dev::start(&[]).await;
        let (status, took) = dev.end(signal);
        assert!(status.success(), "{signal}: {status}");
        assert!(took < Duration::from_secs(3), "{signal}: {took:?}");
    }
}
