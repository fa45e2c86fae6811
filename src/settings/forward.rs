//! `[forward]`: which calls go to the API, and their limits.

use std::fmt;
use std::time::Duration;

use super::quantity::DAY;
use super::reader::Reader;
use super::writer::Writer;

/// Which calls are forwarded, and how long and how large they may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// The paths that are forwarded; at least one.
    pub routes: Vec<RoutePattern>,
    /// Until a connection to the API stands.
    pub connect_timeout: Duration,
    /// From the end of the request until the API's response headers.
    pub response_timeout: Duration,
    /// Between two pieces of a body, in either direction.
    pub idle_timeout: Duration,
    /// Largest request body, in bytes.
    pub max_body: u64,
    /// Largest request body kept until the response begins, so that a call answered 401 can be
    /// repeated with a new token. In bytes; 0: none is kept.
    pub replay_limit: usize,
    /// How long an unused connection to the API is kept.
    pub pool_idle_timeout: Duration,
}

/// Paths that are forwarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoutePattern {
    /// Every path below a literal prefix, which begins and ends with `/`.
    Prefix(String),
    /// `/{service}/v2/`: one segment of any name, then `v2`, for the API's older paths. It
    /// never stands for `/auth/`, which is answered here.
    ServicePrefix,
}

const SERVICE_PREFIX: &str = "/{service}/v2/";
const MIB: u64 = 1 << 20;
/// No sensible body is larger: 1 TiB.
const BODY_CEILING: u64 = 1 << 40;

impl Forward {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let some = Duration::from_millis(1)..=Duration::from_secs(DAY);
        let routes = reader.list("forward.routes", route);
        let connect_timeout = reader.duration("forward.connect_timeout", some.clone());
        let response_timeout = reader.duration("forward.response_timeout", some.clone());
        let idle_timeout = reader.duration("forward.idle_timeout", some.clone());
        let max_body = reader.bytes("forward.max_body", 1..=BODY_CEILING);
        let replay_limit = reader.bytes("forward.replay_limit", 0..=16 * MIB);
        let pool_idle_timeout = reader.duration("forward.pool_idle_timeout", some);

        if routes.as_ref().is_some_and(Vec::is_empty) {
            reader.fault("forward.routes", "must name at least one route");
        }
        Some(Self {
            routes: routes?,
            connect_timeout: connect_timeout?,
            response_timeout: response_timeout?,
            idle_timeout: idle_timeout?,
            max_body: max_body?,
            replay_limit: usize::try_from(replay_limit?).unwrap_or(usize::MAX),
            pool_idle_timeout: pool_idle_timeout?,
        })
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.list("routes", &self.routes);
        writer.duration("connect_timeout", self.connect_timeout);
        writer.duration("response_timeout", self.response_timeout);
        writer.duration("idle_timeout", self.idle_timeout);
        writer.bytes("max_body", self.max_body);
        writer.bytes("replay_limit", u64::try_from(self.replay_limit).unwrap_or(u64::MAX));
        writer.duration("pool_idle_timeout", self.pool_idle_timeout);
    }
}

impl fmt::Display for RoutePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prefix(prefix) => prefix,
            Self::ServicePrefix => SERVICE_PREFIX,
        })
    }
}

/// One route. Whatever a server on the way could read in two ways is refused: the prefix is
/// compared with raw paths.
fn route(text: &str) -> Result<RoutePattern, &'static str> {
    if text == SERVICE_PREFIX {
        return Ok(RoutePattern::ServicePrefix);
    }
    let Some(inner) = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) else {
        return Err("must begin and end with `/`, and name a segment between");
    };
    if inner.is_empty() {
        return Err("must begin and end with `/`, and name a segment between");
    }
    if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,=:@".contains(&byte)) {
        return Err("may hold letters, digits and `- . _ ~ ! $ & ' ( ) * + , = : @`, or be `/{service}/v2/`");
    }
    if inner.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return Err("must not hold an empty segment, `.` or `..`");
    }
    if text.starts_with("/auth/") {
        return Err("must not lie under `/auth/`, which is answered here");
    }
    Ok(RoutePattern::Prefix(text.to_owned()))
}
