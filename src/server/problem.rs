//! The one place where causes become statuses.
//!
//! Every answer that says no is a [`Problem`]: `application/problem+json` (RFC 9457) with a stable
//! code, and the header `X-Whisk-BFF-Error`, which marks it as ours and not the API's. Nothing
//! internal is in it: the cause goes to the log.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};

use crate::anonymous::AnonymousError;
use crate::login::{BeginError, LoginError};
use crate::model::Principal;
use crate::telemetry::{Outcome, SecurityEvent, SecurityKind};
use crate::tokens::{AccessTokenError, VaultError};

/// Marks an answer as ours. An upstream's own field of that name is dropped.
pub(super) const ERROR_HEADER: &str = "x-whisk-bff-error";

/// An error that a browser is told.
#[derive(Debug, Clone)]
pub struct Problem {
    code: Outcome,
    retry_after: Option<Duration>,
    allow: &'static str,
    forget_session: bool,
    event: Option<(SecurityKind, Option<&'static str>)>,
}

/// Asked when nothing better is known.
const SOON: Duration = Duration::from_secs(2);

impl Problem {
    /// A problem of that code.
    pub const fn new(code: Outcome) -> Self {
        Self { code, retry_after: None, allow: "", forget_session: false, event: None }
    }

    /// 405, with the methods that are allowed.
    pub const fn method_not_allowed(allow: &'static str) -> Self {
        Self { allow, ..Self::new(Outcome::MethodNotAllowed) }
    }

    /// With `Retry-After`, in whole seconds, at least one.
    #[must_use]
    pub const fn retry_after(self, after: Duration) -> Self {
        Self { retry_after: Some(after), ..self }
    }

    /// How long a client is asked to wait.
    pub(super) fn wait(&self) -> Duration {
        self.retry_after.unwrap_or(SOON)
    }

    /// With a record for security officers, which is written where request and client are known.
    #[must_use]
    pub const fn told(self, kind: SecurityKind, reason: Option<&'static str>) -> Self {
        Self { event: Some((kind, reason)), ..self }
    }

    /// Writes the record, if one goes with it.
    pub(super) fn tell(&self, request_id: &str, client: IpAddr) {
        if let Some((kind, reason)) = self.event {
            let event = SecurityEvent::new(kind).request(request_id).client(Some(client));
            reason.map_or(event.clone(), |reason| event.reason(reason)).emit();
        }
    }

    /// Its code.
    pub const fn code(&self) -> Outcome {
        self.code
    }

    /// Whether the browser's session cookie goes with it.
    pub const fn forgets_session(&self) -> bool {
        self.forget_session
    }

    /// The status that goes with the code.
    pub const fn status(&self) -> StatusCode {
        match self.code {
            Outcome::LoginRequired | Outcome::SessionEnded | Outcome::AnonymousExpired => {
                StatusCode::UNAUTHORIZED
            }
            Outcome::CsrfRejected => StatusCode::FORBIDDEN,
            Outcome::NotFound => StatusCode::NOT_FOUND,
            Outcome::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Outcome::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Outcome::VisitorRequired => StatusCode::CONFLICT,
            Outcome::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Outcome::UriTooLong => StatusCode::URI_TOO_LONG,
            Outcome::ExpectationFailed => StatusCode::EXPECTATION_FAILED,
            Outcome::WrongHost => StatusCode::MISDIRECTED_REQUEST,
            Outcome::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Outcome::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Outcome::UpstreamInvalid | Outcome::UpstreamUnreachable | Outcome::LoginServerInvalid => {
                StatusCode::BAD_GATEWAY
            }
            Outcome::LoginServerUnavailable | Outcome::StoreUnavailable | Outcome::ShuttingDown => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Outcome::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
            Outcome::BadRequest
            | Outcome::InvalidReturnTo
            | Outcome::InvalidIdentityProvider
            | Outcome::LoginFailed
            | Outcome::LoginExpired => StatusCode::BAD_REQUEST,
            Outcome::NotImplemented => StatusCode::NOT_IMPLEMENTED,
            Outcome::VersionUnsupported => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// A sentence for people. Nothing of the request is in it.
    pub const fn title(&self) -> &'static str {
        match self.code {
            Outcome::BadRequest => "The request is malformed.",
            Outcome::InvalidReturnTo => "return_to is not a path on this origin.",
            Outcome::InvalidIdentityProvider => "The identity provider is not one of those offered.",
            Outcome::LoginFailed => "The login did not succeed.",
            Outcome::LoginExpired => "The login took too long or was used already.",
            Outcome::LoginRequired => "Log in first.",
            Outcome::SessionEnded => "The session has ended. Log in again.",
            Outcome::AnonymousExpired => "The anonymous user is no more.",
            Outcome::CsrfRejected => "The request does not come from this application.",
            Outcome::NotFound => "There is nothing here.",
            Outcome::MethodNotAllowed => "The method is not allowed here.",
            Outcome::RequestTimeout => "The request did not arrive in time.",
            Outcome::VisitorRequired => "Ask /auth/session first.",
            Outcome::PayloadTooLarge => "The request's body is too large.",
            Outcome::UriTooLong => "The request's target is too long.",
            Outcome::ExpectationFailed => "Only 100-continue can be expected.",
            Outcome::WrongHost => "This host is not served here.",
            Outcome::RateLimited => "Too many requests.",
            Outcome::HeadersTooLarge => "The request's header is too large.",
            Outcome::UpstreamInvalid => "The API's answer cannot be used.",
            Outcome::UpstreamUnreachable => "The API cannot be reached.",
            Outcome::LoginServerInvalid => "The login server's answer cannot be used.",
            Outcome::LoginServerUnavailable => "The login server is unavailable.",
            Outcome::StoreUnavailable => "Sessions are unavailable for the moment.",
            Outcome::ShuttingDown => "This instance is going down.",
            Outcome::UpstreamTimeout => "The API did not answer in time.",
            Outcome::NotImplemented => "The request's transfer coding is not known here.",
            Outcome::VersionUnsupported => "This version of HTTP is not spoken here.",
            _ => "Something went wrong here.",
        }
    }

    /// Whether a login is what helps.
    const fn names_login(&self) -> bool {
        matches!(
            self.code,
            Outcome::LoginRequired
                | Outcome::SessionEnded
                | Outcome::AnonymousExpired
                | Outcome::LoginFailed
                | Outcome::LoginExpired
        )
    }

    /// `Retry-After` in seconds. Every 429 and 503 has one.
    fn retry_seconds(&self) -> Option<u64> {
        let due = matches!(self.status(), StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS);
        let after = self.retry_after.or(due.then_some(SOON))?;
        Some(after.as_millis().div_ceil(1000).clamp(1, 3600).try_into().unwrap_or(3600))
    }

    /// The header of the answer: everything but the body's type and text.
    pub fn head(&self) -> HttpResponseBuilder {
        let mut answer = HttpResponse::build(self.status());
        answer.insert_header((ERROR_HEADER, self.code.as_str()));
        answer.insert_header((header::CACHE_CONTROL, "no-store"));
        answer.insert_header((header::VARY, "Sec-Fetch-Site, Origin, Cookie"));
        if self.status() == StatusCode::UNAUTHORIZED {
            answer.insert_header((header::WWW_AUTHENTICATE, "Cookie realm=\"whisk-bff\""));
        }
        if !self.allow.is_empty() {
            answer.insert_header((header::ALLOW, self.allow));
        }
        if let Some(seconds) = self.retry_seconds() {
            answer.insert_header((header::RETRY_AFTER, seconds));
        }
        answer
    }

    /// The whole answer, to the request of that id.
    pub fn respond(&self, request_id: &str) -> HttpResponse<BoxBody> {
        let mut body = serde_json::json!({
            "type": format!("urn:whisk-bff:problem:{}", self.code.as_str()),
            "title": self.title(),
            "status": self.status().as_u16(),
            "code": self.code.as_str(),
            "request_id": request_id,
        });
        if let Some(members) = body.as_object_mut() {
            if self.names_login() {
                members.insert("login_url".to_owned(), "/auth/login".into());
            }
            if let Some(seconds) = self.retry_seconds() {
                members.insert("retry_after".to_owned(), seconds.into());
            }
        }
        self.head().content_type("application/problem+json").body(body.to_string())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code.as_str())
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    /// The envelope around all handlers renders the answer anew, with the request's id.
    fn error_response(&self) -> HttpResponse<BoxBody> {
        self.respond("")
    }
}

impl From<VaultError> for Problem {
    fn from(error: VaultError) -> Self {
        // The store's changes of state are told once, elsewhere; this would be a line a request.
        tracing::debug!(target: "store", cause = %error.0, "the store gave no usable answer");
        Self::new(Outcome::StoreUnavailable)
    }
}

impl From<AccessTokenError> for Problem {
    fn from(error: AccessTokenError) -> Self {
        match error {
            AccessTokenError::NoSession => Self::new(Outcome::LoginRequired),
            AccessTokenError::Ended(principal, _) => {
                let code = match principal {
                    Principal::User => Outcome::SessionEnded,
                    Principal::Anonymous => Outcome::AnonymousExpired,
                };
                Self { forget_session: true, ..Self::new(code) }
            }
            AccessTokenError::AuthorizationServer { retry_after, .. } => {
                Self::new(Outcome::LoginServerUnavailable).retry_after(retry_after)
            }
            AccessTokenError::Vault(error) => error.into(),
            AccessTokenError::Lost => Self::new(Outcome::InternalError),
        }
    }
}

impl From<AnonymousError> for Problem {
    fn from(error: AnonymousError) -> Self {
        match error {
            AnonymousError::Over => Self::new(Outcome::VisitorRequired),
            AnonymousError::NotPermitted { retry_after } => {
                Self::new(Outcome::RateLimited).retry_after(retry_after)
            }
            AnonymousError::ServerInvalid(_) => Self::new(Outcome::LoginServerInvalid),
            AnonymousError::ServerUnavailable { retry_after, .. } => {
                Self::new(Outcome::LoginServerUnavailable).retry_after(retry_after)
            }
            AnonymousError::Vault(error) => error.into(),
            AnonymousError::Lost => Self::new(Outcome::InternalError),
        }
    }
}

impl From<BeginError> for Problem {
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::IdentityProvider => Self::new(Outcome::InvalidIdentityProvider),
            BeginError::Vault(error) => error.into(),
        }
    }
}

impl From<LoginError> for Problem {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::StateMissing
            | LoginError::StateMismatch
            | LoginError::Malformed(_)
            | LoginError::Issuer
            | LoginError::Refused(_)
            | LoginError::CodeRefused => Self::new(Outcome::LoginFailed),
            LoginError::Expired => Self::new(Outcome::LoginExpired),
            LoginError::ServerInvalid(_) => Self::new(Outcome::LoginServerInvalid),
            LoginError::ServerUnavailable(_) => Self::new(Outcome::LoginServerUnavailable),
            LoginError::Vault(error) => error.into(),
            LoginError::Lost => Self::new(Outcome::InternalError),
        }
    }
}
