//! The token answer, in all the shapes that Whisk has been seen or documented to give it.

use actix_web::{HttpResponse, http::header};
use serde_json::{Map, Value, json};

use crate::{Behaviour, ExpiresIn, ScopeShape, grants::Issued};

/// RFC 6749 section 5.1.
pub(crate) fn granted(members: &Map<String, Value>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::PRAGMA, "no-cache"))
        .json(members)
}

/// The members of a token answer, shaped as the behaviour says.
pub(crate) fn token_members(issued: &Issued, behaviour: &Behaviour) -> Map<String, Value> {
    let mut members = Map::new();
    members.insert("access_token".to_owned(), json!(issued.access_token));
    members.insert("token_type".to_owned(), json!("Bearer"));
    let seconds = issued.expires_in.as_secs();
    let expires_in = match &behaviour.expires_in {
        ExpiresIn::Number => Some(json!(seconds)),
        ExpiresIn::String => Some(json!(seconds.to_string())),
        ExpiresIn::Float => Some(json!(issued.expires_in.as_secs_f64())),
        ExpiresIn::Null => Some(Value::Null),
        ExpiresIn::Raw(value) => Some(value.clone()),
        ExpiresIn::Absent => None,
    };
    let scope = match &behaviour.scope_shape {
        ScopeShape::Array => Some(json!(issued.scopes)),
        ScopeShape::SpaceString => Some(json!(issued.scopes.join(" "))),
        ScopeShape::CommaString => Some(json!(issued.scopes.join(","))),
        ScopeShape::EmptyString => Some(json!("")),
        ScopeShape::Null => Some(Value::Null),
        ScopeShape::Raw(value) => Some(value.clone()),
        ScopeShape::Absent => None,
    };
    let optional = [
        ("expires_in", expires_in),
        ("scope", scope),
        ("refresh_token", issued.refresh_token.as_ref().map(|token| json!(token))),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            members.insert(name.to_owned(), value);
        }
    }
    members.extend(behaviour.extra_members.clone());
    members
}
