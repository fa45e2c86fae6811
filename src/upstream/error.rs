//! Why a call got no answer from the API. Which status that means is decided in the server.

/// What went wrong on the way to the API or back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No connection to the API could be made, or it broke before the answer's headers. Where a
    /// request had been sent it is unknown whether it took effect.
    #[error("the API cannot be reached")]
    Unreachable,

    /// The API did not connect, take the request, or answer in time.
    #[error("the API did not answer in time")]
    Timeout,

    /// What the API answered is not HTTP, or a redirection out of the forwarded paths.
    #[error("the API's answer is invalid")]
    Invalid,

    /// The browser's side of the call failed; the API is not to blame.
    #[error("the request's body could not be read")]
    RequestBody(#[from] RequestBodyError),

    /// The call has come through this server before (RFC 9110 section 7.6.3).
    #[error("the call loops back to this server")]
    Loop,

    /// A streamed body had been sent already, so the call cannot be sent again: a fault of the
    /// caller, who did not ask [`Call::repeatable`](super::Call::repeatable).
    #[error("the request's body has been sent and is gone")]
    Spent,
}

/// Why a request's body could not be read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestBodyError {
    /// Larger than `forward.max_body`: 413.
    #[error("the body is larger than allowed")]
    TooLarge,

    /// No piece of it came for `forward.idle_timeout`: 408.
    #[error("the body did not arrive in time")]
    TimedOut,

    /// Its framing is broken (RFC 9112 section 7.1): 400.
    #[error("the body is malformed")]
    Malformed,

    /// The browser hung up. Nobody is left to answer.
    #[error("the browser hung up")]
    Aborted,
}

/// Why a forwarder could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The TLS settings, or the trust store of the machine.
    #[error("the HTTP client for the API cannot be set up")]
    Tls(#[from] rustls::Error),
    /// The API's URL has an origin that no request line can hold.
    #[error("the API's origin cannot be called")]
    Origin,
}
