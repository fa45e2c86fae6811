//! `POST /auth/anonymous`: a user that Whisk makes for a browser that has not logged in.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};

use super::session::describe;
use crate::anonymous::{AnonymousError, AnonymousFlow, Begun};
use crate::server::bridge;
use crate::server::browser_session::BrowserSession;
use crate::server::csrf::CsrfGate;
use crate::server::envelope::Client;
use crate::server::limits::Limits;
use crate::server::notes::Notes;
use crate::server::problem::Problem;
use crate::server::visitor_cookie::VisitorCookies;
use crate::store::Key;
use crate::telemetry::{Limit, Outcome, Route, session_digest};
use crate::tokens::{AccessTokenError, TokenBroker};

/// What anonymous access needs, where it is offered (`anonymous.enabled`).
#[derive(Debug, Clone)]
pub struct AnonymousAccess {
    /// Makes one session a visitor.
    pub flow: AnonymousFlow,
    /// Knows the visitors.
    pub visitors: VisitorCookies,
    /// Knows how many users one address may ask for.
    pub limits: Limits,
}

/// Answers what `GET /auth/session` would: 200 for the session that this browser has already, of
/// whichever kind, and 201 for the one that was made for it now.
///
/// # Errors
/// `not_found` where it is not offered; `csrf_rejected`; `visitor_required` for a browser that did
/// not ask `GET /auth/session` before; `anonymous_expired` and `session_ended` where its session has
/// ended just now; `rate_limited`; `login_server_invalid`, `login_server_unavailable`,
/// `store_unavailable`.
pub async fn anonymous(
    request: HttpRequest,
    browser: BrowserSession,
    access: web::Data<Option<AnonymousAccess>>,
    broker: web::Data<TokenBroker>,
    gate: web::Data<CsrfGate>,
) -> Result<HttpResponse, Problem> {
    let notes = Notes::of(&request);
    notes.note(|noted| noted.route = Route::Anonymous);
    let Some(access) = access.as_ref() else { return Err(Problem::new(Outcome::NotFound)) };
    gate.admit(&bridge::headers(request.headers()))?;
    if let Some(id) = browser.id() {
        match broker.session(id).await {
            Ok(session) => {
                notes.note(|noted| noted.session = Some(session_digest(id)));
                return Ok(describe(StatusCode::OK, &session));
            }
            Err(AccessTokenError::NoSession) => {}
            // Told once, and not silently replaced by another user.
            Err(error) => {
                let problem = Problem::from(error);
                if problem.forgets_session() {
                    browser.forget();
                }
                return Err(problem);
            }
        }
    }
    let visitor = access.visitors.read(&request).ok_or(Problem::new(Outcome::VisitorRequired))?;
    let Begun { session: id, created } = match access.flow.begin(&visitor, access.permit(&request)?).await {
        Ok(begun) => begun,
        Err(AnonymousError::Over) => {
            let answer = HttpResponse::from_error(Problem::from(AnonymousError::Over));
            return Ok(access.no_visitor_any_more(answer));
        }
        Err(error) => return Err(error.into()),
    };
    notes.note(|noted| noted.session = Some(session_digest(&id)));
    let session = broker.session(&id).await?;
    browser.begin(&id);
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok(access.no_visitor_any_more(describe(status, &session)))
}

impl AnonymousAccess {
    /// Asks whether the client that sent `request` may have one more user.
    fn permit(
        &self,
        request: &HttpRequest,
    ) -> Result<impl Future<Output = Result<(), Duration>> + Send + use<>, Problem> {
        let client = request.extensions().get::<Client>().map(|client| client.address);
        let client = client.ok_or(Problem::new(Outcome::InternalError))?;
        let limits = self.limits.clone();
        Ok(async move {
            let charged = limits.charge(Limit::AnonymousUsers, client).await;
            charged.map_err(|problem| problem.wait())
        })
    }

    /// After a login, of whom the browser was before.
    pub(super) async fn retire(&self, visitor: Option<Key>) {
        let Some(visitor) = visitor else { return };
        if let Err(error) = self.flow.retire(&visitor).await {
            tracing::warn!(target: "anonymous", %error, "the visitor before this login is left to its timeout");
        }
    }

    fn no_visitor_any_more(&self, mut answer: HttpResponse) -> HttpResponse {
        // The name and attributes are ours and always make a header value.
        let _ = answer.add_cookie(&self.visitors.end());
        answer
    }
}
