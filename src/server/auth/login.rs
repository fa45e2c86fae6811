//! `GET /auth/login`: sends the browser to the authorization page.

use actix_web::http::header::LOCATION;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};

use super::anonymous::AnonymousAccess;
use super::query::Query;
use crate::clock::SharedClock;
use crate::login::LoginFlow;
use crate::model::{ReturnTo, Visitor};
use crate::server::bridge;
use crate::server::browser_session::BrowserSession;
use crate::server::cookies::{CookieNames, PresentedCookies};
use crate::server::csrf::CsrfGate;
use crate::server::limits;
use crate::server::notes::Notes;
use crate::server::problem::Problem;
use crate::telemetry::{Limit, Outcome, Route};

/// Begins a login in a cookie of its own, and remembers the session that this browser has now, and
/// the visitor it is.
///
/// # Errors
/// `csrf_rejected`, `invalid_return_to`, `invalid_identity_provider`, `rate_limited`,
/// `store_unavailable`.
pub async fn login(
    request: HttpRequest,
    session: BrowserSession,
    flow: web::Data<LoginFlow>,
    gate: web::Data<CsrfGate>,
    cookies: web::Data<CookieSetting>,
    access: web::Data<Option<AnonymousAccess>>,
) -> Result<HttpResponse, Problem> {
    Notes::of(&request).note(|noted| noted.route = Route::Login);
    gate.admit_login(&bridge::headers(request.headers()))?;
    let query = Query::parse(request.query_string());
    let repeated = |_| Problem::new(Outcome::BadRequest);
    let return_to = match query.single("return_to").map_err(repeated)? {
        Some(text) => ReturnTo::parse(text).map_err(|_| Problem::new(Outcome::InvalidReturnTo))?,
        None => ReturnTo::root(),
    };
    let provider = query.single("identity_provider").map_err(repeated)?;

    limits::charge(&request, Limit::Logins).await?;
    let visitor = access.as_ref().as_ref().and_then(|access| access.visitors.read(&request));
    let begun = flow.begin(return_to, provider, session.id(), visitor.as_ref().map(Visitor::id)).await?;

    let mut answer = HttpResponse::Found();
    answer.insert_header((LOCATION, begun.location));
    answer.cookie(cookies.names.login(&begun.state, &begun.binding, cookies.clock.now()));
    let presented = request.extensions().get::<PresentedCookies>().cloned().unwrap_or_default();
    for name in presented.surplus_logins() {
        answer.cookie(cookies.names.end_login(name));
    }
    Ok(answer.finish())
}

/// What is needed to set the login's cookie.
#[derive(Debug, Clone)]
pub struct CookieSetting {
    /// The names.
    pub names: CookieNames,
    /// Tells which login is the oldest.
    pub clock: SharedClock,
    /// `SameSite` of the session's cookie.
    pub same_site: actix_web::cookie::SameSite,
}
