//! What can go wrong on the way to an access token, by cause. Statuses are decided elsewhere.

use std::sync::Arc;
use std::time::Duration;

use crate::model::Principal;
use crate::oauth;
use crate::store::StoreError;
use crate::telemetry::SessionEnd;

/// The store gave no usable answer. Nothing is known about the session.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the token vault is unavailable")]
pub struct VaultError(#[source] pub Arc<StoreError>);

impl From<StoreError> for VaultError {
    fn from(error: StoreError) -> Self {
        Self(Arc::new(error))
    }
}

/// Why a session could not be given an access token.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AccessTokenError {
    /// The id names nothing: it never did, or the session ended before.
    #[error("there is no such session")]
    NoSession,

    /// The session, of this kind, ended just now. Nothing is left of it in the vault.
    #[error("the session has ended: {}", .1.as_str())]
    Ended(Principal, SessionEnd),

    /// The authorization server gave no usable answer. The session stands, and the same request
    /// may succeed after the time named.
    #[error("the authorization server is unavailable")]
    AuthorizationServer {
        /// What happened; `None` where nobody asked because someone failed a moment ago.
        #[source]
        cause: Option<Arc<oauth::Error>>,
        /// When it makes sense to ask again.
        retry_after: Duration,
    },

    /// The store gave no usable answer. Nothing is known about the session.
    #[error(transparent)]
    Vault(#[from] VaultError),

    /// The task that worked on it died. A bug.
    #[error("the refresh died")]
    Lost,
}
