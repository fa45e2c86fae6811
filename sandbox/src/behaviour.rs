//! Everything about a sandbox that can be switched while it runs.
//!
//! The defaults are the strictest reading of Whisk's documents: refresh tokens rotate, a reused
//! one ends the whole grant, and a refresh kills the access token before it.

use std::{collections::VecDeque, time::Duration};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{ApiFault, TokenFault};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How the sandbox behaves. Every field may be changed between two requests with
/// [`crate::Sandbox::behaviour`].
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// Life of an access token. Default 30 days, as Whisk documents.
    pub access_token_lifetime: Duration,
    /// Life of an authorization code. Default one day, as Whisk documents.
    pub code_lifetime: Duration,
    /// A refresh token dies after this long without use. Default 365 days.
    pub refresh_token_lifetime: Duration,
    /// Whether each refresh hands out a new refresh token and retires the old. Default true.
    pub rotate_refresh_tokens: bool,
    /// Without rotation: whether the answer repeats the refresh token. Default false, so that
    /// the client has to keep the one it has (RFC 6749 section 6).
    pub repeat_unrotated_refresh_token: bool,
    /// Whether redeeming a retired refresh token ends the whole grant (RFC 9700 section
    /// 4.14.2). Default true. Either way the answer is `invalid_grant`.
    pub reuse_detection: bool,
    /// For this long a retired refresh token is still accepted, as some servers do for clients
    /// that lost an answer. Default zero.
    pub reuse_grace: Duration,
    /// Whether a refresh kills the access tokens issued before it in the same grant; the API
    /// then answers `auth.tokenNotFound` for them. Default true.
    pub refresh_kills_old_access_token: bool,
    /// What becomes of PKCE. Default [`PkceMode::Verify`].
    pub pkce: PkceMode,
    /// Body encodings that the token endpoint takes. Default any.
    pub token_encoding: AcceptedEncoding,
    /// How the client may authenticate. Default any; both at once is always refused.
    pub client_auth: AcceptedClientAuth,
    /// How the granted scope is told. Default [`ScopeShape::Array`], as Whisk's example shows.
    pub scope_shape: ScopeShape,
    /// How the access token's lifetime is told. Default [`ExpiresIn::Number`].
    pub expires_in: ExpiresIn,
    /// Whether the redirect carries the `state` that was sent. Default true; Whisk's sample
    /// redirect shows none.
    pub echo_state: bool,
    /// When a grant comes with a refresh token. Default: when `offline_access` was granted.
    pub issue_refresh_token: RefreshTokenPolicy,
    /// Faults of the token endpoint: each token request takes one from the front.
    pub token_faults: VecDeque<TokenFault>,
    /// Every token request waits this long before it is processed. Default zero.
    pub token_latency: Duration,
    /// Every API request waits this long before it is processed. Default zero.
    pub api_latency: Duration,
    /// Faults of the API: each API request takes one from the front, before its token is looked at.
    pub api_faults: VecDeque<ApiFault>,
    /// Text that the next access tokens begin with, for example 8 KiB of it; a suffix keeps
    /// each unique. `None`, the default: 64 characters that begin with `AT_MARK_`.
    pub access_token_text: Option<String>,
    /// Members added to every successful token answer, replacing those of the same name.
    pub extra_members: Map<String, Value>,
    /// When set, every API request that carries a token gets this status and JSON body.
    pub always_api_401: Option<(u16, String)>,
    /// When set, API requests whose token lacks this scope get 403 `authorization.scopeRequired`.
    pub required_scope: Option<String>,
    /// The shape of the anonymous-user call and of its answer. Others answer 404.
    pub anonymous: AnonymousShape,
    /// When not empty, a call that creates an anonymous user needs one of these as `Origin`,
    /// else 403.
    pub anonymous_origins: Vec<String>,
    /// Life of an anonymous user's access token; `None`, the default: what Whisk documents for
    /// the shape, 30 days or (legacy) one day.
    pub anonymous_token_lifetime: Option<Duration>,
    /// An anonymous user is deleted after this long without an API call. Default 30 days.
    pub anonymous_idle: Duration,
    /// Whether each API call begins the life of an anonymous user's access token anew, where there
    /// is no refresh token. Default true, as Whisk's page can be read ("the validity increases for
    /// another 30 days").
    pub anonymous_call_extends_token: bool,
    /// Faults of the anonymous-user call: each takes one from the front.
    pub anonymous_faults: VecDeque<TokenFault>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            access_token_lifetime: 30 * DAY,
            code_lifetime: DAY,
            refresh_token_lifetime: 365 * DAY,
            rotate_refresh_tokens: true,
            repeat_unrotated_refresh_token: false,
            reuse_detection: true,
            reuse_grace: Duration::ZERO,
            refresh_kills_old_access_token: true,
            pkce: PkceMode::Verify,
            token_encoding: AcceptedEncoding::Any,
            client_auth: AcceptedClientAuth::Any,
            scope_shape: ScopeShape::Array,
            expires_in: ExpiresIn::Number,
            echo_state: true,
            issue_refresh_token: RefreshTokenPolicy::WhenOfflineAccess,
            token_faults: VecDeque::new(),
            token_latency: Duration::ZERO,
            api_latency: Duration::ZERO,
            api_faults: VecDeque::new(),
            access_token_text: None,
            extra_members: Map::new(),
            always_api_401: None,
            required_scope: None,
            anonymous: AnonymousShape::Current,
            anonymous_origins: Vec::new(),
            anonymous_token_lifetime: None,
            anonymous_idle: 30 * DAY,
            anonymous_call_extends_token: true,
            anonymous_faults: VecDeque::new(),
        }
    }
}

impl Behaviour {
    /// Life of an anonymous user's access token, in the legacy shape or the others.
    pub(crate) fn anonymous_lifetime(&self, legacy: bool) -> Duration {
        self.anonymous_token_lifetime.unwrap_or(if legacy { DAY } else { 30 * DAY })
    }
}

/// What becomes of PKCE (RFC 7636).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PkceMode {
    /// A code that was asked for with a challenge needs its verifier (S256 only), and a
    /// verifier without a challenge is refused (RFC 9700 section 4.8.2).
    Verify,
    /// Both parameters are ignored.
    Ignore,
    /// An authorization request with a challenge is refused with `invalid_request`.
    Reject,
}

/// Body encodings that the token endpoint takes; others get `invalid_request`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AcceptedEncoding {
    /// Both.
    Any,
    /// `application/x-www-form-urlencoded` alone.
    FormOnly,
    /// `multipart/form-data` alone.
    MultipartOnly,
}

/// Ways of client authentication that the token endpoint takes; others get `invalid_client`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AcceptedClientAuth {
    /// Either, though never both in one request.
    Any,
    /// `client_id` and `client_secret` in the body alone.
    BodyOnly,
    /// HTTP Basic alone.
    BasicOnly,
}

/// How a token answer tells the granted scope.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScopeShape {
    /// A JSON array of strings.
    Array,
    /// One string, separated by spaces (RFC 6749 section 3.3).
    SpaceString,
    /// One string, separated by commas.
    CommaString,
    /// `""`, whatever was granted.
    EmptyString,
    /// `null`.
    Null,
    /// No such member.
    Absent,
    /// This value.
    Raw(Value),
}

/// How a token answer tells the access token's lifetime.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpiresIn {
    /// Whole seconds as a number.
    Number,
    /// Whole seconds as a string.
    String,
    /// Seconds with a fraction, `60.0`.
    Float,
    /// No such member.
    Absent,
    /// `null`.
    Null,
    /// This value.
    Raw(Value),
}

/// When a grant comes with a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefreshTokenPolicy {
    /// When the user granted `offline_access`.
    WhenOfflineAccess,
    /// Never.
    Never,
    /// Always.
    Always,
}

/// The documented and the observed shapes of creating an anonymous user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnonymousShape {
    /// `POST /auth/anonymous/create` with `{"clientId"}` answers `{user, token}`, 30 days, no
    /// refresh token.
    Current,
    /// The same call answers `{token}`, one day, with a refresh token and neither user nor scope.
    Legacy,
    /// `POST /x/v1/auth/anonymous/create` with the header `x-whisk-client-id` and
    /// `{"user_params"}` answers `{authenticated: {token}}`.
    Authenticated,
    /// `POST /oauth/v2/token` with the JSON `{"grant_type": "anonymous", "client_id"}` answers
    /// a flat token.
    Flat,
}
