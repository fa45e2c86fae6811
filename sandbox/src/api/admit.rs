//! What stands before every API route: latency, faults, the bearer token.

use std::{convert::Infallible, time::Duration};

use actix_web::{
    Error, HttpMessage as _, HttpRequest, HttpResponse,
    body::{BoxBody, MessageBody, SizedStream},
    dev::{ServiceRequest, ServiceResponse},
    http::header,
    middleware::Next,
    web,
};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use serde_json::json;
use tokio::time::sleep;

use crate::{
    ApiFault,
    fault::{canned, cut},
    grants::{BearerError, Owner},
    journal::Record,
    token::record_of,
    world::World,
};

/// The middleware of all API routes.
pub(crate) async fn admit(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let known = (request.app_data::<web::Data<World>>().cloned(), record_of(request.request()));
    let (Some(world), Some(record)) = known else {
        return Ok(next.call(request).await?.map_into_boxed_body());
    };
    let (latency, fault) = {
        let mut behaviour = world.behaviour();
        (behaviour.api_latency, behaviour.api_faults.pop_front())
    };
    if !latency.is_zero() {
        sleep(latency).await;
    }
    if let Some(answer) = struck(fault, request.request(), &record).await {
        return Ok(request.into_response(answer));
    }
    match owner(request.request(), &world) {
        Ok(owner) => {
            record.update(|entry| entry.owner = Some(owner.user_id.clone()));
            request.extensions_mut().insert(owner);
            Ok(next.call(request).await?.map_into_boxed_body())
        }
        Err((status, body)) => Ok(request.into_response(canned(status, body, "application/json"))),
    }
}

async fn struck(fault: Option<ApiFault>, request: &HttpRequest, record: &Record) -> Option<HttpResponse> {
    match fault? {
        ApiFault::None => None,
        ApiFault::Delay(time) => {
            sleep(time).await;
            None
        }
        ApiFault::Gate(gate) => {
            gate.pass().await;
            None
        }
        ApiFault::Status(status, body, content_type) => Some(canned(status, body, &content_type)),
        ApiFault::DropBeforeAnswer => Some(cut(request, record)),
        ApiFault::Truncate => {
            record.update(|entry| entry.answer_cut = true);
            Some(truncated())
        }
    }
}

/// Promises a thousand bytes and breaks off after ten.
fn truncated() -> HttpResponse {
    let beginning = stream::iter([Ok(Bytes::from_static(b"truncated "))]);
    // A moment for the beginning to be on its way before the connection is given up.
    let end = stream::once(async {
        sleep(Duration::from_millis(50)).await;
        Err(std::io::Error::other("a fault cut this answer"))
    });
    HttpResponse::Ok().content_type("text/plain").body(SizedStream::new(1000, Box::pin(beginning.chain(end))))
}

/// A status and a JSON body.
type Denial = (u16, String);

/// The owner of the request's bearer token, or the 401 that Whisk would give.
fn owner(request: &HttpRequest, world: &World) -> Result<Owner, Denial> {
    let mut headers = request.headers().get_all(header::AUTHORIZATION);
    let Some(value) = headers.next() else {
        return Err(denial(401, "auth.tokenRequired", "a bearer token is required"));
    };
    if headers.next().is_some() {
        return Err(denial(400, "request.invalid", "more than one Authorization header"));
    }
    let Some(token) = value.to_str().ok().and_then(|text| text.strip_prefix("Bearer ")) else {
        return Err(denial(401, "auth.tokenInvalid", "Authorization is not a bearer token"));
    };
    let (idle, extends, required_scope) = {
        let behaviour = world.behaviour();
        if let Some((status, body)) = &behaviour.always_api_401 {
            return Err((*status, body.clone()));
        }
        (behaviour.anonymous_idle, behaviour.anonymous_call_extends_token, behaviour.required_scope.clone())
    };
    let now = world.now();
    let owner = world.grants().bearer(token, idle, extends, now).map_err(|reason| match reason {
        BearerError::Expired => denial(401, "auth.tokenExpired", "the token has expired"),
        BearerError::NotFound => denial(401, "auth.tokenNotFound", "the token is unknown"),
    })?;
    let lacks = |scope: &String| !owner.scopes.contains(scope);
    if required_scope.as_ref().is_some_and(lacks) {
        return Err(denial(403, "authorization.scopeRequired", "the token lacks a scope"));
    }
    Ok(owner)
}

fn denial(status: u16, code: &str, message: &str) -> Denial {
    (status, json!({ "code": code, "message": message }).to_string())
}

/// A body without a byte, of a size that is told: the answer to a HEAD.
pub(crate) fn headless(size: u64) -> SizedStream<stream::Empty<Result<Bytes, Infallible>>> {
    SizedStream::new(size, stream::empty())
}
