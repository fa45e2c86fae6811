//! Routes that tell a test what arrived, or answer what a test asks for.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
    web,
};
use futures_util::StreamExt as _;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use url::form_urlencoded;

use super::{error, transfer::hex};
use crate::grants::Owner;

/// `ANY /v2/echo…`: what arrived, and whose token it carried, never the token.
pub(crate) async fn echo(
    request: HttpRequest,
    mut payload: web::Payload,
    owner: web::ReqData<Owner>,
) -> HttpResponse {
    let (mut digest, mut length) = (Sha256::new(), 0_u64);
    while let Some(piece) = payload.next().await {
        let Ok(piece) = piece else {
            return error(400, "request.invalid", "the body broke off");
        };
        digest.update(&piece);
        length += piece.len() as u64;
    }
    let mut headers: Vec<(String, String)> = request
        .headers()
        .iter()
        .map(|(name, value)| {
            let value = if name == header::AUTHORIZATION {
                "[a bearer token]".to_owned()
            } else {
                String::from_utf8_lossy(value.as_bytes()).into_owned()
            };
            (name.as_str().to_owned(), value)
        })
        .collect();
    headers.sort_by(|a, b| a.0.cmp(&b.0));
    HttpResponse::Ok().json(json!({
        "method": request.method().as_str(),
        "target": request.uri().path_and_query().map(ToString::to_string),
        "version": format!("{:?}", request.version()),
        "headers": headers,
        "body": { "length": length, "sha256": hex(&digest.finalize()) },
        "owner": owner.user_id,
    }))
}

#[derive(Deserialize)]
pub(crate) struct At {
    code: u16,
}

/// `ANY /v2/status/{code}`: answers that status. `?location=` for redirects, `?body=` and
/// `?content_type=` for the others; 401 and the like come with Whisk's JSON.
pub(crate) async fn status(request: HttpRequest, at: web::Path<At>) -> HttpResponse {
    let code = at.code;
    let status = match StatusCode::from_u16(code) {
        Ok(status) if (200..=599).contains(&code) => status,
        _ => return error(400, "request.invalid", "this status cannot be answered"),
    };
    let query = |name: &str| {
        form_urlencoded::parse(request.query_string().as_bytes())
            .find(|(candidate, _)| candidate == name)
            .map(|(_, value)| value.into_owned())
    };
    let mut answer = HttpResponse::build(status);
    if let Some(location) = query("location").and_then(|text| HeaderValue::from_str(&text).ok()) {
        answer.insert_header((header::LOCATION, location));
    }
    if matches!(code, 429 | 503) {
        answer.insert_header((header::RETRY_AFTER, "7"));
    }
    if matches!(code, 204 | 205 | 304) {
        return answer.finish();
    }
    if let Some(body) = query("body") {
        let content_type = query("content_type").unwrap_or_else(|| "text/plain".to_owned());
        return answer.content_type(content_type).body(body);
    }
    let name = match code {
        401 => "auth.tokenExpired".to_owned(),
        _ => format!("status.{code}"),
    };
    answer.json(json!({ "code": name, "message": "as asked for" }))
}

/// `GET /v2/headers?name=value&…`: answers with these headers. Names and values that HTTP does
/// not know are left out; framing headers are the server's own.
pub(crate) async fn headers(request: HttpRequest) -> HttpResponse {
    let mut answer = HttpResponse::Ok();
    let mut set = 0;
    for (name, value) in form_urlencoded::parse(request.query_string().as_bytes()) {
        let pair = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value.as_bytes()));
        if let (Ok(name), Ok(value)) = pair
            && name != header::CONTENT_LENGTH
            && name != header::TRANSFER_ENCODING
        {
            answer.append_header((name, value));
            set += 1;
        }
    }
    answer.body(json!({ "headers_set": set }).to_string())
}
