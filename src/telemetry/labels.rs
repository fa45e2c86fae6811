//! The values a metric's label may take, and nothing else: no label comes from a request.

/// An enum whose variants are the values of one label.
macro_rules! label {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_meta])* $variant,)+ }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The value as metrics and logs write it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl Label for $name {
            const VALUES: &'static [&'static str] = &[$($text,)+];

            fn index(self) -> usize {
                self as usize
            }
        }
    };
}

mod outcome;

pub use outcome::Outcome;

/// A label with a fixed set of values, in the order of their indices.
pub(super) trait Label: Copy {
    const VALUES: &'static [&'static str];

    fn index(self) -> usize;
}

label! {
    /// Where a request went.
    Route {
        /// `GET /auth/login`.
        Login = "login",
        /// `GET /auth/callback`.
        Callback = "callback",
        /// `GET /auth/session`.
        Session = "session",
        /// `POST /auth/logout`.
        Logout = "logout",
        /// `POST /auth/anonymous`.
        Anonymous = "anonymous",
        /// `/v2/*` and the other routes of `forward.routes`.
        Forward = "forward",
        /// Everything else.
        Other = "other",
    }
}

label! {
    /// How asking for a fresh access token ended.
    RefreshOutcome {
        /// The authorization server issued a new token.
        Refreshed = "refreshed",
        /// Somebody else's refresh, here or on another instance, gave the token.
        Joined = "joined",
        /// No usable answer. The session stands.
        Failed = "failed",
        /// `invalid_grant` for the current refresh token. The session ended.
        Refused = "refused",
    }
}

label! {
    /// How far a login came.
    LoginOutcome {
        /// The browser was sent to the authorization page.
        Begun = "begun",
        /// A session began.
        Completed = "completed",
        /// The user, or the authorization server's policy, said no.
        Refused = "refused",
        /// The transaction is unknown, used or too old.
        Expired = "expired",
        /// The callback came without `state`, or to another browser than the one it was meant for.
        StateMismatch = "state_mismatch",
        /// The authorization server did not honour the code.
        Failed = "failed",
        /// No usable answer from the authorization server or the store.
        Unavailable = "unavailable",
    }
}

label! {
    /// What became of a visitor's wish for an anonymous user.
    AnonymousOutcome {
        /// Whisk made one, and a session began.
        Created = "created",
        /// The visitor has one already: another call asked for it.
        Joined = "joined",
        /// Whisk refused, or answered what cannot be used. The operator has to look.
        Invalid = "invalid",
        /// Whisk or the store gave no usable answer.
        Unavailable = "unavailable",
        /// Whisk made one, or may have, and no session holds it.
        Lost = "lost",
    }
}

label! {
    /// Why a session ended.
    SessionEnd {
        /// `POST /auth/logout`.
        Logout = "logout",
        /// A login in the same browser took its place.
        Replaced = "replaced",
        /// `session.idle_timeout`.
        IdleTimeout = "idle_timeout",
        /// `session.absolute_timeout`.
        AbsoluteTimeout = "absolute_timeout",
        /// The authorization server refused the current refresh token.
        Refused = "refused",
        /// A new refresh token was issued, its answer was lost, and the old one was refused then.
        RotationLost = "rotation_lost",
        /// The access token died and there was no refresh token.
        NoRefreshToken = "no_refresh_token",
        /// The API called an anonymous user's token dead that was just new.
        TokenDead = "token_dead",
        /// Its record cannot be opened: the key is gone or the bytes are not ours.
        Unreadable = "unreadable",
        /// An operator ended it.
        Operator = "operator",
    }
}

label! {
    /// What was asked of the store.
    StoreOperation {
        /// Read a record.
        Load = "load",
        /// Write a record that was not there.
        Create = "create",
        /// Write over a known generation.
        Replace = "replace",
        /// Move a record's end.
        Touch = "touch",
        /// Read and delete.
        Take = "take",
        /// Delete, unless of a later generation.
        Remove = "remove",
        /// Ask for, or renew, an exclusive right.
        Lease = "lease",
        /// Give it back.
        Release = "release",
        /// Count in a bucket that instances share.
        Charge = "charge",
        /// A sign of life.
        Check = "check",
        /// Walk over all keys.
        Keys = "keys",
    }
}

label! {
    /// What the store answered.
    StoreOutcome {
        /// Done as asked.
        Done = "done",
        /// There is no such record.
        Absent = "absent",
        /// Another record, generation or owner is there.
        Conflict = "conflict",
        /// No answer within `store.timeout`.
        Timeout = "timeout",
        /// Not reachable, or refusing to work.
        Unavailable = "unavailable",
        /// The bytes are no record this version knows.
        Unreadable = "unreadable",
    }
}

label! {
    /// What the API answered.
    UpstreamOutcome {
        /// 1xx, such as a change of protocol.
        Informational = "1xx",
        /// 2xx.
        Success = "2xx",
        /// 3xx.
        Redirection = "3xx",
        /// 4xx.
        ClientError = "4xx",
        /// 5xx.
        ServerError = "5xx",
        /// No connection.
        Unreachable = "unreachable",
        /// No response headers, or no next piece of the body, in time.
        Timeout = "timeout",
        /// Not HTTP, or cut off.
        Invalid = "invalid",
        /// The browser left before the answer was complete.
        Aborted = "aborted",
    }
}

impl UpstreamOutcome {
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
}

label! {
    /// What is limited (`limits.*`), named as its setting is.
    Limit {
        /// Logins begun, a client address.
        Logins = "logins",
        /// Anonymous users created, a client address.
        AnonymousUsers = "anonymous_users",
        /// Callbacks failed, a client address.
        FailedCallbacks = "failed_callbacks",
        /// Session cookies that name no session, a client address.
        UnknownCookies = "unknown_cookies",
        /// Calls of one session at the same time.
        SessionInFlight = "session_in_flight",
        /// Calls of one session a second.
        SessionCallsPerSecond = "session_calls_per_second",
    }
}

label! {
    /// Which bound on connections was reached.
    ConnectionBound {
        /// `server.max_connections`.
        Total = "total",
        /// `server.max_connections_per_address`.
        Address = "address",
    }
}

label! {
    /// Which rule of the CSRF gate refused a request.
    CsrfReason {
        /// `Sec-Fetch-Site` is not `same-origin`.
        FetchSite = "fetch_site",
        /// `Sec-Fetch-Mode` or `-Dest` tells of a navigation, frame, script or worker load.
        FetchDestination = "fetch_destination",
        /// `Origin` is not ours.
        Origin = "origin",
        /// Neither header is there, nor `X-CSRF: 1`; or the latter is required and missing.
        MissingHeader = "missing_header",
    }
}
