//! What the token endpoint is sent, and what is made of each of its answers.
//!
//! R1, R3, R6, R19–R27, R34, R40, W6–W8, W11, W14, W28, W30, R127, R128. The server is a raw
//! socket: what it was sent is compared byte by byte.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use url::Url;
use whisk_bff::clock::{Clock, ManualClock};
use whisk_bff::model::{RefreshToken, Secret};
use whisk_bff::oauth::{
    AuthorizationCode, BuildError, Client, CodeVerifier, Error, ErrorCode, Granted, InvalidAnswer,
    Unavailable,
};
use whisk_bff::settings::{ClientAuth, TokenEncoding, Whisk};

use crate::support::raw::{RawAnswer, RawRequest, RawServer};

mod faults;
mod requests;

const CALLBACK: &str = "https://app.test/auth/callback?x=1";

const TOKENS: &str = r#"{"access_token":"AT_MARK","token_type":"Bearer","expires_in":3600,
    "scope":["a:b"],"refresh_token":"RT_MARK_2"}"#;

fn settings(login_url: &str) -> Whisk {
    Whisk {
        login_url: Url::parse(login_url).unwrap(),
        api_url: Url::parse("https://api.test").unwrap(),
        authorize_path: "/oauth/v2/authorize".to_owned(),
        token_path: "/oauth/v2/token".to_owned(),
        client_id: "app:1".to_owned(),
        client_secret: Secret::new("SEC_MARK".to_owned()),
        scopes: vec!["offline_access".to_owned()],
        identity_providers: vec![],
        client_auth: ClientAuth::Body,
        token_encoding: TokenEncoding::Form,
        pkce: true,
        timeout: Duration::from_secs(10),
        issuer: None,
        forbidden_query: vec![],
    }
}

fn client(settings: &Whisk) -> Client {
    Client::new(settings, CALLBACK.to_owned(), ManualClock::new()).unwrap()
}

fn code() -> AuthorizationCode {
    AuthorizationCode::parse("CODE_MARK/+=&".to_owned()).unwrap()
}

fn refresh_token() -> RefreshToken {
    RefreshToken::parse("RT_MARK_1".to_owned()).unwrap()
}

fn granting() -> RawServer {
    RawServer::start(|_| RawAnswer::json(200, TOKENS))
}

/// The one request a server has seen.
fn only_request(server: &RawServer) -> RawRequest {
    let mut requests = server.requests();
    assert_eq!(requests.len(), 1, "{requests:?}");
    requests.remove(0)
}

fn pairs<'a>(pairs: &[(&'a str, &'a str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
