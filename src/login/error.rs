//! Why a login failed, by cause.

use std::sync::Arc;

use crate::oauth;
use crate::tokens::VaultError;

/// Why a login could not begin.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BeginError {
    /// The provider is not one of `whisk.identity_providers`.
    #[error("the identity provider is not in the list")]
    IdentityProvider,
    /// The login in progress could not be stored.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// Why a login did not complete. The session that this browser had before is untouched.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoginError {
    /// The callback has no `state`: the authorization server does not echo it, or somebody made
    /// the request up (fact W10).
    #[error("the callback has no state")]
    StateMissing,
    /// The callback's `state` was not begun by this browser (RFC 6749 section 10.12).
    #[error("the callback's state is not this browser's")]
    StateMismatch,
    /// The login was begun by this browser, but is used up or too old.
    #[error("the login is used up or too old")]
    Expired,
    /// The callback is not what RFC 6749 section 4.1.2 describes.
    #[error("the callback is malformed: {0}")]
    Malformed(&'static str),
    /// `iss` names another authorization server (RFC 9207 section 2.4).
    #[error("the callback is another server's")]
    Issuer,
    /// The authorization server answered with an error (RFC 6749 section 4.1.2.1).
    #[error("the authorization server refused: {}", .0.as_str())]
    Refused(oauth::AuthorizationError),
    /// The authorization server did not honour the code (`invalid_grant`).
    #[error("the authorization code was refused")]
    CodeRefused,
    /// The authorization server does not accept this client, or answers what cannot be used. The
    /// operator has to look.
    #[error("the authorization server's answer cannot be used")]
    ServerInvalid(#[source] Arc<oauth::Error>),
    /// The authorization server gave no answer. The code may be used up.
    #[error("the authorization server is unavailable")]
    ServerUnavailable(#[source] Arc<oauth::Error>),
    /// The store gave no usable answer.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The task that worked on it died. A bug.
    #[error("the exchange died")]
    Lost,
}
