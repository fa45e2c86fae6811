//! R21–R27, R38, R127, R128, W6: what is made of each answer, and of none.

use tokio::net::TcpListener;

use super::*;

async fn refresh(server: &RawServer) -> Result<Granted, Error> {
    client(&settings(&server.url())).refresh(&refresh_token()).await
}

async fn refresh_error(answer: RawAnswer) -> Error {
    let server = RawServer::start(move |_| answer.clone());
    let error = refresh(&server).await.unwrap_err();
    assert_eq!(server.requests().len(), 1, "never sent again");
    let text = format!("{error:?} {error} {:?}", std::error::Error::source(&error).map(ToString::to_string));
    assert!(!text.contains("MARK") && !text.contains("127.0.0.1"), "{text}");
    error
}

/// R25, R26, R38: the classes of refusals, which decide whether a session ends.
#[tokio::test]
async fn a_refusal_is_told_from_an_outage_and_from_nonsense() {
    use Error::{Invalid, Refused, Unavailable};
    let status = |status| Unavailable(whisk_bff::oauth::Unavailable::Status { status, retry_after: None });
    let table = [
        (
            400,
            r#"{"error":"invalid_grant","error_description":"RT_MARK_1"}"#,
            Refused(ErrorCode::InvalidGrant),
        ),
        (401, r#"{"error":"invalid_client"}"#, Refused(ErrorCode::InvalidClient)),
        (403, r#"{"error":"unauthorized_client"}"#, Refused(ErrorCode::UnauthorizedClient)),
        (400, r#"{"error":"unsupported_grant_type"}"#, Refused(ErrorCode::UnsupportedGrantType)),
        (400, r#"{"error":"invalid_scope"}"#, Refused(ErrorCode::InvalidScope)),
        (400, r#"{"error":"invalid_request"}"#, Refused(ErrorCode::InvalidRequest)),
        (400, r#"{"error":"RT_MARK_1"}"#, Refused(ErrorCode::Other)),
        (400, r#"{"code":"auth.tokenNotFound","message":"RT_MARK_1"}"#, Invalid(InvalidAnswer::Status(400))),
        (400, "invalid_grant", Invalid(InvalidAnswer::Status(400))),
        (400, "", Invalid(InvalidAnswer::Status(400))),
        (401, "", Invalid(InvalidAnswer::Status(401))),
        (404, r#"{"error":"invalid_grant"}"#, Invalid(InvalidAnswer::Status(404))),
        (201, TOKENS, Invalid(InvalidAnswer::Status(201))),
        (429, r#"{"error":"invalid_grant"}"#, status(429)),
        (500, r#"{"error":"invalid_grant"}"#, status(500)),
        (503, "", status(503)),
        (200, r#"{"error":"invalid_grant"}"#, Invalid(InvalidAnswer::TokenType)),
        (200, "", Invalid(InvalidAnswer::NotJson)),
        (200, "<html>RT_MARK_2</html>", Invalid(InvalidAnswer::NotJson)),
        (200, r#"{"access_token":"AT_MARK"}"#, Invalid(InvalidAnswer::TokenType)),
        (200, r#"{"access_token":"AT_MARK","token_type":"DPoP"}"#, Invalid(InvalidAnswer::TokenType)),
        (200, r#"{"access_token":"AT MARK","token_type":"bearer"}"#, Invalid(InvalidAnswer::AccessToken)),
    ];
    for (code, body, expected) in table {
        assert_eq!(refresh_error(RawAnswer::json(code, body)).await, expected, "{code} {body}");
        let plain = RawAnswer::with(code, &[("Content-Type", "text/plain")], body);
        assert_eq!(refresh_error(plain).await, expected, "{code} {body} as text");
    }
}

/// R26: the server's wish is handed on.
#[tokio::test]
async fn retry_after_is_handed_on() {
    let error = refresh_error(RawAnswer::with(503, &[("Retry-After", "7")], "")).await;
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
}

/// R21: a redirect would replay the secret.
#[tokio::test]
async fn no_redirect_is_followed() {
    for status in [301, 302, 303, 307, 308] {
        let elsewhere = granting();
        let location = format!("{}/oauth/v2/token", elsewhere.url());
        let error = refresh_error(RawAnswer::with(status, &[("Location", &location)], "")).await;
        assert_eq!(error, Error::Invalid(InvalidAnswer::Status(status)));
        assert_eq!(elsewhere.connections(), 0);
    }
}

/// R25: the request arrived, so nobody knows what became of the code; it is not sent again.
#[tokio::test]
async fn a_connection_lost_after_the_request_is_lost() {
    const LOST: Error = Error::Unavailable(Unavailable::Lost);
    let half = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{{\"access_token\":", TOKENS.len());
    let open = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n";
    for cut in ["", "HTTP/1.1 200 OK\r\nContent-", &half, open, "SSH-2.0-OpenSSH\r\n"] {
        assert_eq!(refresh_error(RawAnswer::CutAfter(cut.as_bytes().to_vec())).await, LOST, "{cut}");
    }
    assert_eq!(refresh_error(RawAnswer::DropAfterRead).await, LOST);

    let server = RawServer::closing();
    assert_eq!(refresh(&server).await, Err(LOST));
    assert_eq!(server.connections(), 1);
}

/// R25, R27.
#[tokio::test]
async fn a_call_ends_in_time_and_tells_that_the_server_may_have_acted() {
    let pause = Duration::from_millis(100);
    let mut slow = vec![(pause, b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n".to_vec())];
    slow.extend(std::iter::repeat_n((pause, b" ".to_vec()), 100));
    for answer in [RawAnswer::Stall, RawAnswer::Chunks(slow)] {
        let server = RawServer::start(move |_| answer.clone());
        let settings = Whisk { timeout: Duration::from_millis(600), ..settings(&server.url()) };
        let begin = Instant::now();

        let error = client(&settings).exchange(&code(), None).await.unwrap_err();

        assert_eq!(error, Error::Unavailable(Unavailable::Timeout));
        assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
        assert_eq!(server.requests().len(), 1);
    }
}

/// R25, R27: refused, and never through the handshake: the code is still good.
#[tokio::test]
async fn a_server_that_was_not_reached_has_seen_nothing() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let refused = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let silent = RawServer::start(|_| RawAnswer::Stall);
    let no_tls = RawServer::closing();
    for url in [refused, format!("https://{}", silent.addr()), format!("https://{}", no_tls.addr())] {
        let settings = Whisk { timeout: Duration::from_secs(2), ..settings(&url) };

        let error = client(&settings).exchange(&code(), None).await.unwrap_err();

        assert_eq!(error, Error::Unavailable(Unavailable::NotSent), "{url}");
    }
}

/// R21: a certificate that nobody vouches for; no byte of the request is sent.
#[tokio::test]
async fn an_untrusted_certificate_is_not_talked_to() {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut tls = rustls::ServerConnection::new(Arc::new(config)).unwrap();
        let mut bytes = Vec::new();
        let end = std::io::Read::read_to_end(&mut rustls::Stream::new(&mut tls, &mut stream), &mut bytes);
        (end.map_err(|error| error.to_string()), bytes)
    });

    let error = client(&settings(&url)).exchange(&code(), None).await.unwrap_err();

    assert_eq!(error, Error::Unavailable(Unavailable::NotSent));
    let (end, bytes) = server.join().unwrap();
    assert!(end.as_ref().is_err_and(|alert| alert.contains("UnknownCA")), "{end:?}");
    assert!(bytes.is_empty());
}

/// R27: declared or not, in the body or in the head.
#[tokio::test]
async fn an_answer_without_end_is_cut() {
    const TOO_LARGE: Error = Error::Invalid(InvalidAnswer::TooLarge);
    const GIGABYTE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n";
    let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
    let endless = |head: &str, piece: Vec<u8>| RawAnswer::Endless { head: head.into(), piece };
    let table = [
        (endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunk), TOO_LARGE),
        (endless("HTTP/1.1 400 No\r\nConnection: close\r\n\r\n", vec![b' '; 4096]), TOO_LARGE),
        (endless(GIGABYTE, vec![b' '; 4096]), TOO_LARGE),
        (
            RawAnswer::Chunks(vec![(Duration::ZERO, GIGABYTE.into()), (Duration::from_secs(20), vec![])]),
            TOO_LARGE,
        ),
        (endless("HTTP/1.1 200 OK\r\nX: ", vec![b'a'; 4096]), Error::Unavailable(Unavailable::Lost)),
    ];
    for (number, (answer, expected)) in table.into_iter().enumerate() {
        let server = RawServer::start(move |_| answer.clone());
        let begin = Instant::now();

        assert_eq!(refresh(&server).await, Err(expected), "{number}");

        assert!(begin.elapsed() < Duration::from_secs(5), "{number}");
        // What the sockets' buffers hold, and no more.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let sent = server.bytes_sent();
        assert!(sent < 16 * 1024 * 1024, "{number}: {sent}");
    }
}

/// R27: to the byte.
#[tokio::test]
async fn an_answer_of_the_longest_length_is_read() {
    for (length, good) in [(Client::MAX_ANSWER, true), (Client::MAX_ANSWER + 1, false)] {
        let body = format!("{TOKENS}{}", " ".repeat(length - TOKENS.len()));
        let chunked =
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n");
        for answer in [RawAnswer::json(200, &body), RawAnswer::Bytes(chunked.into_bytes())] {
            let server = RawServer::start(move |_| answer.clone());
            assert_eq!(refresh(&server).await.is_ok(), good, "{length}");
        }
    }
}

/// R27: the calls beyond the bound wait, and the server is spared them.
#[tokio::test]
async fn a_burst_reaches_the_server_bounded() {
    let server = RawServer::start(|_| RawAnswer::Stall);
    let client = client(&settings(&server.url()));
    let calls: Vec<_> = (0..Client::MAX_CONCURRENT + 20)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.refresh(&refresh_token()).await })
        })
        .collect();

    let deadline = Instant::now() + Duration::from_secs(5);
    while server.requests().len() < Client::MAX_CONCURRENT && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;

    assert_eq!(server.requests().len(), Client::MAX_CONCURRENT);
    for call in calls {
        call.abort();
    }
}

/// R22, R23, R128, W6: long tokens, members unknown and deep, an `id_token`; expiry by the clock.
#[tokio::test]
async fn a_good_answer_is_read_whatever_else_is_in_it() {
    let token = "t".repeat(8192);
    let deep = format!("{}{}", "[".repeat(2000), "]".repeat(2000));
    let body = format!(
        r#"{{"user":{deep},"id_token":"forged","access_token":"{token}","token_type":"BEARER",
            "expires_in":"60","scope":"a:b,c.d e"}}"#
    );
    let server = RawServer::start(move |_| RawAnswer::with(200, &[("Content-Type", "text/html")], &body));
    let clock = ManualClock::new();
    clock.advance(Duration::from_secs(1_000_000));
    let client = Client::new(&settings(&server.url()), CALLBACK.to_owned(), clock.clone()).unwrap();
    let before = clock.now();

    let granted = client.exchange(&code(), None).await.unwrap();

    assert_eq!(granted.tokens.access.expose(), token);
    assert_eq!(granted.scopes.unwrap().names(), ["a:b", "c.d", "e"]);
    let life = granted.tokens.expires_at.unwrap().since(before);
    assert!(life >= Duration::from_secs(60) && life < Duration::from_secs(70), "{life:?}");
}

/// R26, R112, W6: an operator is told which setting to look at; no mark in a log or a debug text.
#[tokio::test]
async fn an_operator_is_told_and_no_secret_is() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);

    let server = RawServer::start(|request| match request.form() {
        form if form.iter().any(|(name, _)| name == "code") => {
            RawAnswer::json(401, r#"{"error":"invalid_client","error_description":"SEC_MARK"}"#)
        }
        _ => RawAnswer::json(200, r#"{"access_token":"AT_MARK","token_type":"bearer","expires_in":0}"#),
    });
    let client = client(&settings(&server.url()));
    client.exchange(&code(), Some(&CodeVerifier::new())).await.unwrap_err();
    let granted = client.refresh(&refresh_token()).await.unwrap();
    // Neither of these is an operator's to mend.
    let refusing = RawServer::start(|_| RawAnswer::json(400, r#"{"error":"invalid_grant"}"#));
    refresh(&refusing).await.unwrap_err();
    let lost = RawServer::closing();
    refresh(&lost).await.unwrap_err();
    drop(guard);

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let warnings: Vec<_> = log.lines().filter(|line| line.contains("WARN")).collect();
    assert_eq!(warnings.len(), 2, "{log}");
    assert!(warnings[0].contains("invalid_client") && warnings[0].contains("whisk.client_secret"), "{log}");
    assert!(warnings[1].contains("expires_in_not_positive"), "{log}");
    assert!(!log.contains("MARK"), "{log}");
    let debug = format!("{client:?} {granted:?}");
    assert!(!debug.contains("MARK"), "{debug}");
}
