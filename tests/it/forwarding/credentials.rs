//! Which credentials cross: the session's token, and no other.

use super::Stage;
use crate::support::world::HOST;

/// Everything the API was sent, in lower case.
fn sent(stage: &Stage) -> String {
    stage.api.requests().iter().map(|request| format!("{request:?}")).collect::<String>().to_ascii_lowercase()
}

/// R73: neither the session's cookie nor any other, in any spelling.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_byte_of_a_cookie_reaches_the_api() {
    let stage = Stage::plain(&[]).await;
    for (method, headers) in [
        ("GET", ""),
        ("POST", "Content-Length: 2\r\n"),
        (
            "GET",
            "Cookie: other=SEC_COOKIE\r\ncookie: third=SEC_COOKIE\r\nCOOKIE: a=SEC_COOKIE; b=SEC_COOKIE\r\n",
        ),
        ("GET", "Cookie2: $Version=SEC_COOKIE\r\nConnection: keep-alive, cookie\r\n"),
        ("GET", "Connection: cookie, x-csrf\r\n"),
        ("GET", "Cookie: \r\n"),
    ] {
        let mut wire = stage.wire();
        wire.send(stage.head(&format!("{method} /v2/me"), headers));
        if method == "POST" {
            wire.send("{}");
        }
        assert_eq!(wire.answer().status, 200, "{method} {headers}");
    }
    assert_eq!(stage.api.requests().len(), 6);
    let sent = sent(&stage);
    assert!(!sent.contains("cookie") && !sent.contains("__host"), "{sent}");
    let value = stage.browser.session_cookie().unwrap().to_ascii_lowercase();
    assert!(!sent.contains(&value), "{sent}");
}

/// R74, W19: whatever else claims to authenticate the caller stays here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_session_s_token_is_the_only_credential_that_the_api_sees() {
    let stage = Stage::plain(&[]).await;
    let forms = [
        "Authorization: Bearer OTHER",
        "authorization: Basic OTHER",
        "AUTHORIZATION: Token OTHER",
        "Authorization: ",
        "Authorization: Bearer OTHER\r\nAuthorization: Token OTHER",
        "Proxy-Authorization: Basic OTHER",
        "X-Authorization: Bearer OTHER",
        "X-Access-Token: OTHER",
        "X-Refresh-Token: OTHER",
        "X-Id-Token: OTHER",
        "X-Auth-Token: OTHER",
        "X-Api-Key: OTHER",
        "X-Whisk-Token: OTHER",
        "X-Whisk-Client-Id: OTHER",
        "x_whisk_token: OTHER",
        "X-Auth-Request-User: OTHER",
        "Remote-User: OTHER",
        "X_Remote_User: OTHER",
        "Client-Cert: OTHER",
    ];
    for (n, form) in forms.into_iter().enumerate() {
        for connection in ["", "Connection: authorization\r\n"] {
            let answer = stage.ask("GET /v2/me", &format!("{form}\r\n{connection}"));
            assert_eq!(answer.status, 200, "{form}: {answer:?}");
        }
        let request = stage.last(2 * n + 2);
        let authorization = request.headers("authorization");
        assert_eq!(authorization.len(), 1, "{form}: {request:?}");
        let token = authorization[0].strip_prefix("Bearer ").expect(form);
        assert!(stage.world.sandbox.issued_secrets().iter().any(|issued| issued == token), "{form}");
        assert!(!format!("{request:?}").contains("OTHER"), "{form}: {request:?}");
    }
}

/// W19: another credential is no session.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_of_the_caller_s_own_is_no_session() {
    let stage = Stage::plain(&[]).await;
    let token = stage.world.sandbox.issued_secrets();
    for form in [
        "Authorization: Token SERVER".to_owned(),
        "Authorization: Bearer SERVER".to_owned(),
        "X-Whisk-Token: SERVER".to_owned(),
        "Cookie: __Host-Http-whisk=SERVER".to_owned(),
        "Cookie: whisk=SERVER; session=SERVER".to_owned(),
    ]
    .into_iter()
    .chain(token.iter().map(|token| format!("Authorization: Bearer {token}")))
    {
        let mut wire = stage.wire();
        let head =
            format!("GET /v2/me HTTP/1.1\r\nHost: {HOST}\r\nSec-Fetch-Site: same-origin\r\n{form}\r\n\r\n");
        wire.send(head);
        wire.answer().assert_problem(401, "login_required");
    }
    assert!(stage.api.requests().is_empty());
}

/// R75: what we add cannot be nominated away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_cannot_nominate_away_what_the_broker_adds() {
    let stage = Stage::plain(&[]).await;
    for nominated in [
        "close, authorization, x-forwarded-for, via, host, forwarded, x-mine",
        "authorization\r\nConnection: X-Forwarded-For , VIA\r\nconnection: close, X-Mine",
        "keep-alive,,authorization,via,x_forwarded_for,x-forwarded-for,x-mine,content-length",
    ] {
        let answer = stage
            .ask("GET /v2/me", &format!("X-Mine: MINE\r\nVia: 1.1 before\r\nConnection: {nominated}\r\n"));
        assert_eq!(answer.status, 200, "{nominated}");
        let request = stage.api.requests().pop().unwrap();
        for name in ["authorization", "x-forwarded-for", "via", "host", "forwarded"] {
            assert!(request.header(name).is_some_and(|value| !value.is_empty()), "{name}: {request:?}");
        }
        assert_eq!(request.header("via").as_deref(), Some("1.1 whisk-bff"), "the earlier one was nominated");
        assert!(!format!("{request:?}").contains("MINE"), "{request:?}");
    }
}

/// R76: what is about one connection is not copied to the next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hop_by_hop_fields_end_here() {
    let stage = Stage::plain(&[]).await;
    for (n, form) in [
        "Connection: HOPMARK",
        "Proxy-Connection: HOPMARK",
        "Keep-Alive: timeout=HOPMARK",
        "TE: trailers, HOPMARK",
        "Upgrade: HOPMARK",
        "Connection: upgrade\r\nUpgrade: HOPMARK",
        "Trailer: HOPMARK",
        "Proxy-Authenticate: Basic realm=HOPMARK",
        "Proxy-Authorization: HOPMARK",
        "Proxy-Authentication-Info: HOPMARK",
        "proxy_connection: HOPMARK",
        "HTTP2-Settings: HOPMARK",
        "Connection: X-Hop\r\nX-Hop: HOPMARK",
    ]
    .into_iter()
    .enumerate()
    {
        let answer = stage.ask("GET /v2/me", &format!("{form}\r\n"));
        assert_eq!(answer.status, 200, "{form}: {answer:?}");
        let request = format!("{:?}", stage.last(n + 1));
        assert!(!request.contains("HOPMARK"), "{form}: {request}");
    }
    let head = stage.head("POST /v2/me", "Transfer-Encoding: chunked\r\nTrailer: X-Hop\r\nTE: trailers\r\n");
    let mut wire = stage.wire();
    wire.send(format!("{head}2;ext=HOPMARK\r\n{{}}\r\n0\r\nX-Hop: HOPMARK\r\n\r\n"));
    let answer = wire.answer();
    let request = stage.last(if answer.status == 200 { 14 } else { 13 });
    assert!(!format!("{request:?}").contains("HOPMARK"), "{request:?}");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(request.body, b"{}");
}
