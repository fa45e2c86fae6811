//! The token endpoint's answers (R22 to R24, R26, W2, W6).

use std::time::Duration;

use serde_json::{Map, Value, json};
use whisk_bff::model::Timestamp;
use whisk_bff::oauth::{ErrorCode, Granted, granted, refused};

pub(crate) fn run(input: &[u8]) {
    let asked_at = Timestamp::from_millis(1_800_000_000_000);
    // What serde_json makes no value of (very deep, very large numbers) may stand in members that
    // nobody reads.
    let object: Option<Map<String, Value>> = serde_json::from_slice(input).ok();
    if let (Some(code), Some(object)) = (refused(input), &object) {
        let text = object["error"].as_str().unwrap();
        assert!(!text.is_empty() && (code == ErrorCode::Other || code.as_str() == text));
    }
    let Ok(answer) = granted(input, asked_at) else { return };

    if let Some(object) = object {
        assert_eq!(object["access_token"].as_str(), Some(answer.tokens.access.expose()));
        assert!(object["token_type"].as_str().unwrap().eq_ignore_ascii_case("bearer"));
        let refresh = object.get("refresh_token").and_then(Value::as_str).filter(|text| !text.is_empty());
        assert_eq!(refresh, answer.tokens.refresh.as_ref().map(|token| token.expose()));
    }
    let tokens = [Some(answer.tokens.access.expose()), answer.tokens.refresh.as_ref().map(|t| t.expose())];
    for token in tokens.into_iter().flatten() {
        // It fits into a header, and is printed by nobody.
        assert!(!token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()));
        assert!(token.len() < 12 || !format!("{:?}", answer.tokens).contains(token));
    }
    if let Some(expires_at) = answer.tokens.expires_at {
        let longest = Duration::from_secs(10 * 365 * 24 * 60 * 60);
        assert!(asked_at < expires_at && expires_at <= asked_at.plus(longest));
    }
    let names = answer.scopes.iter().flat_map(|scopes| scopes.names());
    assert!(names.clone().count() <= 256);
    assert!(names.clone().all(|name| !name.is_empty() && !name.contains([' ', ','])));

    let again = granted(written(&answer, asked_at).as_bytes(), asked_at).unwrap();
    assert_eq!((again.tokens, again.scopes), (answer.tokens, answer.scopes));
}

/// The same answer in the form that RFC 6749 section 5.1 gives it.
fn written(answer: &Granted, asked_at: Timestamp) -> String {
    let mut body = json!({ "access_token": answer.tokens.access.expose(), "token_type": "Bearer" });
    if let Some(token) = &answer.tokens.refresh {
        body["refresh_token"] = token.expose().into();
    }
    if let Some(expires_at) = answer.tokens.expires_at {
        body["expires_in"] = expires_at.since(asked_at).as_secs().into();
    }
    if let Some(scopes) = &answer.scopes {
        body["scope"] = scopes.to_parameter().into();
    }
    body.to_string()
}
