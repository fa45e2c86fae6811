//! One request, as the sandbox saw it.

use std::time::SystemTime;

/// Which part of Whisk a request was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Surface {
    /// `/oauth/v2/authorize`.
    Authorize,
    /// `/oauth/v2/token`.
    Token,
    /// The calls that create an anonymous user, in any of their shapes.
    Anonymous,
    /// `/v2/…` and `/{service}/v2/…`.
    Api,
    /// Everything else.
    Other,
}

/// One request. Tokens are in it as they came: it is a test's evidence, of play money.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Position in the order of arrival, from 0.
    pub sequence: u64,
    /// When its head arrived, by the system's clock.
    pub at: SystemTime,
    /// Which part of Whisk it was for.
    pub surface: Surface,
    /// The method.
    pub method: String,
    /// Path and query exactly as they came.
    pub target: String,
    /// `HTTP/1.1` or `HTTP/1.0`.
    pub version: String,
    /// Headers by lower-case name in alphabetical order; values of one name in the order sent.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The first 64 KiB of the body.
    pub body: Vec<u8>,
    /// Length of the whole body, as far as it has been read.
    pub body_length: u64,
    /// The status answered; `None` while there is none, or if the connection was closed
    /// without one.
    pub status: Option<u16>,
    /// Whether the answer's body was given up before its end, because the client went away or
    /// a fault cut it.
    pub answer_cut: bool,
    /// Whose token an API request carried: the user's identifier, if the token was good.
    pub owner: Option<String>,
    /// What was asked of the token endpoint, or of the anonymous-user call.
    pub token: Option<TokenCall>,
}

impl Entry {
    /// The first value of a header, by lower-case name.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(candidate, _)| candidate == name).map(|(_, value)| value.as_slice())
    }

    /// The first value of a header as text, if it is UTF-8.
    pub fn header_str(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.header(name)?).ok()
    }

    /// How many headers have this lower-case name.
    pub fn header_count(&self, name: &str) -> usize {
        self.headers.iter().filter(|(candidate, _)| candidate == name).count()
    }

    /// The target without its query.
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(&*self.target, |(path, _)| path)
    }

    /// The query without its question mark, if there is one.
    pub fn query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    /// The bearer token it carried, if any.
    pub fn bearer(&self) -> Option<&str> {
        self.header_str("authorization")?.strip_prefix("Bearer ")
    }
}

/// What was asked of the token endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenCall {
    /// `grant_type` as sent; `anonymous` for the calls that create an anonymous user.
    pub grant_type: Option<String>,
    /// The code or refresh token that was presented.
    pub presented: Option<String>,
    /// How the client authenticated.
    pub client_auth: ClientAuthUsed,
    /// The body's media type without parameters, in lower case.
    pub encoding: Option<String>,
    /// What became of it.
    pub outcome: TokenOutcome,
}

/// How a client authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuthUsed {
    /// Not at all, or with `client_id` alone.
    None,
    /// `client_id` and `client_secret` in the body.
    Body,
    /// HTTP Basic.
    Basic,
    /// Both at once, which is always refused.
    Both,
}

/// What became of a token request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenOutcome {
    /// Not decided yet.
    Pending,
    /// Granted, though the answer may have been lost on purpose.
    Granted,
    /// Refused with this error code.
    Refused(String),
    /// A fault stood in its way and nothing was processed.
    Faulted,
}
