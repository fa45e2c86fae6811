//! What an error of Redis means: for the connection, and for the call.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::store::StoreError;

/// What to do after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The connection is of no use any more; whether the command ran is not known.
    Lost,
    /// No answer in time; whether the command ran is not known.
    Slow,
    /// This server does not work for us just now, and did not run the command.
    Refused,
    /// The slot is on its way from one node of a Cluster to another, and neither ran the command.
    Moving,
    /// The answer is an error, the connection is fine.
    Answered,
}

impl Verdict {
    /// Judges an error.
    pub(super) fn of(error: &RedisError) -> Self {
        match error.kind() {
            ErrorKind::Server(
                ServerErrorKind::ReadOnly
                | ServerErrorKind::BusyLoading
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ClusterDown,
            ) => Self::Refused,
            ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::Ask | ServerErrorKind::TryAgain) => {
                Self::Moving
            }
            ErrorKind::Extension if error.code() == Some("NOAUTH") => Self::Refused,
            _ if error.is_timeout() => Self::Slow,
            _ if error.is_io_error() || error.is_unrecoverable_error() => Self::Lost,
            _ => Self::Answered,
        }
    }
}

/// A reason for logs and errors. Of a server's error the code alone, since its text may quote what
/// was sent; of an I/O error the whole, which is the operating system's or TLS's.
pub(super) fn describe(error: &RedisError) -> String {
    match (error.code(), error.kind()) {
        (Some(code), _) => format!("Redis answered {code}"),
        (None, ErrorKind::Io) => error.to_string(),
        (None, ErrorKind::InvalidClientConfig) => {
            error.detail().unwrap_or("the settings cannot be used").to_owned()
        }
        (None, _) => error.category().to_owned(),
    }
}

/// The error of a call.
pub(super) fn store_error(error: &RedisError) -> StoreError {
    if Verdict::of(error) == Verdict::Slow {
        StoreError::Timeout
    } else {
        StoreError::Unavailable(describe(error))
    }
}
