//! Creating an anonymous user, in the documented shapes and in those that have been observed.
//!
//! There is no client secret in these calls; a list of allowed origins stands in for it
//! (`Behaviour::anonymous_origins`). A shape that is not selected answers 404.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde_json::{Map, Value, json};

use crate::{
    AnonymousShape, Behaviour, ClientAuthUsed, ScopeShape, TokenCall, TokenFault, TokenOutcome,
    fault::strike,
    grants::{Issued, Refusal},
    journal::Record,
    token::{granted, media_type, read, record_of, refused, token_members},
    world::World,
};

/// `POST /auth/anonymous/create`: the current and the legacy shape.
pub(crate) async fn create(
    request: HttpRequest,
    payload: web::Payload,
    world: web::Data<World>,
) -> HttpResponse {
    let shapes = [AnonymousShape::Current, AnonymousShape::Legacy];
    by_path(request, payload, world, &shapes).await
}

/// `POST /x/v1/auth/anonymous/create`: the shape with `authenticated`.
pub(crate) async fn create_authenticated(
    request: HttpRequest,
    payload: web::Payload,
    world: web::Data<World>,
) -> HttpResponse {
    by_path(request, payload, world, &[AnonymousShape::Authenticated]).await
}

/// `POST /oauth/v2/token` with a JSON body: the flat shape.
pub(crate) async fn flat(request: &HttpRequest, body: &[u8], record: &Record, world: &World) -> HttpResponse {
    record.update(|entry| entry.surface = crate::Surface::Anonymous);
    if world.behaviour().anonymous != AnonymousShape::Flat {
        let refusal = Refusal::invalid_request("a JSON body is not accepted");
        return refused(refusal, false);
    }
    process(request, body, record, world).await
}

async fn by_path(
    request: HttpRequest,
    payload: web::Payload,
    world: web::Data<World>,
    shapes: &[AnonymousShape],
) -> HttpResponse {
    let (Some(body), Some(record)) = (read(payload).await, record_of(&request)) else {
        return error(400, "request.invalid", "the body could not be read");
    };
    if !shapes.contains(&world.behaviour().anonymous) {
        return error(404, "request.notFound", "this call does not exist here");
    }
    let work = async move { process(&request, &body, &record, &world).await };
    (actix_web::rt::spawn(work).await).unwrap_or_else(|_| HttpResponse::InternalServerError().finish())
}

async fn process(request: &HttpRequest, body: &[u8], record: &Record, world: &World) -> HttpResponse {
    record.update(|entry| {
        entry.token = Some(TokenCall {
            grant_type: Some("anonymous".to_owned()),
            presented: None,
            client_auth: ClientAuthUsed::None,
            encoding: media_type(request),
            outcome: TokenOutcome::Pending,
        });
    });
    let (fault, latency) = {
        let mut behaviour = world.behaviour();
        (behaviour.anonymous_faults.pop_front(), behaviour.token_latency)
    };
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let commit = || {
        let behaviour = world.behaviour().clone();
        let (answer, outcome) = match check(request, body, &behaviour, world) {
            Ok(()) => (begin(&behaviour, record, world), TokenOutcome::Granted),
            Err((status, code, message)) => {
                let answer = error(status, code, message);
                (answer, TokenOutcome::Refused(code.to_owned()))
            }
        };
        record.update(|entry| {
            if let Some(call) = &mut entry.token {
                call.outcome = outcome;
            }
        });
        answer
    };
    strike(fault.unwrap_or(TokenFault::None), request, record, commit).await
}

type Fault = (u16, &'static str, &'static str);

fn check(request: &HttpRequest, body: &[u8], behaviour: &Behaviour, world: &World) -> Result<(), Fault> {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    if !behaviour.anonymous_origins.is_empty() {
        let origin = header(header::ORIGIN).unwrap_or_default();
        if !behaviour.anonymous_origins.iter().any(|one| one == origin) {
            return Err((403, "auth.originNotAllowed", "this origin is not on the list"));
        }
    }
    let malformed = (400, "request.invalid", "the body is not the JSON this call takes");
    if media_type(request).as_deref() != Some("application/json") {
        return Err(malformed);
    }
    let body: Value = serde_json::from_slice(body).map_err(|_| malformed)?;
    let client = match behaviour.anonymous {
        AnonymousShape::Current | AnonymousShape::Legacy => body["clientId"].as_str(),
        AnonymousShape::Authenticated if body["user_params"].is_object() => {
            header(header::HeaderName::from_static("x-whisk-client-id"))
        }
        AnonymousShape::Flat if body["grant_type"] == "anonymous" => body["client_id"].as_str(),
        _ => return Err(malformed),
    };
    match client {
        Some(id) if id == world.config.client_id => Ok(()),
        Some(_) => Err((401, "auth.clientNotFound", "the client is unknown")),
        None => Err(malformed),
    }
}

/// Creates the user and answers in the selected shape.
fn begin(behaviour: &Behaviour, record: &Record, world: &World) -> HttpResponse {
    let legacy = behaviour.anonymous == AnonymousShape::Legacy;
    let lifetime = behaviour.anonymous_lifetime(legacy);
    let now = world.now();
    let issued = (world.grants()).create_anonymous(lifetime, legacy, behaviour, now);
    record.update(|entry| entry.owner = Some(issued.user_id.clone()));

    let shaped = Behaviour {
        scope_shape: if legacy { ScopeShape::Absent } else { ScopeShape::EmptyString },
        ..behaviour.clone()
    };
    let mut token = token_members(&issued, &shaped);
    let members = match behaviour.anonymous {
        AnonymousShape::Current => {
            token.insert("new_user".to_owned(), json!(true));
            object(json!({ "user": user(&issued, now), "token": token }))
        }
        AnonymousShape::Legacy => object(json!({ "token": token })),
        AnonymousShape::Authenticated => object(json!({ "authenticated": { "token": token } })),
        AnonymousShape::Flat => token,
    };
    granted(&members)
}

fn user(issued: &Issued, now: i64) -> Value {
    json!({
        "id": issued.user_id,
        "updatedAt": now,
        "createdAt": now,
        "preferences": {
            "diets": [],
            "avoidances": [],
            "dislikedIngredients": [],
            "householdSizeAdults": 1,
            "householdSizeChildren": 0,
            "cookingSkill": "amateur",
        },
        "preferencesMask": [],
        "anonymous": true,
        "passwordRequired": true,
        "emailVerified": false,
    })
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn error(status: u16, code: &str, message: &str) -> HttpResponse {
    let body = json!({ "code": code, "message": message });
    crate::fault::canned(status, body.to_string(), "application/json")
}
