//! `Cookie` lines, a line of the input each (R50, R55 to R57).
//!
//! `{G}` stands for the value of a cookie that this server signed, so that the search need not
//! break the signature to come near one.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use actix_web::cookie::{Cookie, CookieJar, SameSite};
use actix_web::http::header::{COOKIE, HeaderValue};
use actix_web::test::TestRequest;
use arc_swap::ArcSwap;
use whisk_bff::crypto::{KeyId, KeyRing, SealingKey};
use whisk_bff::server::{CookieKeys, CookieNames, Judged, Presented};
use zeroize::Zeroizing;

static KEYS: LazyLock<CookieKeys> = LazyLock::new(|| {
    let key = SealingKey::new(KeyId::parse("k").unwrap(), Zeroizing::new([7; 32]));
    let ring = Arc::new(ArcSwap::from_pointee(KeyRing::new([key]).unwrap()));
    CookieKeys::new(CookieNames::new(false), ring, SameSite::Strict, Duration::from_secs(3600))
});

/// A session's id.
const ID: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A signed value as it is before percent-encoding.
static GENUINE: LazyLock<String> = LazyLock::new(|| {
    let mut jar = CookieJar::new();
    jar.signed_mut(&KEYS.key()).add(Cookie::new("whisk", ID));
    jar.get("whisk").unwrap().value().to_owned()
});

pub(crate) fn run(input: &[u8]) {
    let names = CookieNames::new(false);
    let lines = lines(input);
    let presented = names.read(bytes(&lines));
    let session = presented.session();

    // Order says nothing, nor how a browser splits what it sends.
    let reversed: Vec<_> = lines.iter().rev().cloned().collect();
    assert_eq!(names.read(bytes(&reversed)).session(), session);
    let joined = lines.iter().map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b"; "[..]);
    let joined = HeaderValue::from_bytes(&joined).unwrap();
    assert_eq!(names.read([joined.as_bytes()]).session(), session);

    let text = String::from_utf8_lossy(joined.as_bytes());
    match session {
        Presented::One(value) => assert!(text.contains(value.as_str())),
        // A pair that is not UTF-8 is none of ours, whatever its name.
        Presented::Absent => assert!(!ascii_pairs(&joined).any(|pair| pair.starts_with("whisk="))),
        Presented::Conflicting => assert!(text.matches("whisk").count() >= 2),
    }
    assert_eq!(names.read_session(bytes(&lines)), *session);
    let judged = KEYS.judge(bytes(&lines));
    assert_eq!(judged == Judged::Absent, *session == Presented::Absent);
    if let Judged::Genuine(id) = judged {
        assert_eq!(id.expose(), ID);
        let Presented::One(value) = session else { panic!("{session:?} is taken for genuine") };
        let cookie = Cookie::parse_encoded(format!("whisk={value}")).unwrap();
        assert_eq!(cookie.value(), GENUINE.as_str(), "{value:?} is taken for genuine");
    }

    // What is handed on is that one cookie, or none.
    let mut handed_on = TestRequest::default().to_srv_request();
    lines.iter().for_each(|line| handed_on.headers_mut().append(COOKIE, line.clone()));
    let value = match session {
        Presented::One(value) => Some(value.as_str()),
        Presented::Absent | Presented::Conflicting => None,
    };
    names.leave_session(&mut handed_on, value);
    let left: Vec<&[u8]> = handed_on.headers().get_all(COOKIE).map(HeaderValue::as_bytes).collect();
    assert!(left.is_empty() || left == [format!("whisk={}", value.unwrap()).as_bytes()], "{left:?}");

    let surplus = presented.surplus_logins();
    assert!(surplus.len() <= 32 && surplus.iter().all(|name| name.starts_with("whisk-login-")));
}

fn ascii_pairs(line: &HeaderValue) -> impl Iterator<Item = &str> {
    let pairs = line.as_bytes().split(|byte| *byte == b';').filter(|pair| pair.is_ascii());
    pairs.map(|pair| str::from_utf8(pair).unwrap().trim())
}

fn lines(input: &[u8]) -> Vec<HeaderValue> {
    let encoded = Cookie::new("whisk", GENUINE.as_str()).encoded().to_string();
    let genuine = encoded.split_once('=').unwrap().1;
    let lines = input.split(|byte| *byte == b'\n').take(16);
    lines
        .filter_map(|line| {
            // Header values are bytes: a line that is not UTF-8 is left as it is.
            let line = match str::from_utf8(line) {
                Ok(text) => text.replace("{G}", genuine).into_bytes(),
                Err(_) => line.to_owned(),
            };
            HeaderValue::from_bytes(&line).ok()
        })
        .collect()
}

fn bytes(lines: &[HeaderValue]) -> impl Iterator<Item = &[u8]> {
    lines.iter().map(HeaderValue::as_bytes)
}
