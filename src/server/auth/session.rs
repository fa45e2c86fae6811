//! `GET /auth/session`: is somebody logged in, and for how long?

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use crate::server::browser_session::BrowserSession;
use crate::server::notes::Notes;
use crate::server::problem::Problem;
use crate::telemetry::{Route, session_digest};
use crate::tokens::{AccessTokenError, Session, TokenBroker};

/// Answers 200 whether or not there is a session, and does not count as a call of it. Neither a
/// token nor the session's id is ever in it.
///
/// # Errors
/// `store_unavailable`: then it is not known.
pub async fn session(
    request: HttpRequest,
    browser: BrowserSession,
    broker: web::Data<TokenBroker>,
) -> Result<HttpResponse, Problem> {
    let notes = Notes::of(&request);
    notes.note(|noted| noted.route = Route::Session);
    let body = match browser.id() {
        None => anonymous(),
        Some(id) => {
            notes.note(|noted| noted.session = Some(session_digest(id)));
            match broker.session(id).await {
                Ok(session) => described(&session),
                Err(AccessTokenError::NoSession) => anonymous(),
                Err(AccessTokenError::Ended(_)) => {
                    browser.forget();
                    anonymous()
                }
                Err(error) => return Err(error.into()),
            }
        }
    };
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(body))
}

fn anonymous() -> Value {
    json!({ "authenticated": false, "login_url": "/auth/login" })
}

fn described(session: &Session) -> Value {
    let content = &session.content;
    json!({
        "authenticated": true,
        "kind": content.principal,
        "user_id": content.user_id,
        "scopes": content.scopes,
        "created_at": content.created_at.to_rfc3339(),
        "idle_expires_at": session.expires_at.to_rfc3339(),
        "expires_at": content.ends_at.to_rfc3339(),
        "login_url": "/auth/login",
        "logout_url": "/auth/logout",
    })
}
