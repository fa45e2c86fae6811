//! `POST /oauth/v2/token`: the authorization code and the refresh token grant.
//!
//! RFC 6749 sections 4.1.3, 5 and 6. A request is processed in a task of its own, so that a
//! client that hangs up has its code spent and its refresh token rotated all the same: that is
//! what happens at a real server, and what its clients must survive.

mod answer;
mod client;
mod multipart;
mod parameters;

use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, http::StatusCode, http::header, web};
use futures_util::StreamExt as _;

use crate::{
    AcceptedEncoding, Behaviour, ClientAuthUsed, TokenCall, TokenOutcome, anonymous,
    fault::strike,
    grants::{Issued, Refusal},
    journal::Record,
    world::World,
};
use parameters::{Encoding, Parameters};

pub(crate) use answer::{granted, token_members};

/// `POST /oauth/v2/token`.
pub(crate) async fn token(
    request: HttpRequest,
    payload: web::Payload,
    record: web::ReqData<Record>,
    world: web::Data<World>,
) -> HttpResponse {
    let Some(body) = read(payload).await else {
        return refused(Refusal::invalid_request("the body could not be read"), false);
    };
    let record = record.into_inner();
    let work = async move {
        if media_type(&request).as_deref() == Some("application/json") {
            anonymous::flat(&request, &body, &record, &world).await
        } else {
            process(&request, &body, &record, &world).await
        }
    };
    (actix_web::rt::spawn(work).await).unwrap_or_else(|_| HttpResponse::InternalServerError().finish())
}

/// Any other method.
pub(crate) async fn wrong_method() -> HttpResponse {
    HttpResponse::MethodNotAllowed().insert_header((header::ALLOW, "POST")).finish()
}

async fn process(request: &HttpRequest, body: &[u8], record: &Record, world: &World) -> HttpResponse {
    let parameters = Parameters::read(request, body);
    let (fault, latency) = {
        let mut behaviour = world.behaviour();
        let fault = behaviour.token_faults.pop_front();
        (fault, behaviour.token_latency)
    };
    let auth = client::used(request, parameters.as_ref().ok());
    record.update(|entry| {
        entry.token = Some(TokenCall {
            grant_type: parameters.as_ref().ok().and_then(|p| p.owned("grant_type")),
            presented: parameters
                .as_ref()
                .ok()
                .and_then(|p| p.owned("code").or_else(|| p.owned("refresh_token"))),
            client_auth: auth,
            encoding: media_type(request),
            outcome: TokenOutcome::Pending,
        });
    });
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let commit = || {
        let behaviour = world.behaviour().clone();
        let outcome = parameters.and_then(|parameters| redeem(request, &parameters, auth, &behaviour, world));
        settle(outcome, auth == ClientAuthUsed::Basic, &behaviour, record)
    };
    strike(fault.unwrap_or(crate::TokenFault::None), request, record, commit).await
}

fn redeem(
    request: &HttpRequest,
    parameters: &Parameters,
    auth: ClientAuthUsed,
    behaviour: &Behaviour,
    world: &World,
) -> Result<Issued, Refusal> {
    if !request.query_string().is_empty() {
        return Err(Refusal::invalid_request("parameters belong in the body, not in the query"));
    }
    match (behaviour.token_encoding, parameters.encoding()) {
        (AcceptedEncoding::FormOnly, Encoding::Multipart) => {
            return Err(Refusal::invalid_request("multipart is not accepted"));
        }
        (AcceptedEncoding::MultipartOnly, Encoding::Form) => {
            return Err(Refusal::invalid_request("urlencoded is not accepted"));
        }
        _ => {}
    }
    let confidential = client::authenticate(request, parameters, auth, behaviour, &world.config)?;
    let now = world.now();
    match parameters.get("grant_type") {
        Some("authorization_code") => {
            if !confidential {
                return Err(Refusal::invalid_client("client authentication is missing"));
            }
            let code = parameters.required("code", "code is missing")?;
            let uri = parameters.required("redirect_uri", "redirect_uri is missing")?;
            let verifier = parameters.get("code_verifier");
            (world.grants()).redeem_code(code, uri, verifier, behaviour, now)
        }
        Some("refresh_token") => {
            let token = parameters.required("refresh_token", "refresh_token is missing")?;
            let scope = parameters.get("scope");
            (world.grants()).redeem_refresh(token, scope, confidential, behaviour, now)
        }
        Some(_) => Err(Refusal {
            error: "unsupported_grant_type",
            description: "only authorization_code and refresh_token are supported",
        }),
        None => Err(Refusal::invalid_request("grant_type is missing")),
    }
}

fn settle(
    outcome: Result<Issued, Refusal>,
    basic: bool,
    behaviour: &Behaviour,
    record: &Record,
) -> HttpResponse {
    record.update(|entry| {
        if let Some(call) = &mut entry.token {
            call.outcome = match &outcome {
                Ok(_) => TokenOutcome::Granted,
                Err(refusal) => TokenOutcome::Refused(refusal.error.to_owned()),
            };
        }
        entry.owner = outcome.as_ref().ok().map(|issued| issued.user_id.clone());
    });
    match outcome {
        Ok(issued) => granted(&token_members(&issued, behaviour)),
        Err(refusal) => refused(refusal, basic),
    }
}

/// RFC 6749 section 5.2.
pub(crate) fn refused(refusal: Refusal, basic: bool) -> HttpResponse {
    let mut answer = if refusal.error == "invalid_client" {
        let mut answer = HttpResponse::build(StatusCode::UNAUTHORIZED);
        if basic {
            answer.insert_header((header::WWW_AUTHENTICATE, "Basic realm=\"whisk-sandbox\""));
        }
        answer
    } else {
        HttpResponse::BadRequest()
    };
    answer
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::PRAGMA, "no-cache"))
        .json(serde_json::json!({
            "error": refusal.error,
            "error_description": refusal.description,
        }))
}

/// The media type without parameters, in lower case.
pub(crate) fn media_type(request: &HttpRequest) -> Option<String> {
    let text = request.headers().get(header::CONTENT_TYPE)?.to_str().ok()?;
    let essence = text.split(';').next().unwrap_or_default();
    Some(essence.trim().to_ascii_lowercase())
}

/// The whole body, up to 1 MiB; `None` if it is longer or breaks off.
pub(crate) async fn read(mut payload: web::Payload) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(piece) = payload.next().await {
        body.extend_from_slice(&piece.ok()?);
        if body.len() > LONGEST_BODY {
            return None;
        }
    }
    Some(body)
}

/// The record of a request, where a handler cannot take it as an argument.
pub(crate) fn record_of(request: &HttpRequest) -> Option<Record> {
    request.extensions().get::<Record>().cloned()
}

const LONGEST_BODY: usize = 1024 * 1024;
