//! `POST /auth/logout`: ends the session, wherever it is in use.

use actix_web::{HttpRequest, HttpResponse, web};

use super::login::CookieSetting;
use crate::server::bridge;
use crate::server::browser_session::BrowserSession;
use crate::server::csrf::CsrfGate;
use crate::server::notes::Notes;
use crate::server::problem::Problem;
use crate::telemetry::{Route, SessionEnd, session_digest};
use crate::tokens::TokenBroker;

/// 204, also where there was no session. The record goes first: once it is gone, nothing brings
/// it back.
///
/// # Errors
/// `csrf_rejected`; `store_unavailable`, with the cookie kept: the session may live on.
pub async fn logout(
    request: HttpRequest,
    browser: BrowserSession,
    broker: web::Data<TokenBroker>,
    gate: web::Data<CsrfGate>,
    cookies: web::Data<CookieSetting>,
) -> Result<HttpResponse, Problem> {
    let notes = Notes::of(&request);
    notes.note(|noted| noted.route = Route::Logout);
    gate.admit(&bridge::headers(request.headers()))?;
    let mut answer = HttpResponse::NoContent().finish();
    match browser.id() {
        Some(id) => {
            notes.note(|noted| noted.session = Some(session_digest(id)));
            broker.end(id, SessionEnd::Logout).await?;
            browser.forget();
        }
        // A cookie that names nothing goes too. The attributes are ours and always make a header.
        None => drop(answer.add_cookie(&cookies.names.end_session(cookies.same_site))),
    }
    Ok(answer)
}
