//! `ANY /v2/{path}` and the other routes of `forward.routes`: an API call with the session's
//! access token.
//!
//! The order of the checks is fixed: route, method, CSRF gate, session, its caps, token, body. What
//! is refused reaches neither the API nor the authorization server.

use std::time::Instant;

use actix_web::http::Method;
use actix_web::http::header::ALLOW;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};
use bytes::Bytes;
use serde::Deserialize;

use super::admission::{Admission, Admitted, METHODS, length};
use super::bridge::{self, BodyLimits};
use super::browser_session::BrowserSession;
use super::cookies::{Presented, PresentedCookies};
use super::envelope::Client;
use super::lifecycle::Lifecycle;
use super::limits::{self, SessionCaps};
use super::notes::Notes;
use super::problem::Problem;
use crate::telemetry::{Limit, Metrics, Outcome, Route, UpstreamOutcome, session_digest};
use crate::tokens::{AccessTokenError, AfterUnauthorized, Allowance, TokenBroker, UnauthorizedBody};
use crate::upstream::{self, Answer, Call, CallBody, ClientHop, Forwarder, RequestBodyError, UpstreamPath};

/// How much of an API's 401 is read to learn its cause, in bytes.
const PEEK: usize = 16 * 1024;

/// What forwarding needs besides the session. One a worker, since the HTTP client is.
#[derive(Debug, Clone)]
pub struct Forwarding {
    /// This worker's client.
    pub forwarder: Forwarder,
    /// Limits of request bodies.
    pub limits: BodyLimits,
    /// How browsers reach us, for `X-Forwarded-Proto`.
    pub proto: &'static str,
    /// Under which host, for `X-Forwarded-Host`.
    pub host: String,
    /// Tells when no call may wait any longer.
    pub lifecycle: Lifecycle,
    /// How much one session may use.
    pub sessions: SessionCaps,
    /// Counts.
    pub metrics: Metrics,
}

/// Forwards an API call, or answers why not.
///
/// # Errors
/// [`Problem`]; with `session_ended` the browser's cookie goes.
pub async fn forward(
    request: HttpRequest,
    payload: web::Payload,
    session: BrowserSession,
    walk: Walk,
) -> Result<HttpResponse, Problem> {
    let notes = Notes::of(&request);
    let admitted = walk.admission.judge(request.method(), request.uri(), request.headers());
    if !matches!(&admitted, Err(problem) if problem.code() == Outcome::NotFound) {
        notes.note(|noted| noted.route = Route::Forward);
    }
    let Admitted::Forward(path) = admitted? else {
        return Ok(HttpResponse::NoContent().insert_header((ALLOW, METHODS)).finish());
    };

    let Some(id) = session.id() else {
        if has_session_cookie(&request) {
            limits::charge(&request, Limit::UnknownCookies).await?;
        }
        return Err(Problem::new(Outcome::LoginRequired));
    };
    notes.note(|noted| noted.session = Some(session_digest(id)));
    let seat = walk.forwarding.sessions.enter(|| session_digest(id))?;
    let result: Result<Answer, Problem> = async {
        let allowance = walk.unless_given_up(walk.broker.access_token(id)).await?;
        notes.note(|noted| noted.refreshed = allowance.refreshed);
        if allowance.renew_cookie {
            session.renew();
        }
        let body =
            bridge::request_body(&request, payload, walk.forwarding.limits).await.map_err(body_problem)?;
        notes.note(|noted| noted.bytes_in = length(request.headers()).unwrap_or(0));
        let call = walk.forwarding.call(&request, path, body)?;
        let answer = walk.call(call, allowance.clone(), &notes).await?;
        if answer.status.as_u16() < 400 && walk.broker.succeeded(&allowance) {
            session.renew();
        }
        Ok(answer)
    }
    .await;
    if let Err(problem) = &result {
        if problem.forgets_session() {
            session.forget();
        } else if problem.code() == Outcome::LoginRequired {
            limits::charge(&request, Limit::UnknownCookies).await?;
        }
    }
    let is_head = request.method() == Method::HEAD;
    let answer = bridge::inbound(result?, is_head);
    Ok(match seat {
        None => answer,
        Some(seat) => seat.until_sent(answer, is_head),
    })
}

fn has_session_cookie(request: &HttpRequest) -> bool {
    let extensions = request.extensions();
    extensions.get::<PresentedCookies>().is_some_and(|cookies| *cookies.session() != Presented::Absent)
}

/// The collaborators of a call.
#[derive(Debug, Clone)]
pub struct Walk {
    admission: web::Data<Admission>,
    forwarding: web::Data<Forwarding>,
    broker: web::Data<TokenBroker>,
}

impl actix_web::FromRequest for Walk {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut actix_web::dev::Payload) -> Self::Future {
        fn part<T: 'static>(request: &HttpRequest) -> Option<web::Data<T>> {
            request.app_data::<web::Data<T>>().cloned()
        }
        let walk = (|| {
            Some(Self { admission: part(request)?, forwarding: part(request)?, broker: part(request)? })
        })();
        std::future::ready(walk.ok_or(Problem::new(Outcome::InternalError)))
    }
}

impl Walk {
    /// Sends the call; after a 401 once more with another token, if there is one to be had.
    async fn call(&self, mut call: Call, allowance: Allowance, notes: &Notes) -> Result<Answer, Problem> {
        let mut answer = self.send(&mut call, &allowance, notes).await?;
        if answer.status.as_u16() != 401 {
            return Ok(answer);
        }
        let body = dead_token(&answer.peek(PEEK).await);
        let retried = match self.unless_given_up(self.broker.after_unauthorized(&allowance, body)).await? {
            AfterUnauthorized::Relay => return Ok(answer),
            AfterUnauthorized::Retry(retried) => retried,
        };
        notes.note(|noted| noted.refreshed = retried.refreshed);
        if !call.repeatable() {
            // The body is gone. With the new token the browser's own second try succeeds.
            return Err(
                Problem::new(Outcome::LoginServerUnavailable).retry_after(std::time::Duration::from_secs(1))
            );
        }
        drop(answer);
        let answer = self.send(&mut call, &retried, notes).await?;
        if answer.status.as_u16() == 401 {
            self.unless_given_up(self.broker.refused_again(&retried)).await?;
        }
        Ok(answer)
    }

    /// Waits for what has to do with tokens, until the process gives up waiting. The call has not
    /// been carried out then.
    async fn unless_given_up<T>(
        &self,
        work: impl Future<Output = Result<T, AccessTokenError>>,
    ) -> Result<T, Problem> {
        tokio::select! {
            biased;
            result = work => Ok(result?),
            () = self.forwarding.lifecycle.gave_up() => Err(Problem::new(Outcome::ShuttingDown)),
        }
    }

    async fn send(&self, call: &mut Call, allowance: &Allowance, notes: &Notes) -> Result<Answer, Problem> {
        let begun = Instant::now();
        let result = self.forwarding.forwarder.send(call, allowance.token()).await;
        let took = begun.elapsed();
        notes.note(|noted| noted.upstream = Some(took));
        let outcome = match &result {
            Ok(answer) => UpstreamOutcome::from_status(answer.status.as_u16()),
            Err(upstream::Error::Unreachable) => UpstreamOutcome::Unreachable,
            Err(upstream::Error::Timeout) => UpstreamOutcome::Timeout,
            Err(upstream::Error::RequestBody(_)) => UpstreamOutcome::Aborted,
            Err(upstream::Error::Invalid | upstream::Error::Loop | upstream::Error::Spent) => {
                UpstreamOutcome::Invalid
            }
        };
        self.forwarding.metrics.upstream_call(outcome, took);
        result.map_err(upstream_problem)
    }
}

impl Forwarding {
    fn call(&self, request: &HttpRequest, path: UpstreamPath, body: CallBody) -> Result<Call, Problem> {
        let extensions = request.extensions();
        let client = extensions.get::<Client>().ok_or(Problem::new(Outcome::InternalError))?;
        let chain = client.trusted.then(|| forwarded_chain(request)).flatten();
        let hop = ClientHop {
            peer: client.peer,
            client: client.address,
            proto: self.proto,
            host: &self.host,
            forwarded_chain: chain.as_deref(),
        };
        bridge::call(request, path, body, &hop).map_err(|_| Problem::new(Outcome::BadRequest))
    }
}

/// All lines of `X-Forwarded-For` as one.
fn forwarded_chain(request: &HttpRequest) -> Option<String> {
    let lines = request.headers().get_all("x-forwarded-for").filter_map(|line| line.to_str().ok());
    let chain = lines.collect::<Vec<_>>().join(", ");
    (!chain.is_empty()).then_some(chain)
}

fn body_problem(error: RequestBodyError) -> Problem {
    Problem::new(match error {
        RequestBodyError::TooLarge => Outcome::PayloadTooLarge,
        RequestBodyError::TimedOut => Outcome::RequestTimeout,
        RequestBodyError::Malformed | RequestBodyError::Aborted => Outcome::BadRequest,
    })
}

fn upstream_problem(error: upstream::Error) -> Problem {
    match error {
        upstream::Error::Unreachable => Problem::new(Outcome::UpstreamUnreachable),
        upstream::Error::Timeout => Problem::new(Outcome::UpstreamTimeout),
        upstream::Error::Invalid => Problem::new(Outcome::UpstreamInvalid),
        upstream::Error::RequestBody(error) => body_problem(error),
        upstream::Error::Loop => Problem::new(Outcome::BadRequest),
        upstream::Error::Spent => Problem::new(Outcome::InternalError),
    }
}

/// Whisk's error body, as far as it names a cause (facts W16, W28).
#[derive(Deserialize)]
struct ErrorBody {
    #[serde(alias = "error_code")]
    code: String,
}

fn dead_token(body: &Bytes) -> UnauthorizedBody {
    const DEAD: [&str; 5] = [
        "auth.tokenExpired",
        "auth.tokenNotFound",
        "auth.tokenInvalid",
        "user.tokenExpired",
        "oauth.unauthorized",
    ];
    match serde_json::from_slice::<ErrorBody>(body) {
        Ok(error) if DEAD.contains(&error.code.as_str()) => UnauthorizedBody::DeadToken,
        _ => UnauthorizedBody::Other,
    }
}
