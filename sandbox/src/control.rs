//! The sandbox's own routes, for shell scripts and for the curious: the journal as JSON, with
//! tokens as digests, and a subset of the behaviour that can be set from outside.

use std::time::{Duration, UNIX_EPOCH};

use actix_web::{HttpResponse, http::header, web};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    AcceptedClientAuth, AcceptedEncoding, AnonymousShape, ApiFault, Behaviour, Entry, ExpiresIn, PkceMode,
    RefreshTokenPolicy, ScopeShape, Surface, TokenFault, TokenOutcome, world::World,
};

/// `GET /sandbox/journal`.
pub(crate) async fn journal(world: web::Data<World>) -> HttpResponse {
    let entries = world.journal.since(world.journal.next().saturating_sub(SHOWN));
    let shown: Vec<Value> = entries.iter().map(shown).collect();
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(json!({ "seen": world.journal.next(), "entries": shown }))
}

/// `DELETE /sandbox/journal`.
pub(crate) async fn clear_journal(world: web::Data<World>) -> HttpResponse {
    world.journal.clear();
    HttpResponse::NoContent().finish()
}

fn shown(entry: &Entry) -> Value {
    let at = entry.at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let headers: Vec<(&str, String)> = (entry.headers.iter())
        .map(|(name, value)| {
            let secret = matches!(&**name, "authorization" | "cookie" | "proxy-authorization");
            let value = if secret { digest(value) } else { String::from_utf8_lossy(value).into_owned() };
            (name.as_str(), value)
        })
        .collect();
    // Parameters have no place in that query, but a client's mistake may have put secrets there.
    let target = if entry.surface == Surface::Token { entry.path() } else { &entry.target };
    json!({
        "sequence": entry.sequence,
        "at_ms": u64::try_from(at.as_millis()).unwrap_or(u64::MAX),
        "surface": format!("{:?}", entry.surface).to_lowercase(),
        "method": entry.method,
        "target": target,
        "version": entry.version,
        "headers": headers,
        "body_length": entry.body_length,
        "status": entry.status,
        "answer_cut": entry.answer_cut,
        "owner": entry.owner,
        "token": entry.token.as_ref().map(|call| json!({
            "grant_type": call.grant_type,
            "presented": call.presented.as_ref().map(|text| digest(text.as_bytes())),
            "client_auth": format!("{:?}", call.client_auth).to_lowercase(),
            "encoding": call.encoding,
            "outcome": match &call.outcome {
                TokenOutcome::Pending => "pending",
                TokenOutcome::Granted => "granted",
                TokenOutcome::Refused(error) => error,
                TokenOutcome::Faulted => "faulted",
            },
        })),
    })
}

/// Enough of a digest to tell two tokens apart.
fn digest(secret: &[u8]) -> String {
    let digest = Sha256::digest(secret);
    digest[..6].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The body of `POST /sandbox/behaviour`. Times are in seconds, fractions allowed. Members that
/// are absent change nothing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Patch {
    access_token_lifetime: Option<Seconds>,
    code_lifetime: Option<Seconds>,
    refresh_token_lifetime: Option<Seconds>,
    rotate_refresh_tokens: Option<bool>,
    reuse_detection: Option<bool>,
    reuse_grace: Option<Seconds>,
    refresh_kills_old_access_token: Option<bool>,
    pkce: Option<PkceMode>,
    token_encoding: Option<AcceptedEncoding>,
    client_auth: Option<AcceptedClientAuth>,
    scope_shape: Option<ScopeShape>,
    expires_in: Option<ExpiresIn>,
    echo_state: Option<bool>,
    issue_refresh_token: Option<RefreshTokenPolicy>,
    token_latency: Option<Seconds>,
    api_latency: Option<Seconds>,
    anonymous: Option<AnonymousShape>,
    anonymous_origins: Option<Vec<String>>,
    token_faults: Option<Vec<FaultByName>>,
    anonymous_faults: Option<Vec<FaultByName>>,
    api_faults: Option<Vec<FaultByName>>,
    /// Moves the sandbox's clock forward.
    advance: Option<Seconds>,
    /// `true`: every access token issued so far has expired.
    #[serde(default)]
    expire_access_tokens: bool,
    /// `true`: no refresh token issued so far is good any more.
    #[serde(default)]
    kill_refresh_tokens: bool,
    /// Ends everything this user has granted.
    revoke_user: Option<String>,
}

/// A fault in JSON: `"drop_before_answer"`, or `{"status": {"status": 503, "body": ""}}`.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum FaultByName {
    Status {
        status: u16,
        #[serde(default)]
        body: String,
        #[serde(default)]
        content_type: String,
    },
    DropBeforeAnswer,
    DropAfterCommit,
    Delay(Seconds),
    DelayAfterCommit(Seconds),
    Redirect307(String),
    Garbage(String),
    Endless,
    Truncate,
    None,
}

/// A time of at most a thousand years; serde refuses what is none.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "f64")]
struct Seconds(Duration);

impl TryFrom<f64> for Seconds {
    type Error = &'static str;

    fn try_from(seconds: f64) -> Result<Self, Self::Error> {
        Duration::try_from_secs_f64(seconds)
            .ok()
            .filter(|duration| duration.as_secs() <= LONGEST)
            .map(Self)
            .ok_or("a time in seconds, not negative and below a thousand years")
    }
}

/// `POST /sandbox/behaviour`.
pub(crate) async fn behaviour(patch: web::Json<Patch>, world: web::Data<World>) -> HttpResponse {
    let mut patch = patch.into_inner();
    let token_faults = token_faults(patch.token_faults.take());
    let anonymous_faults = self::token_faults(patch.anonymous_faults.take());
    let api_faults = api_faults(patch.api_faults.take());
    let (Ok(token_faults), Ok(anonymous_faults), Ok(api_faults)) =
        (token_faults, anonymous_faults, api_faults)
    else {
        let body = json!({ "error": "a fault does not belong to its list" });
        return HttpResponse::BadRequest().json(body);
    };
    {
        let mut behaviour = world.behaviour();
        behaviour.token_faults.extend(token_faults);
        behaviour.anonymous_faults.extend(anonymous_faults);
        behaviour.api_faults.extend(api_faults);
        patch.apply(&mut behaviour);
    }
    if let Some(Seconds(by)) = patch.advance {
        world.clock().advance(by);
    }
    let now = world.now();
    let mut grants = world.grants();
    if patch.expire_access_tokens {
        grants.expire_access(now);
    }
    if patch.kill_refresh_tokens {
        grants.kill_all_refresh();
    }
    if let Some(user) = &patch.revoke_user {
        grants.revoke_user(user);
    }
    HttpResponse::NoContent().finish()
}

impl Patch {
    fn apply(&mut self, behaviour: &mut Behaviour) {
        fn set<T>(target: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *target = value;
            }
        }
        let time = |seconds: Option<Seconds>| seconds.map(|Seconds(duration)| duration);
        let b = behaviour;
        set(&mut b.access_token_lifetime, time(self.access_token_lifetime));
        set(&mut b.code_lifetime, time(self.code_lifetime));
        set(&mut b.refresh_token_lifetime, time(self.refresh_token_lifetime));
        set(&mut b.reuse_grace, time(self.reuse_grace));
        set(&mut b.token_latency, time(self.token_latency));
        set(&mut b.api_latency, time(self.api_latency));
        set(&mut b.rotate_refresh_tokens, self.rotate_refresh_tokens);
        set(&mut b.reuse_detection, self.reuse_detection);
        let kills = self.refresh_kills_old_access_token;
        set(&mut b.refresh_kills_old_access_token, kills);
        set(&mut b.pkce, self.pkce);
        set(&mut b.token_encoding, self.token_encoding);
        set(&mut b.client_auth, self.client_auth);
        set(&mut b.scope_shape, self.scope_shape.take());
        set(&mut b.expires_in, self.expires_in.take());
        set(&mut b.echo_state, self.echo_state);
        set(&mut b.issue_refresh_token, self.issue_refresh_token);
        set(&mut b.anonymous, self.anonymous);
        set(&mut b.anonymous_origins, self.anonymous_origins.take());
    }
}

fn token_faults(named: Option<Vec<FaultByName>>) -> Result<Vec<TokenFault>, ()> {
    let convert = |fault| match fault {
        FaultByName::Status { status, body, content_type } => {
            Ok(TokenFault::Status(status, body, content_type))
        }
        FaultByName::DropBeforeAnswer => Ok(TokenFault::DropBeforeAnswer),
        FaultByName::DropAfterCommit => Ok(TokenFault::DropAfterCommit),
        FaultByName::Delay(Seconds(time)) => Ok(TokenFault::Delay(time)),
        FaultByName::DelayAfterCommit(Seconds(time)) => Ok(TokenFault::DelayAfterCommit(time)),
        FaultByName::Redirect307(location) => Ok(TokenFault::Redirect307(location)),
        FaultByName::Garbage(body) => Ok(TokenFault::Garbage(body)),
        FaultByName::Endless => Ok(TokenFault::Endless),
        FaultByName::None => Ok(TokenFault::None),
        FaultByName::Truncate => Err(()),
    };
    named.unwrap_or_default().into_iter().map(convert).collect()
}

fn api_faults(named: Option<Vec<FaultByName>>) -> Result<Vec<ApiFault>, ()> {
    let convert = |fault| match fault {
        FaultByName::Status { status, body, content_type } => {
            Ok(ApiFault::Status(status, body, content_type))
        }
        FaultByName::DropBeforeAnswer => Ok(ApiFault::DropBeforeAnswer),
        FaultByName::Delay(Seconds(time)) => Ok(ApiFault::Delay(time)),
        FaultByName::Truncate => Ok(ApiFault::Truncate),
        FaultByName::None => Ok(ApiFault::None),
        _ => Err(()),
    };
    named.unwrap_or_default().into_iter().map(convert).collect()
}

/// How many of the latest entries the journal's route shows.
const SHOWN: u64 = 1000;
const LONGEST: u64 = 1000 * 365 * 24 * 60 * 60;
