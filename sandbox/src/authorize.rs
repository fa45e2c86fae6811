//! `/oauth/v2/authorize`: the page where a user grants or denies, and its answer.
//!
//! RFC 6749 section 4.1. The form posts to the same path: hidden `request` (names the
//! authorization request), `user`, any number of `scope`, and `decision`, which is `allow` or
//! `deny`. A request that cannot be trusted to say where its client is gets a page, never a
//! redirect (section 4.1.2.1).

mod page;
mod request;

use std::collections::VecDeque;

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, http::header, web};
use rand::distr::{Alphanumeric, SampleString};
use url::form_urlencoded;

use crate::{
    clock::millis,
    grants::Code,
    token::read,
    world::{World, locked},
};
pub(crate) use request::AuthorizationRequest;
use request::Fault;

/// Authorization requests whose page is open somewhere. The oldest go first.
#[derive(Debug, Default)]
pub(crate) struct Pending(VecDeque<(String, AuthorizationRequest)>);

impl Pending {
    fn remember(&mut self, request: AuthorizationRequest) -> String {
        let id = Alphanumeric.sample_string(&mut rand::rng(), 32);
        if self.0.len() >= MOST_PENDING {
            self.0.pop_front();
        }
        self.0.push_back((id.clone(), request));
        id
    }

    fn find(&self, id: &str) -> Option<AuthorizationRequest> {
        (self.0.iter().rev()).find(|(candidate, _)| candidate == id).map(|(_, request)| request.clone())
    }
}

/// `GET /oauth/v2/authorize`: shows the page.
pub(crate) async fn show(request: HttpRequest, world: web::Data<World>) -> HttpResponse {
    let pkce = world.behaviour().pkce;
    match AuthorizationRequest::read(request.query_string(), &world.config, pkce) {
        Ok(asked) => {
            let form_action = request::origin_for_csp(&asked.redirect_uri);
            let html = {
                let id = locked(&world.pending).remember(asked.clone());
                page::consent(&id, &asked, &world.config)
            };
            html_answer(StatusCode::OK, form_action.as_deref(), html)
        }
        Err(Fault::Untrusted(reason)) => html_answer(StatusCode::BAD_REQUEST, None, page::refusal(reason)),
        Err(Fault::Refused { redirect_uri, state, error, description }) => {
            let echo = world.behaviour().echo_state;
            redirect(
                StatusCode::FOUND,
                &redirect_uri,
                &[
                    ("error", Some(error)),
                    ("error_description", Some(description)),
                    ("state", state.as_deref().filter(|_| echo)),
                ],
            )
        }
    }
}

/// `POST /oauth/v2/authorize`: the user's decision.
pub(crate) async fn decide(payload: web::Payload, world: web::Data<World>) -> HttpResponse {
    let refuse = |reason| html_answer(StatusCode::BAD_REQUEST, None, page::refusal(reason));
    let Some(body) = read(payload).await else {
        return refuse("The form could not be read.");
    };
    let fields: Vec<(String, String)> = form_urlencoded::parse(&body).into_owned().collect();
    let field = |name: &str| {
        (fields.iter()).find(|(candidate, _)| candidate == name).map(|(_, value)| value.as_str())
    };
    let asked = field("request").and_then(|id| locked(&world.pending).find(id));
    let Some(asked) = asked else {
        return refuse("This page is too old. Go back to the application and begin again.");
    };
    let (echo, code_lifetime) = {
        let behaviour = world.behaviour();
        (behaviour.echo_state, behaviour.code_lifetime)
    };
    let state = asked.state.as_deref().filter(|_| echo);
    match field("decision") {
        Some("allow") => {}
        Some("deny") => {
            let parameters = [
                ("error", Some("access_denied")),
                ("error_description", Some("the user denied the request")),
                ("state", state),
            ];
            return redirect(StatusCode::SEE_OTHER, &asked.redirect_uri, &parameters);
        }
        _ => return refuse("The form says neither allow nor deny."),
    }
    let user = field("user").and_then(|id| world.config.users.iter().find(|user| user.id == id));
    let Some(user) = user else {
        return refuse("The form names no user of this sandbox.");
    };
    let granted = |scope: &&String| fields.iter().any(|(name, value)| name == "scope" && value == *scope);
    let code = Code {
        user_id: user.id.clone(),
        scopes: asked.scopes.iter().filter(granted).cloned().collect(),
        redirect_uri: asked.redirect_uri.clone(),
        challenge: asked.challenge.clone(),
        expires_at: world.now().saturating_add(millis(code_lifetime)),
        spent_on: None,
    };
    let code = world.grants().issue_code(code);
    let parameters = [("code", Some(code.as_str())), ("state", state)];
    redirect(StatusCode::SEE_OTHER, &asked.redirect_uri, &parameters)
}

/// `GET /sandbox.css`.
pub(crate) async fn style() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/css; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "max-age=3600"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(page::STYLE)
}

/// `GET /`: says what this is.
pub(crate) async fn index(world: web::Data<World>) -> HttpResponse {
    html_answer(StatusCode::OK, None, page::index(&world.url, &world.config))
}

fn redirect(status: StatusCode, uri: &str, parameters: &[(&str, Option<&str>)]) -> HttpResponse {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in parameters {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    let separator = if uri.contains('?') { '&' } else { '?' };
    HttpResponse::build(status)
        .insert_header((header::LOCATION, format!("{uri}{separator}{}", query.finish())))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .finish()
}

/// A page under a policy that runs no script. Chromium holds the whole redirect chain of a form
/// against `form-action`, so the client's origin is in it.
fn html_answer(status: StatusCode, form_action: Option<&str>, html: String) -> HttpResponse {
    let mut policy = "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; \
                      frame-ancestors 'none'"
        .to_owned();
    if let Some(origin) = form_action {
        policy.push_str("; form-action 'self' ");
        policy.push_str(origin);
    }
    HttpResponse::build(status)
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CONTENT_SECURITY_POLICY, policy))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(html)
}

const MOST_PENDING: usize = 10_000;
