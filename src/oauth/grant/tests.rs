#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const ASKED_AT: Timestamp = Timestamp::from_millis(1_000_000);

/// Whisk's documented answer, with `changes` laid over it.
fn read(changes: Value) -> Result<Granted, InvalidAnswer> {
    let mut body = json!({
        "access_token": "AT_MARK", "token_type": "Bearer", "expires_in": 2_592_000,
        "scope": ["cookbook:write"], "refresh_token": "RT_MARK"
    });
    for (name, value) in changes.as_object().unwrap() {
        body[name] = value.clone();
    }
    granted(body.to_string().as_bytes(), ASKED_AT)
}

#[test]
fn the_documented_answer_is_read() {
    let granted = read(json!({})).unwrap();
    assert_eq!(granted.tokens.access.expose(), "AT_MARK");
    assert_eq!(granted.tokens.refresh.unwrap().expose(), "RT_MARK");
    assert_eq!(granted.tokens.expires_at, Some(Timestamp::from_millis(1_000_000 + 2_592_000_000)));
    assert_eq!(granted.scopes.unwrap().names(), ["cookbook:write"]);
    assert_eq!(granted.alert, None);
}

#[test]
fn every_shape_of_expires_in_is_survived() {
    use Alert::{NotPositiveExpiresIn, UnreadableExpiresIn};
    let known = [
        (json!(86_400), 86_400),
        (json!(3600.0), 3600),
        (json!("3600"), 3600),
        (json!(1), 1),
        (json!(u64::MAX), MAX_LIFETIME),
        (json!(1e300), MAX_LIFETIME),
        (json!("9".repeat(60)), MAX_LIFETIME),
    ];
    for (value, seconds) in known {
        let granted = read(json!({ "expires_in": value })).unwrap();
        assert_eq!(granted.tokens.expires_at, Some(ASKED_AT.plus(Duration::from_secs(seconds))), "{value}");
        assert_eq!(granted.alert, None, "{value}");
    }
    let unknown = [
        (json!(null), None),
        (json!(0), Some(NotPositiveExpiresIn)),
        (json!("0"), Some(NotPositiveExpiresIn)),
        (json!(-1), Some(NotPositiveExpiresIn)),
        (json!(-1e300), Some(NotPositiveExpiresIn)),
        (json!(3600.5), Some(UnreadableExpiresIn)),
        (json!(""), Some(UnreadableExpiresIn)),
        (json!("-1"), Some(UnreadableExpiresIn)),
        (json!("soon"), Some(UnreadableExpiresIn)),
        (json!(true), Some(UnreadableExpiresIn)),
        (json!([3600]), Some(UnreadableExpiresIn)),
        (json!({}), Some(UnreadableExpiresIn)),
    ];
    for (value, alert) in unknown {
        let granted = read(json!({ "expires_in": value })).unwrap();
        assert_eq!((granted.tokens.expires_at, granted.alert), (None, alert), "{value}");
    }
}

#[test]
fn every_shape_of_scope_is_normalised() {
    let told: [(Value, &[&str]); 8] = [
        (json!(["a:b", "c.d"]), &["a:b", "c.d"]),
        (json!("a:b c.d"), &["a:b", "c.d"]),
        (json!("a:b,c.d, a:b"), &["a:b", "c.d"]),
        (json!(["a:b c.d", ""]), &["a:b", "c.d"]),
        (json!([1, {}]), &[]),
        (json!([]), &[]),
        (json!(""), &[]),
        (json!(["a", null, ["b"], "c"]), &["a", "c"]),
    ];
    for (value, names) in told {
        assert_eq!(read(json!({ "scope": value })).unwrap().scopes.unwrap().names(), names, "{value}");
    }
    for value in [json!(null), json!(1), json!(true), json!({})] {
        assert_eq!(read(json!({ "scope": value })).unwrap().scopes, None, "{value}");
    }
    let many: String = (0..10_000).map(|n| format!("{n} ")).collect();
    assert_eq!(read(json!({ "scope": many })).unwrap().scopes.unwrap().names().len(), Loose::MAX_TEXTS);
}

#[test]
fn only_a_usable_bearer_token_is_accepted() {
    for good in ["bearer", "BEARER", "Bearer"] {
        assert!(read(json!({ "token_type": good })).is_ok(), "{good}");
    }
    for wrong in
        [json!(null), json!("DPoP"), json!("mac"), json!(""), json!(1), json!("bearer "), json!(["bearer"])]
    {
        assert_eq!(read(json!({ "token_type": wrong })), Err(InvalidAnswer::TokenType), "{wrong}");
    }
    for good in ["a.b.c".to_owned(), "t".repeat(8192), "t".repeat(MAX_TOKEN)] {
        assert_eq!(read(json!({ "access_token": good })).unwrap().tokens.access.expose(), good);
    }
    let long = "t".repeat(MAX_TOKEN + 1);
    for wrong in
        [json!(null), json!(""), json!("a b"), json!("é"), json!("a\r\nb"), json!(1), json!({}), json!(long)]
    {
        assert_eq!(read(json!({ "access_token": wrong })), Err(InvalidAnswer::AccessToken), "{wrong}");
    }
}

#[test]
fn a_refresh_token_is_usable_or_not_there() {
    for absent in [json!(null), json!("")] {
        assert_eq!(read(json!({ "refresh_token": absent })).unwrap().tokens.refresh, None, "{absent}");
    }
    for wrong in [json!(1), json!(["RT"]), json!("a b"), json!("é"), json!("t".repeat(MAX_TOKEN + 1))] {
        assert_eq!(read(json!({ "refresh_token": wrong })), Err(InvalidAnswer::RefreshToken), "{wrong}");
    }
}

#[test]
fn unknown_members_and_id_tokens_have_no_effect() {
    let plain = read(json!({})).unwrap();
    let extra = json!({ "id_token": "forged.jwt.here", "new_user": true, "user": { "deep": [[[1]]] } });
    assert_eq!(read(extra).unwrap(), plain);
}

#[test]
fn a_200_that_tells_an_error_is_no_refusal() {
    assert_eq!(granted(br#"{"error":"invalid_grant"}"#, ASKED_AT), Err(InvalidAnswer::TokenType));
    assert_eq!(granted(b"<html>", ASKED_AT), Err(InvalidAnswer::NotJson));
}

#[test]
fn a_refusal_is_read_by_its_code_alone() {
    let read = |body: Value| refused(body.to_string().as_bytes());
    assert_eq!(read(json!({ "error": "invalid_grant" })), Some(ErrorCode::InvalidGrant));
    assert_eq!(read(json!({ "error": "invalid_client", "error_uri": 1 })), Some(ErrorCode::InvalidClient));
    assert_eq!(read(json!({ "error": "Invalid_Grant" })), Some(ErrorCode::Other));
    assert_eq!(read(json!({ "error": "AT_MARK" })), Some(ErrorCode::Other));
    for none in
        [json!({}), json!({ "error": null }), json!({ "error": "" }), json!({ "error": 1 }), json!(["x"])]
    {
        assert_eq!(read(none.clone()), None, "{none}");
    }
    assert_eq!(refused(b"error=invalid_grant"), None);
}

proptest! {
    #[test]
    fn whatever_is_granted_can_be_sent(access: String, refresh: String, expires_in: i64, scope: String) {
        let answer = read(json!({
            "access_token": access, "refresh_token": refresh, "expires_in": expires_in, "scope": scope
        }));
        if let Ok(granted) = answer {
            prop_assert!(granted.tokens.access.expose().bytes().all(|byte| byte.is_ascii_graphic()));
            prop_assert!(granted.tokens.expires_at.is_none_or(|at| at > ASKED_AT));
        }
    }
}
