//! Why the authorization server gave no tokens, by what it means for the caller.
//!
//! None of these types holds a byte of a request or of an answer.

use std::time::Duration;

/// A token call that brought no tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The server said no, in the words of RFC 6749 section 5.2. Only
    /// [`ErrorCode::InvalidGrant`] is about the code or refresh token that was sent; the other
    /// codes are about this client, and an operator must act.
    #[error("the authorization server refused: {0}")]
    Refused(ErrorCode),

    /// The server answered, and the answer is of no use. It says nothing about the grant.
    #[error("the authorization server's answer is unusable: {0}")]
    Invalid(#[source] InvalidAnswer),

    /// No answer now; the same may succeed later.
    #[error("the authorization server is unavailable: {0}")]
    Unavailable(#[source] Unavailable),
}

impl Error {
    /// How long the server asked to be left alone.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable(Unavailable::Status { retry_after, .. }) => *retry_after,
            _ => None,
        }
    }
}

/// `error` of a token endpoint's refusal (RFC 6749 section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The code or refresh token is invalid, expired, revoked or another client's.
    InvalidGrant,
    /// Client authentication failed.
    InvalidClient,
    /// This client may not use this grant.
    UnauthorizedClient,
    /// The server does not know, or did not find, the grant type.
    UnsupportedGrantType,
    /// The scope is unknown or beyond what was granted.
    InvalidScope,
    /// The request is malformed in the server's eyes.
    InvalidRequest,
    /// A code that RFC 6749 does not name.
    Other,
}

impl ErrorCode {
    pub(super) fn read(text: &str) -> Self {
        let known = [
            Self::InvalidGrant,
            Self::InvalidClient,
            Self::UnauthorizedClient,
            Self::UnsupportedGrantType,
            Self::InvalidScope,
            Self::InvalidRequest,
        ];
        known.into_iter().find(|code| code.as_str() == text).unwrap_or(Self::Other)
    }

    /// The code as RFC 6749 writes it; `other` for [`Self::Other`]. Fit for a log or a metric.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidGrant => "invalid_grant",
            Self::InvalidClient => "invalid_client",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidRequest => "invalid_request",
            Self::Other => "other",
        }
    }
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAnswer {
    /// A status that neither grants nor refuses: a redirect, or a 4xx without an error code.
    /// A bare 401 is here too: a gateway in front of the server sends one as readily as the
    /// server, so it does not show that `invalid_client` is meant.
    #[error("status {0}")]
    Status(u16),
    /// Longer than 64 KiB, declared or sent.
    #[error("longer than 64 KiB")]
    TooLarge,
    /// No JSON object.
    #[error("not a JSON object")]
    NotJson,
    /// `access_token` is missing, or not 1 to 16,384 visible ASCII characters.
    #[error("no usable access_token")]
    AccessToken,
    /// `token_type` is missing or not `bearer`: such a token must not be used (RFC 6749
    /// section 7.1).
    #[error("token_type is not bearer")]
    TokenType,
    /// `refresh_token` is there and not a text of at most 16,384 visible ASCII characters.
    /// Passing over it would keep a login without the means to renew it.
    #[error("unusable refresh_token")]
    RefreshToken,
}

/// Why there was no answer, and whether the request may have been carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// No connection, no trusted certificate, or no free slot in time. The server has not
    /// seen the request: what it would have used up is still good.
    #[error("it was not reached")]
    NotSent,
    /// `whisk.timeout` passed. The request may have been carried out.
    #[error("it did not answer in time")]
    Timeout,
    /// The connection broke, or spoke something that is not HTTP, before the whole answer was
    /// here. The request may have been carried out.
    #[error("the connection was lost before the answer")]
    Lost,
    /// 5xx, or 429.
    #[error("status {status}")]
    Status {
        /// The status code.
        status: u16,
        /// `Retry-After` from now (RFC 9110 section 10.2.3), cut at one hour; `None` if it is
        /// missing or unreadable.
        retry_after: Option<Duration>,
    },
}

/// `error` of a callback (RFC 6749 section 4.1.2.1): why there is no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuthorizationError {
    /// The person, or the server, said no.
    AccessDenied,
    /// Overload or maintenance.
    TemporarilyUnavailable,
    /// The server failed.
    ServerError,
    /// The authorization request is malformed in the server's eyes.
    InvalidRequest,
    /// This client may not ask for a code.
    UnauthorizedClient,
    /// The server gives no codes.
    UnsupportedResponseType,
    /// The scope is unknown to the server.
    InvalidScope,
    /// A code that RFC 6749 does not name.
    Other,
}

impl AuthorizationError {
    /// Reads the parameter. It comes through the browser, so it may be anything.
    pub fn read(text: &str) -> Self {
        let known = [
            Self::AccessDenied,
            Self::TemporarilyUnavailable,
            Self::ServerError,
            Self::InvalidRequest,
            Self::UnauthorizedClient,
            Self::UnsupportedResponseType,
            Self::InvalidScope,
        ];
        known.into_iter().find(|error| error.as_str() == text).unwrap_or(Self::Other)
    }

    /// The code as RFC 6749 writes it; `other` for [`Self::Other`]. Fit for a log or a metric.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessDenied => "access_denied",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::ServerError => "server_error",
            Self::InvalidRequest => "invalid_request",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::Other => "other",
        }
    }
}

impl std::fmt::Display for AuthorizationError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The redirection URI is not absolute, or has a fragment (RFC 6749 section 3.1.2).
    #[error("the redirection URI is not an absolute URI without a fragment")]
    RedirectUri,
    /// The client id cannot stand in the header that `anonymous.client_id_header` names.
    #[error("the client id cannot stand in a header (anonymous.client_id_header)")]
    ClientId,
    /// The HTTP client cannot be made, for instance because the system's trusted certificates
    /// cannot be read.
    #[error("the HTTP client cannot be made")]
    Http(#[source] reqwest::Error),
}
