//! What requests are answered with, as one label.

use super::Label;

label! {
    /// What a request was answered with: the class of the status, or the code of the error where
    /// the error is ours.
    Outcome {
        /// 1xx.
        Informational = "1xx",
        /// 2xx.
        Success = "2xx",
        /// 3xx.
        Redirection = "3xx",
        /// 4xx from the API.
        ClientError = "4xx",
        /// 5xx from the API.
        ServerError = "5xx",
        /// The client left before the answer was complete.
        Aborted = "aborted",
        /// 400.
        BadRequest = "bad_request",
        /// 400.
        InvalidReturnTo = "invalid_return_to",
        /// 400.
        InvalidIdentityProvider = "invalid_identity_provider",
        /// 400.
        LoginFailed = "login_failed",
        /// 400.
        LoginExpired = "login_expired",
        /// 401.
        LoginRequired = "login_required",
        /// 401.
        SessionEnded = "session_ended",
        /// 401.
        AnonymousExpired = "anonymous_expired",
        /// 403.
        CsrfRejected = "csrf_rejected",
        /// 404.
        NotFound = "not_found",
        /// 405.
        MethodNotAllowed = "method_not_allowed",
        /// 408.
        RequestTimeout = "request_timeout",
        /// 409.
        VisitorRequired = "visitor_required",
        /// 413.
        PayloadTooLarge = "payload_too_large",
        /// 414.
        UriTooLong = "uri_too_long",
        /// 417.
        ExpectationFailed = "expectation_failed",
        /// 421.
        WrongHost = "wrong_host",
        /// 429.
        RateLimited = "rate_limited",
        /// 431.
        HeadersTooLarge = "headers_too_large",
        /// 500.
        InternalError = "internal_error",
        /// 501.
        NotImplemented = "not_implemented",
        /// 502.
        UpstreamInvalid = "upstream_invalid",
        /// 502.
        UpstreamUnreachable = "upstream_unreachable",
        /// 502.
        LoginServerInvalid = "login_server_invalid",
        /// 503.
        LoginServerUnavailable = "login_server_unavailable",
        /// 503.
        StoreUnavailable = "store_unavailable",
        /// 503.
        ShuttingDown = "shutting_down",
        /// 504.
        UpstreamTimeout = "upstream_timeout",
        /// 505.
        VersionUnsupported = "version_unsupported",
    }
}

impl Outcome {
    /// The class of a status.
    pub const fn from_status(status: u16) -> Self {
        match status {
            100..=199 => Self::Informational,
            200..=299 => Self::Success,
            300..=399 => Self::Redirection,
            400..=499 => Self::ClientError,
            _ => Self::ServerError,
        }
    }

    /// The outcome of that error code, `None` where it is none of the contract's.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|outcome| outcome.is_problem() && outcome.as_str() == code)
    }

    /// Whether this is an error made by us.
    pub const fn is_problem(self) -> bool {
        !matches!(
            self,
            Self::Informational
                | Self::Success
                | Self::Redirection
                | Self::ClientError
                | Self::ServerError
                | Self::Aborted
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_problem_code_is_found_by_its_text_and_no_class_is() {
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::from_code(outcome.as_str()), outcome.is_problem().then_some(*outcome));
        }
        assert_eq!(Outcome::ALL.iter().filter(|outcome| outcome.is_problem()).count(), 29);
        assert_eq!(Outcome::from_code("made_up"), None);
    }

    #[test]
    fn an_index_is_the_place_of_its_value() {
        for outcome in Outcome::ALL {
            assert_eq!(*Outcome::VALUES.get(outcome.index()).unwrap(), outcome.as_str());
        }
    }
}
