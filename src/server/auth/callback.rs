//! `GET /auth/callback`: the browser comes back from the authorization page.
//!
//! Whoever can make a browser open a URL can make it open this one. Nothing happens without a
//! `state` that this very browser was given (RFC 6749 section 10.12), and nothing of the URL is
//! ever shown (requirement R8).

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};

use super::anonymous::AnonymousAccess;
use super::fault_page;
use super::login::CookieSetting;
use super::query::{Query, Repeated};
use crate::login::{Binding, Callback, Completed, LoginError, LoginFlow};
use crate::oauth::State;
use crate::server::browser_session::BrowserSession;
use crate::server::cookies::PresentedCookies;
use crate::server::envelope::Client;
use crate::server::limits;
use crate::server::notes::Notes;
use crate::server::problem::Problem;
use crate::telemetry::{Limit, LoginOutcome, Metrics, Route, SecurityEvent, SecurityKind, session_digest};

/// Completes a login: 303 to where the browser wanted to go, with the cookie of a new session; or
/// a short page that says what went wrong.
pub async fn callback(
    request: HttpRequest,
    session: BrowserSession,
    flow: web::Data<LoginFlow>,
    cookies: web::Data<CookieSetting>,
    metrics: web::Data<Metrics>,
    access: web::Data<Option<AnonymousAccess>>,
) -> HttpResponse {
    let notes = Notes::of(&request);
    notes.note(|noted| noted.route = Route::Callback);
    let mut consumed = None;
    // Browsers share addresses: a login of ours goes on, whatever others at its address do.
    let mut ours = false;
    let result = match parse(request.query_string()) {
        Ok((state, callback)) => {
            let name = cookies.names.login_name(&state);
            match binding(&request, &name) {
                Some(binding) => {
                    ours = flow.gave(&state, &binding);
                    if !ours && let Err(problem) = limits::look(&request, Limit::FailedCallbacks) {
                        return fault_page::fault_page(&problem);
                    }
                    let result = flow.complete(&state, &binding, callback, session.id()).await;
                    // Used a moment ago, it may come to be collected: see `Stage::Undelivered`.
                    let kept = matches!(
                        result,
                        Err(LoginError::StateMismatch | LoginError::Expired | LoginError::Vault(_))
                    );
                    consumed = (!kept).then_some(name);
                    result
                }
                None => Err(LoginError::StateMismatch),
            }
        }
        Err(error) => Err(error),
    };
    let mut answer = match result {
        Ok(Completed { session: id, return_to, visitor }) => {
            notes.note(|noted| noted.session = Some(session_digest(&id)));
            session.begin(&id);
            metrics.login(LoginOutcome::Completed);
            told(&request, SecurityKind::LoginCompleted, |event| event.session(session_digest(&id)));
            let mut answer = HttpResponse::SeeOther();
            answer.insert_header((LOCATION, return_to.as_str()));
            // Whether the browser has it is not known here: it comes from another site, and the
            // cookie is `SameSite=Strict`.
            if let Some(access) = access.as_ref() {
                access.retire(visitor).await;
                answer.cookie(access.visitors.end());
            }
            answer.finish()
        }
        Err(error) => {
            tell(&error, &metrics, &request);
            let problem = Problem::from(error);
            let limited = match problem.status() {
                // The caller's doing, and not a neighbour's of ours.
                StatusCode::BAD_REQUEST => limits::charge(&request, Limit::FailedCallbacks).await.err(),
                _ => None,
            };
            fault_page::fault_page(&limited.filter(|_| !ours).unwrap_or(problem))
        }
    };
    if let Some(name) = consumed {
        // The name and attributes are ours and always make a header value.
        let _ = answer.add_cookie(&cookies.names.end_login(name));
    }
    answer
}

/// Reads the query as RFC 6749 section 4.1.2 has it; unknown parameters are passed over.
fn parse(query: &str) -> Result<(State, Callback), LoginError> {
    let query = Query::parse(query);
    let single =
        |name| query.single(name).map_err(|Repeated| LoginError::Malformed("a parameter stands twice"));
    let (state, code, error, issuer) = (single("state")?, single("code")?, single("error")?, single("iss")?);
    if single("access_token")?.is_some() {
        // The implicit grant's answer (RFC 9700 section 4.6): nothing we asked for.
        return Err(LoginError::Malformed("it carries an access token"));
    }
    let state = state.filter(|state| !state.is_empty()).ok_or(LoginError::StateMissing)?;
    let state = State::parse(state).ok_or(LoginError::StateMismatch)?;
    let owned = |text: Option<&str>| text.map(str::to_owned);
    Ok((state, Callback { code: owned(code), error: owned(error), issuer: owned(issuer) }))
}

/// The secret by which this browser shows that the login is its own.
fn binding(request: &HttpRequest, name: &str) -> Option<Binding> {
    request.extensions().get::<PresentedCookies>()?.login(name).cloned()
}

/// One record and one count for each login that fails.
fn tell(error: &LoginError, metrics: &Metrics, request: &HttpRequest) {
    let (outcome, kind, reason) = match error {
        LoginError::StateMissing => (LoginOutcome::StateMismatch, SecurityKind::StateMissing, "no_state"),
        LoginError::StateMismatch => {
            (LoginOutcome::StateMismatch, SecurityKind::StateMismatch, "foreign_state")
        }
        LoginError::Expired => (LoginOutcome::Expired, SecurityKind::LoginFailed, "expired"),
        LoginError::Malformed(_) => (LoginOutcome::Failed, SecurityKind::LoginFailed, "malformed_callback"),
        LoginError::Issuer => (LoginOutcome::Failed, SecurityKind::LoginFailed, "foreign_issuer"),
        LoginError::Refused(error) => (LoginOutcome::Refused, SecurityKind::LoginFailed, error.as_str()),
        LoginError::CodeRefused => (LoginOutcome::Failed, SecurityKind::LoginFailed, "code_refused"),
        LoginError::ServerInvalid(_) => {
            (LoginOutcome::Failed, SecurityKind::LoginFailed, "login_server_invalid")
        }
        LoginError::ServerUnavailable(_) => {
            (LoginOutcome::Unavailable, SecurityKind::LoginFailed, "login_server_unavailable")
        }
        LoginError::Vault(_) => (LoginOutcome::Unavailable, SecurityKind::LoginFailed, "store_unavailable"),
        LoginError::Lost => (LoginOutcome::Failed, SecurityKind::LoginFailed, "internal_error"),
    };
    metrics.login(outcome);
    told(request, kind, |event| event.reason(reason));
}

/// A record for security officers, with what is known of the request.
fn told(
    request: &HttpRequest,
    kind: SecurityKind,
    more: impl FnOnce(SecurityEvent<'_>) -> SecurityEvent<'_>,
) {
    let client = request.extensions().get::<Client>().copied();
    let id = client.map(|client| client.request_id.simple().to_string());
    let event = SecurityEvent::new(kind).client(client.map(|client| client.address));
    more(id.as_deref().map_or(event.clone(), |id| event.request(id))).emit();
}
