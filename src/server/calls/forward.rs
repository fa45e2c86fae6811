//! The way of one call: route, method, CSRF gate, session, its caps, token, body, in this order.
//! What is refused reaches neither the API nor the authorization server.

use std::time::Instant;

use bytes::Bytes;
use http::HeaderMap;
use http::request::Parts;
use hyper::body::{Body as _, Incoming};
use serde::Deserialize;

use super::{BodyLimits, Calls, Deed, request_body};
use crate::server::admission::{Admitted, length};
use crate::server::cookie_keys::Judged;
use crate::server::envelope::{Client, Exchange};
use crate::server::lifecycle::Lifecycle;
use crate::server::limits::{Seat, SessionCaps};
use crate::server::notes::Notes;
use crate::server::problem::Problem;
use crate::telemetry::{Limit, Metrics, Outcome, Route, UpstreamOutcome, session_digest};
use crate::tokens::{AccessTokenError, AfterUnauthorized, Allowance, UnauthorizedBody};
use crate::upstream::{
    self, Answer, Call, CallBody, ClientHop, Forwarder, RequestBodyError, request_headers,
};

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

/// What a call comes to.
pub(super) enum Granted {
    /// The API has answered.
    Answer(Answer, Option<Seat>),
    /// The methods that there are.
    Methods,
}

impl Calls {
    /// Forwards a call, or says why not.
    pub(super) async fn forward(
        &self,
        head: Parts,
        body: &mut Option<Incoming>,
        session: &Judged,
        exchange: &Exchange,
        deed: &mut Deed,
    ) -> Result<Granted, Problem> {
        let (notes, client) = (&exchange.notes, exchange.client);
        let admitted = self.admission.judge(&head.method, &head.uri, &head.headers);
        if !matches!(&admitted, Err(problem) if problem.code() == Outcome::NotFound) {
            notes.note(|noted| noted.route = Route::Forward);
        }
        let Admitted::Forward(path) = admitted? else { return Ok(Granted::Methods) };

        let id = match session {
            Judged::Genuine(id) => id,
            Judged::Absent => return Err(Problem::new(Outcome::LoginRequired)),
            Judged::Unknown => {
                Box::pin(self.limits.charge(Limit::UnknownCookies, client.address)).await?;
                return Err(Problem::new(Outcome::LoginRequired));
            }
        };
        notes.note(|noted| noted.session = Some(session_digest(id)));
        let seat = self.forwarding.sessions.enter(|| session_digest(id))?;
        let result: Result<Answer, Problem> = async {
            let allowance = self.unless_given_up(self.broker.access_token(id)).await?;
            notes.note(|noted| noted.refreshed = allowance.refreshed);
            if allowance.renew_cookie {
                *deed = Deed::Renew;
            }
            let body = match body.take() {
                Some(body) if body.is_end_stream() => Ok(CallBody::Empty),
                Some(body) => Box::pin(request_body(&head.headers, body, self.forwarding.limits)).await,
                None => Ok(CallBody::Empty),
            };
            let body = body.map_err(body_problem)?;
            notes.note(|noted| noted.bytes_in = length(&head.headers).unwrap_or(0));
            let headers = self.forwarding.headers(head.headers, &client)?;
            let call = Call { method: head.method, path, headers, body };
            let answer = self.call(call, &allowance, notes).await?;
            if answer.status.as_u16() < 400 && self.broker.succeeded(&allowance) {
                *deed = Deed::Renew;
            }
            Ok(answer)
        }
        .await;
        if let Err(problem) = &result {
            if problem.forgets_session() {
                *deed = Deed::Forget;
            } else if problem.code() == Outcome::LoginRequired {
                Box::pin(self.limits.charge(Limit::UnknownCookies, client.address)).await?;
            }
        }
        Ok(Granted::Answer(result?, seat))
    }

    /// Sends the call; after a 401 once more with another token, if there is one to be had.
    async fn call(&self, mut call: Call, allowance: &Allowance, notes: &Notes) -> Result<Answer, Problem> {
        let answer = self.send(&mut call, allowance, notes).await?;
        if answer.status.as_u16() != 401 {
            return Ok(answer);
        }
        // Apart, so that the state of what is rare is not moved about with each call.
        Box::pin(self.once_more(call, answer, allowance, notes)).await
    }

    async fn once_more(
        &self,
        mut call: Call,
        mut answer: Answer,
        allowance: &Allowance,
        notes: &Notes,
    ) -> Result<Answer, Problem> {
        let body = dead_token(&answer.peek(PEEK).await);
        let retried = match self.unless_given_up(self.broker.after_unauthorized(allowance, body)).await? {
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
    /// The call's headers, as the rules let them cross.
    fn headers(&self, headers: HeaderMap, client: &Client) -> Result<HeaderMap, Problem> {
        let chain = client.trusted.then(|| forwarded_chain(&headers)).flatten();
        let hop = ClientHop {
            peer: client.peer,
            client: client.address,
            proto: self.proto,
            host: &self.host,
            forwarded_chain: chain.as_deref(),
        };
        request_headers(headers, &hop).map_err(|_| Problem::new(Outcome::BadRequest))
    }
}

/// All lines of `X-Forwarded-For` as one.
fn forwarded_chain(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok());
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
