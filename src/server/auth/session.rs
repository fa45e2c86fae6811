//! `GET /auth/session`: is somebody logged in, and for how long?

use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::anonymous::AnonymousAccess;
use crate::server::browser_session::BrowserSession;
use crate::server::notes::Notes;
use crate::server::problem::Problem;
use crate::telemetry::{Route, session_digest};
use crate::tokens::{AccessTokenError, Session, TokenBroker};

/// Answers 200 whether or not there is a session, and does not count as a call of it. Neither a
/// token nor the session's id is ever in it. Where anonymous access is offered, a browser without a
/// session gets the visitor cookie that `POST /auth/anonymous` asks for.
///
/// # Errors
/// `store_unavailable`: then it is not known.
pub async fn session(
    request: HttpRequest,
    browser: BrowserSession,
    broker: web::Data<TokenBroker>,
    access: web::Data<Option<AnonymousAccess>>,
) -> Result<HttpResponse, Problem> {
    let notes = Notes::of(&request);
    notes.note(|noted| noted.route = Route::Session);
    if let Some(id) = browser.id() {
        notes.note(|noted| noted.session = Some(session_digest(id)));
        match broker.session(id).await {
            Ok(session) => return Ok(describe(StatusCode::OK, &session)),
            Err(AccessTokenError::NoSession) => {}
            Err(AccessTokenError::Ended(..)) => browser.forget(),
            Err(error) => return Err(error.into()),
        }
    }
    let mut answer = uncached(StatusCode::OK, &json!({ "authenticated": false, "login_url": "/auth/login" }));
    if let Some(access) = access.as_ref()
        && access.visitors.read(&request).is_none()
    {
        // The name and attributes are ours and always make a header value.
        let _ = answer.add_cookie(&access.visitors.issue());
    }
    Ok(answer)
}

/// The answer about a session.
pub(super) fn describe(status: StatusCode, session: &Session) -> HttpResponse {
    let content = &session.content;
    let body = json!({
        "authenticated": true,
        "kind": content.principal,
        "user_id": content.user_id,
        "scopes": content.scopes,
        "created_at": content.created_at.to_rfc3339(),
        "idle_expires_at": session.expires_at.to_rfc3339(),
        "expires_at": content.ends_at.to_rfc3339(),
        "login_url": "/auth/login",
        "logout_url": "/auth/logout",
    });
    uncached(status, &body)
}

fn uncached(status: StatusCode, body: &Value) -> HttpResponse {
    HttpResponse::build(status).insert_header((CACHE_CONTROL, "no-store")).json(body)
}
