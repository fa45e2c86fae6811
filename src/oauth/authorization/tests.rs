#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::time::Duration;

use url::Url;

use super::super::CodeVerifier;
use super::*;
use crate::settings::{ClientAuth, TokenEncoding, Whisk};

fn whisk(login_url: &str) -> Whisk {
    Whisk {
        login_url: Url::parse(login_url).unwrap(),
        api_url: Url::parse("https://api.test").unwrap(),
        authorize_path: "/oauth/v2/authorize".to_owned(),
        token_path: "/oauth/v2/token".to_owned(),
        client_id: "client id&x=1".to_owned(),
        client_secret: Secret::new("SEC_MARK".to_owned()),
        scopes: vec![],
        identity_providers: vec![],
        client_auth: ClientAuth::Body,
        token_encoding: TokenEncoding::Form,
        pkce: true,
        timeout: Duration::from_secs(1),
        issuer: None,
        forbidden_query: vec![],
    }
}

fn request(state: &State) -> AuthorizationRequest<'_> {
    AuthorizationRequest { state, challenge: None, identity_provider: None }
}

const CALLBACK: &str = "https://app.test/auth/callback";

#[test]
fn the_url_carries_each_parameter_once_percent_encoded_below_an_existing_path() {
    let state = State::new();
    let challenge = CodeVerifier::new().challenge();
    let request = AuthorizationRequest {
        challenge: Some(&challenge),
        identity_provider: Some("google&redirect_uri=https://evil"),
        ..request(&state)
    };

    let url = request.url(&whisk("https://login.test/base/"), CALLBACK, "a:b c.d offline_access");

    assert_eq!(
        url,
        format!(
            "https://login.test/base/oauth/v2/authorize?response_type=code&client_id=client%20id%26x%3D1\
             &redirect_uri=https%3A%2F%2Fapp.test%2Fauth%2Fcallback&state={}\
             &scope=a%3Ab%20c.d%20offline_access&code_challenge={}&code_challenge_method=S256\
             &identity_provider=google%26redirect_uri%3Dhttps%3A%2F%2Fevil",
            state.as_str(),
            challenge.as_str()
        )
    );
}

#[test]
fn nothing_is_sent_that_was_not_asked_for() {
    let state = State::new();

    let url = request(&state).url(&whisk("https://login.test"), CALLBACK, "");

    let url = Url::parse(&url).unwrap();
    let names: Vec<_> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
    assert_eq!(names, ["response_type", "client_id", "redirect_uri", "state"]);
    assert_eq!(url.path(), "/oauth/v2/authorize");
}

#[test]
fn states_are_43_characters_without_a_twin_and_are_read_back_exactly() {
    let states: HashSet<_> = (0..1000).map(|_| State::new().as_str().to_owned()).collect();
    assert_eq!(states.len(), 1000);
    for text in states {
        assert_eq!(State::parse(&text).unwrap().as_str(), text);
    }
}

#[test]
fn no_other_text_is_a_state() {
    let good = State::new().as_str().to_owned();
    // The last character carries four bits: `B` has one set that base64url leaves zero.
    let loose = format!("{}B", "A".repeat(42));
    let wrong =
        ["", &good[..42], &format!("{good}="), &format!("{good}A"), &format!(" {}", &good[1..]), &loose];
    for text in wrong {
        assert!(State::parse(text).is_none(), "{text}");
    }
    assert!(State::parse(&"+".repeat(43)).is_none());
}

#[test]
fn a_code_is_bounded_visible_ascii() {
    let parse = |text: &str| AuthorizationCode::parse(text.to_owned());
    assert_eq!(parse("a/b+c=").unwrap().expose(), "a/b+c=");
    assert!(parse(&"c".repeat(2048)).is_some());
    for wrong in ["", " ", "a b", "é", "a\n", "a\0", &"c".repeat(2049)] {
        assert!(parse(wrong).is_none(), "{wrong}");
    }
}

#[test]
fn neither_prints_itself() {
    let state = State::new();
    let code = AuthorizationCode::parse("CODE_MARK".to_owned()).unwrap();
    let text = format!("{state:?} {code:?} {:?}", request(&state));
    assert!(!text.contains(state.as_str()) && !text.contains("CODE_MARK"), "{text}");
}
