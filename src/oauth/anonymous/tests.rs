#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);
const TOKEN: &str = r#"{"access_token":"AT","expires_in":60,"scope":"","token_type":"Bearer"}"#;

fn read(body: &str) -> Result<AnonymousUser, InvalidAnswer> {
    created(body.as_bytes(), NOW)
}

#[test]
fn the_token_is_found_in_every_place_where_whisk_puts_it() {
    for (body, id) in [
        (format!(r#"{{"user":{{"id":"u1","preferences":{{"diets":[]}}}},"token":{TOKEN}}}"#), Some("u1")),
        (format!(r#"{{"token":{TOKEN}}}"#), None),
        (format!(r#"{{"authenticated":{{"user":{{"id":"u2"}},"token":{TOKEN}}}}}"#), Some("u2")),
        (format!(r#"{{"authenticated":{{"token":{TOKEN}}},"user":null,"token":null}}"#), None),
        (TOKEN.to_owned(), None),
    ] {
        let user = read(&body).unwrap_or_else(|error| panic!("{body}: {error}"));
        assert_eq!(user.user_id.as_deref(), id, "{body}");
        assert_eq!(user.granted.tokens.access.expose(), "AT", "{body}");
        assert_eq!(user.granted.tokens.expires_at, Some(Timestamp::from_millis(1_060_000)));
        assert!(user.granted.scopes.is_some_and(|scopes| scopes.names().is_empty()));
    }
}

#[test]
fn an_id_that_is_none_costs_no_user() {
    let long = format!(r#"{{"id":"{}"}}"#, "x".repeat(MAX_USER_ID + 1));
    for user in ["null", "7", "[]", "{}", r#"{"id":null}"#, r#"{"id":7}"#, r#"{"id":""}"#, &long] {
        let body = format!(r#"{{"user":{user},"token":{TOKEN}}}"#);
        assert_eq!(read(&body).unwrap().user_id, None, "{user}");
    }
}

#[test]
fn a_broken_answer_is_no_user() {
    use InvalidAnswer::{AccessToken, NotJson, RefreshToken, TokenType};
    for (body, fault) in [
        ("", NotJson),
        ("[]", NotJson),
        ("<html>", NotJson),
        (r#"{"token":{"access_token":"AT","token_type":"Bearer"}"#, NotJson),
        (r#"{"token":"AT"}"#, NotJson),
        (r#"{"token":[]}"#, NotJson),
        (r#"{"authenticated":true}"#, NotJson),
        (r#"{"authenticated":{"token":7}}"#, NotJson),
        (r#"{"authenticated":{}}"#, TokenType),
        ("{}", TokenType),
        (r#"{"token":{}}"#, TokenType),
        (r#"{"token":{"access_token":"AT"}}"#, TokenType),
        (r#"{"token":{"access_token":"AT","token_type":"mac"}}"#, TokenType),
        (r#"{"token":{"token_type":"Bearer"}}"#, AccessToken),
        (r#"{"token":{"access_token":"","token_type":"Bearer"}}"#, AccessToken),
        (r#"{"token":{"access_token":"a b","token_type":"Bearer"}}"#, AccessToken),
        (r#"{"token":{"access_token":7,"token_type":"Bearer"}}"#, AccessToken),
        (r#"{"token":{"access_token":"AT","token_type":"Bearer","refresh_token":7}}"#, RefreshToken),
        (r#"{"token":{"access_token":"A","access_token":"B","token_type":"Bearer"}}"#, NotJson),
        (r#"{"token":{},"token":{"access_token":"AT","token_type":"Bearer"}}"#, NotJson),
    ] {
        assert_eq!(read(body), Err(fault), "{body}");
    }
}
