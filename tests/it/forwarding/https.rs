//! An API behind `https`: whom a token is shown to is decided by its certificate.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::support::process::Process;
use crate::support::redis::tls::TlsFiles;
use crate::support::{Answer, Browser, World};

/// What an API saw of its connections: the bytes below the encryption, and how each ended.
type Seen = Vec<(Vec<u8>, Option<String>)>;

/// R21: a certificate of an authority that bears a trusted one's name, but not its key; no byte of a
/// call, so none of its token, is sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_without_a_trusted_certificate_gets_no_token() {
    let (answer, seen) = call("a stranger's").await;
    answer.assert_problem(502, "upstream_unreachable");
    assert!(!seen.is_empty());
    for (bytes, end) in seen {
        assert_eq!(String::from_utf8_lossy(&bytes), "");
        assert!(end.as_ref().is_some_and(|alert| alert.contains("DecryptError")), "{end:?}");
    }
}

/// R21: the same server, vouched for by an authority of the machine's trust store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_with_a_trusted_certificate_is_called_with_the_token() {
    let (answer, seen) = call("its own").await;
    assert_eq!((answer.status.as_u16(), answer.text()), (200, "{}".to_owned()), "{answer:?}");
    assert_eq!(seen.len(), 1);
    let request = String::from_utf8(seen[0].0.clone()).unwrap();
    assert!(request.starts_with("GET /v2/me HTTP/1.1\r\n"), "{request}");
    assert!(request.to_lowercase().contains("\r\nauthorization: bearer "), "{request}");
}

/// R21, R85: a connection under TLS is kept, too. A call that has none begins one, but takes one that
/// is given back sooner; and what is idle for its time is closed in good order, not cut.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_under_tls_is_used_again_and_then_closed_in_good_order() {
    let world = World::spawn().await;
    let authority = tempfile::tempdir().unwrap();
    TlsFiles::write(authority.path());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = config(authority.path());
    let ((asked, slow), (finish, word)) = (mpsc::channel(), mpsc::channel::<()>());
    let api = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut tls = rustls::ServerConnection::new(config).unwrap();
        let mut reader = BufReader::new(rustls::Stream::new(&mut tls, &mut stream));
        let (mut calls, mut silent) = (0, None);
        loop {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                match reader.read_line(&mut head) {
                    // The end was announced.
                    Ok(0) => return Ok((calls, silent.is_some())),
                    Ok(_) => {}
                    Err(error) => return Err(error.to_string()),
                }
            }
            calls += 1;
            if head.starts_with("GET /v2/slow") {
                asked.send(()).unwrap();
                // The next connection gets no further than TCP.
                silent = Some(listener.accept().unwrap());
                word.recv().unwrap();
            }
            reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").unwrap();
        }
    });
    let settings = [("SERVER__WORKERS", "1"), ("FORWARD__POOL_IDLE_TIMEOUT", "1s")];
    let (_process, browser) = stage(&world, &authority.path().join("ca.pem"), port, &settings).await;
    assert_eq!(browser.get("/v2/me").await.status, 200);

    let calls = async {
        let first = browser.get("/v2/slow");
        let second = async {
            tokio::task::spawn_blocking(move || slow.recv().unwrap()).await.unwrap();
            browser.get("/v2/me").await
        };
        let release = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            finish.send(()).unwrap();
        };
        tokio::join!(first, second, release)
    };
    let (first, second, ()) = calls.await;
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (200, 200));
    let seen = tokio::task::spawn_blocking(move || api.join().unwrap()).await.unwrap();
    assert_eq!(seen, Ok((3, true)));
}

/// Calls an API through a process that trusts one of two authorities: the one that signed the
/// API's certificate, or another.
async fn call(trusted: &str) -> (Answer, Seen) {
    let world = World::spawn().await;
    let authorities = tempfile::tempdir().unwrap();
    for name in ["its own", "a stranger's"] {
        fs::create_dir(authorities.path().join(name)).unwrap();
        TlsFiles::write(&authorities.path().join(name));
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let api = api(listener, &authorities.path().join("its own"));

    let trusted = authorities.path().join(trusted).join("ca.pem");
    let (process, browser) = stage(&world, &trusted, address.port(), &[]).await;
    let answer = browser.get("/v2/me").await;
    drop(process);
    // Says that nobody comes any more.
    drop(std::net::TcpStream::connect(address).unwrap());
    (answer, api.join().unwrap())
}

/// A process that trusts this authority and calls the API at this port, and a browser that has
/// logged in there.
async fn stage(world: &World, trusted: &Path, port: u16, settings: &[(&str, &str)]) -> (Process, Browser) {
    let mut environment = world.environment();
    environment.insert("SSL_CERT_FILE".to_owned(), trusted.to_str().unwrap().to_owned());
    let url = format!("https://localhost:{port}");
    for (key, value) in settings.iter().chain(&[("WHISK__API_URL", url.as_str())]) {
        environment.insert(format!("WHISK_BFF__{key}"), (*value).to_owned());
    }
    let process = Process::serve(environment).await;
    let (evidence, sandbox) = (Arc::clone(&world.evidence), Arc::clone(&world.sandbox));
    let browser = Browser::new(vec![process.address()], evidence, sandbox);
    browser.log_in().await;
    // It lives in the process's own memory, which the world does not ask.
    browser.expect_ended();
    (process, browser)
}

/// Serves connections one by one until one comes without a byte.
fn api(listener: TcpListener, directory: &Path) -> JoinHandle<Seen> {
    let config = config(directory);
    thread::spawn(move || {
        let mut seen = Seen::new();
        loop {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            if stream.peek(&mut [0]).unwrap() == 0 {
                return seen;
            }
            let mut tls = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut tls = rustls::Stream::new(&mut tls, &mut stream);
            let mut bytes = Vec::new();
            let mut piece = [0; 4096];
            let end = loop {
                match tls.read(&mut piece) {
                    Ok(0) => break None,
                    Ok(length) => bytes.extend_from_slice(&piece[..length]),
                    Err(error) => break Some(error.to_string()),
                }
                if bytes.ends_with(b"\r\n\r\n") {
                    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
                    tls.write_all(answer).unwrap();
                    break None;
                }
            };
            seen.push((bytes, end));
        }
    })
}

fn config(directory: &Path) -> Arc<rustls::ServerConfig> {
    let certificate = CertificateDer::from_pem_file(directory.join("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(directory.join("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    Arc::new(config)
}
