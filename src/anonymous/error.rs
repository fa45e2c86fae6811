//! Why a visitor got no anonymous user, by cause.

use std::sync::Arc;
use std::time::Duration;

use crate::oauth;
use crate::tokens::VaultError;

/// Why a visitor got no anonymous user. Unless it says otherwise, the visitor may ask again.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AnonymousError {
    /// This visitor had a session, and it has ended; or somebody has logged in at its browser. The
    /// visitor is used up.
    #[error("the visitor is used up")]
    Over,
    /// Who asked has asked for too many. Nothing was created.
    #[error("too many anonymous users were asked for")]
    NotPermitted {
        /// After this long one more is permitted.
        retry_after: Duration,
    },
    /// Whisk refused, or answered what cannot be used. The operator has to look.
    #[error("no anonymous user can be created")]
    ServerInvalid(#[source] Arc<oauth::Error>),
    /// Whisk gave no answer. It may have created a user, of whom nobody knows then.
    #[error("the authorization server is unavailable")]
    ServerUnavailable {
        /// What happened; `None` where nobody asked because someone failed a moment ago.
        #[source]
        cause: Option<Arc<oauth::Error>>,
        /// When it makes sense to ask again.
        retry_after: Duration,
    },
    /// The store gave no usable answer.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The task that worked on it died. A bug.
    #[error("the creation died")]
    Lost,
}
