//! The middleware that enters every request into the journal.
//!
//! The body is looked at as it passes, never collected, so a big upload costs 64 KiB.

use actix_web::{
    Error, HttpMessage as _,
    body::MessageBody,
    dev::{Payload, ServiceRequest, ServiceResponse},
    middleware::Next,
    web,
};
use futures_util::StreamExt as _;

use crate::{Entry, Surface, clock::wall, world::World};

/// To be wrapped around the whole application.
pub(crate) async fn record(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let Some(world) = request.app_data::<web::Data<World>>().cloned() else {
        return next.call(request).await;
    };
    let record = world.journal.enter(entry(&request));
    request.extensions_mut().insert(record.clone());

    let payload = request.take_payload();
    if matches!(payload, Payload::None) {
        request.set_payload(payload);
    } else {
        let seen = record.clone();
        let passing = payload.inspect(move |piece| {
            if let Ok(piece) = piece {
                let kept = seen.body(piece);
                world.journal.account_body(kept);
            }
        });
        request.set_payload(Payload::Stream { payload: Box::pin(passing) });
    }

    let answer = next.call(request).await?;
    let status = answer.status().as_u16();
    record.update(|entry| entry.status = entry.status.or(Some(status)));
    Ok(answer)
}

fn entry(request: &ServiceRequest) -> Entry {
    let mut headers: Vec<(String, Vec<u8>)> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
        .collect();
    // The framework's map has no order between names; the sort keeps that within one.
    headers.sort_by(|a, b| a.0.cmp(&b.0));
    Entry {
        sequence: 0,
        at: wall(),
        surface: surface(request.path()),
        method: request.method().to_string(),
        target: request.uri().path_and_query().map_or_else(|| request.uri().to_string(), ToString::to_string),
        version: format!("{:?}", request.version()),
        headers,
        body: Vec::new(),
        body_length: 0,
        status: None,
        answer_cut: false,
        owner: None,
        token: None,
    }
}

fn surface(path: &str) -> Surface {
    match path {
        "/oauth/v2/authorize" => return Surface::Authorize,
        "/oauth/v2/token" => return Surface::Token,
        "/auth/anonymous/create" | "/x/v1/auth/anonymous/create" => return Surface::Anonymous,
        _ => {}
    }
    let mut segments = path.split('/').skip(1);
    let (first, second) = (segments.next(), segments.next());
    if first == Some("v2") || second == Some("v2") { Surface::Api } else { Surface::Other }
}
