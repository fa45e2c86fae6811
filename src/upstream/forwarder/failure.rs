//! What an error of the HTTP client means.

use std::error::Error as StdError;
use std::io;

use super::client::Fault;
use super::upload::Guard;
use super::{Error, Failure};

/// Sorts the error by cause, and logs it. It names no URL, whose query is the user's.
pub(super) fn classify(error: &Fault, guard: &Guard) -> Failure {
    let failure = match guard.fault() {
        Some(fault) => Failure::Other(fault.into()),
        None if chain(error).any(is_timeout) => Failure::Other(Error::Timeout),
        None if matches!(error, Fault::Connect(_)) => Failure::Other(Error::Unreachable),
        None if matches!(error, Fault::Closed) || chain(error).any(is_connection_lost) => {
            Failure::ConnectionLost
        }
        None => Failure::Other(Error::Invalid),
    };
    if matches!(failure, Failure::Other(Error::RequestBody(_))) {
        tracing::debug!(?failure, "a call was given up");
    } else {
        let causes: Vec<String> = chain(error).map(ToString::to_string).collect();
        tracing::warn!(?failure, cause = causes.join(": "), "the API gave no usable answer");
    }
    failure
}

fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

fn is_timeout(error: &(dyn StdError + 'static)) -> bool {
    error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_timeout)
        || error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
}

fn is_connection_lost(error: &(dyn StdError + 'static)) -> bool {
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        return error.is_incomplete_message() || error.is_canceled() || error.is_closed();
    }
    error.downcast_ref::<io::Error>().is_some_and(|error| {
        matches!(
            error.kind(),
            io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::NotConnected
                | io::ErrorKind::UnexpectedEof
        )
    })
}
