//! R1, R3, R6, R19, R20, R34, R40, W7, W8, W11, W14: what is sent.

use super::*;

/// R1, R3, R6, R19, W8, W14.
#[tokio::test]
async fn a_code_is_exchanged_by_one_post_with_everything_in_the_body() {
    let server = granting();
    let verifier = CodeVerifier::new();

    client(&settings(&server.url())).exchange(&code(), Some(&verifier)).await.unwrap();

    let request = only_request(&server);
    assert_eq!(request.request_line(), "POST /oauth/v2/token HTTP/1.1");
    assert_eq!(
        request.form(),
        pairs(&[
            ("grant_type", "authorization_code"),
            ("code", "CODE_MARK/+=&"),
            ("redirect_uri", CALLBACK),
            ("code_verifier", verifier.expose()),
            ("client_id", "app:1"),
            ("client_secret", "SEC_MARK"),
        ])
    );
    assert_eq!(request.header("content-type").unwrap(), "application/x-www-form-urlencoded");
    assert_eq!(request.header("content-length").unwrap(), request.body.len().to_string());
    assert_eq!(request.header("accept").unwrap(), "application/json");
    for name in ["authorization", "cookie", "referer", "origin", "transfer-encoding"] {
        assert_eq!(request.header(name), None, "{name}");
    }
}

/// W11: without a verifier there is no parameter for it.
#[tokio::test]
async fn without_pkce_no_verifier_is_sent() {
    let server = granting();
    client(&settings(&server.url())).exchange(&code(), None).await.unwrap();
    assert!(only_request(&server).form().iter().all(|(name, _)| name != "code_verifier"));
}

/// R19, R40: no `scope`, so that none is widened; no `redirect_uri`.
#[tokio::test]
async fn a_refresh_authenticates_the_client_and_names_no_scope() {
    let server = granting();

    let granted = client(&settings(&server.url())).refresh(&refresh_token()).await.unwrap();

    let request = only_request(&server);
    assert_eq!(request.request_line(), "POST /oauth/v2/token HTTP/1.1");
    assert_eq!(
        request.form(),
        pairs(&[
            ("grant_type", "refresh_token"),
            ("refresh_token", "RT_MARK_1"),
            ("client_id", "app:1"),
            ("client_secret", "SEC_MARK"),
        ])
    );
    assert_eq!(granted.tokens.refresh.unwrap().expose(), "RT_MARK_2");
}

/// R34: whose refresh token it was, the caller knows.
#[tokio::test]
async fn an_answer_without_a_refresh_token_or_scope_says_so() {
    let server =
        RawServer::start(|_| RawAnswer::json(200, r#"{"access_token":"a.b.c","token_type":"bearer"}"#));

    let granted = client(&settings(&server.url())).refresh(&refresh_token()).await.unwrap();

    assert_eq!((granted.tokens.refresh, granted.scopes, granted.tokens.expires_at), (None, None, None));
    assert_eq!(granted.tokens.access.expose(), "a.b.c");
}

/// R20.
#[tokio::test]
async fn any_secret_arrives_as_it_is_in_the_body() {
    let server = granting();
    let secret = "a+b&c=d é%";
    let settings = Whisk { client_secret: Secret::new(secret.to_owned()), ..settings(&server.url()) };

    client(&settings).refresh(&refresh_token()).await.unwrap();

    let request = only_request(&server);
    assert!(request.body.ends_with(b"&client_secret=a%2Bb%26c%3Dd+%C3%A9%25"), "{request:?}");
    assert!(request.form().contains(&("client_secret".to_owned(), secret.to_owned())));
}

/// R19, R20, W8: form-encoded, then base64; and then nowhere in the body.
#[tokio::test]
async fn basic_authentication_is_the_only_one_where_it_is_chosen() {
    let server = granting();
    let settings = Whisk {
        client_secret: Secret::new("a+b&c=d é%:".to_owned()),
        client_auth: ClientAuth::Basic,
        ..settings(&server.url())
    };

    client(&settings).exchange(&code(), None).await.unwrap();

    let request = only_request(&server);
    let header = request.header("authorization").unwrap();
    let text = STANDARD.decode(header.strip_prefix("Basic ").unwrap()).unwrap();
    assert_eq!(String::from_utf8(text).unwrap(), "app%3A1:a%2Bb%26c%3Dd+%C3%A9%25%3A");
    let names: Vec<_> = request.form().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["grant_type", "code", "redirect_uri"]);
}

/// W7: each grant, in the one encoding that is configured.
#[tokio::test]
async fn multipart_carries_the_same_parameters() {
    let server = granting();
    let settings = Whisk {
        client_secret: Secret::new("a+b&c=d é%".to_owned()),
        token_encoding: TokenEncoding::Multipart,
        ..settings(&server.url())
    };
    let client = client(&settings);

    client.exchange(&code(), None).await.unwrap();
    client.refresh(&refresh_token()).await.unwrap();

    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    let credentials = [("client_id", "app:1"), ("client_secret", "a+b&c=d é%")];
    let exchange =
        [("grant_type", "authorization_code"), ("code", "CODE_MARK/+=&"), ("redirect_uri", CALLBACK)];
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", "RT_MARK_1")];
    assert_eq!(multipart(&requests[0]), pairs(&[&exchange[..], &credentials].concat()));
    assert_eq!(multipart(&requests[1]), pairs(&[&refresh[..], &credentials].concat()));
}

/// Reads `multipart/form-data` by its framing (RFC 2046 section 5.1.1), byte by byte.
fn multipart(request: &RawRequest) -> Vec<(String, String)> {
    let content_type = request.header("content-type").unwrap();
    let boundary = content_type.strip_prefix("multipart/form-data; boundary=").unwrap();
    let body = format!("\r\n{}", String::from_utf8(request.body.clone()).unwrap());
    let delimiter = format!("\r\n--{boundary}");
    let mut parts = body.split(&delimiter);
    assert_eq!(parts.next(), Some(""));
    let mut parts: Vec<_> = parts.collect();
    assert_eq!(parts.pop(), Some("--\r\n"));
    let read = |part: &str| {
        let part = part.strip_prefix("\r\nContent-Disposition: form-data; name=\"").unwrap();
        let (name, value) = part.split_once("\"\r\n\r\n").unwrap();
        (name.to_owned(), value.to_owned())
    };
    parts.into_iter().map(read).collect()
}

/// R27: no cookie jar, and no connection that an earlier call has left behind.
#[tokio::test]
async fn each_call_has_a_connection_of_its_own_and_brings_no_cookie() {
    let server = RawServer::start(|_| RawAnswer::with(200, &[("Set-Cookie", "a=b; Path=/")], TOKENS));
    let client = client(&settings(&server.url()));

    for _ in 0..3 {
        client.refresh(&refresh_token()).await.unwrap();
    }

    assert_eq!((server.requests().len(), server.connections()), (3, 3));
    assert!(server.requests().iter().all(|request| request.headers("cookie").is_empty()));
}

/// R27: the process's environment names a proxy, and a call goes straight to its server.
#[test]
fn the_environments_proxy_is_not_used() {
    let proxy = RawServer::closing();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child
        .args(["--exact", "token_endpoint::requests::a_refresh_authenticates_the_client_and_names_no_scope"]);
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        child.env(name, proxy.url());
    }
    let output = child.env_remove("no_proxy").env_remove("NO_PROXY").output().unwrap();

    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    assert_eq!(proxy.connections(), 0);
}

/// R6: only an absolute URI without a fragment is a redirection URI.
#[test]
fn a_redirection_uri_is_absolute_and_has_no_fragment() {
    for wrong in ["", "/auth/callback", "https://app.test/#x", "https://app.test/#", "data:,x"] {
        let client = Client::new(&settings("https://login.test"), wrong.to_owned(), ManualClock::new());
        assert!(matches!(client, Err(BuildError::RedirectUri)), "{wrong}");
    }
    let client = client(&settings("https://login.test"));
    assert_eq!(client.redirect_uri(), CALLBACK);
    assert!(client.uses_pkce());
    assert_eq!(client.requested_scopes().names(), ["offline_access"]);
}
