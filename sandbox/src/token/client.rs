//! Client authentication at the token endpoint: RFC 6749 section 2.3.1.

use actix_web::{HttpRequest, http::header};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use url::form_urlencoded;

use super::parameters::Parameters;
use crate::{AcceptedClientAuth, Behaviour, ClientAuthUsed, Config, grants::Refusal};

/// How the request authenticates its client, right or wrong.
pub(crate) fn used(request: &HttpRequest, parameters: Option<&Parameters>) -> ClientAuthUsed {
    let basic = request.headers().contains_key(header::AUTHORIZATION);
    let body = parameters.is_some_and(|parameters| parameters.get("client_secret").is_some());
    match (basic, body) {
        (true, true) => ClientAuthUsed::Both,
        (true, false) => ClientAuthUsed::Basic,
        (false, true) => ClientAuthUsed::Body,
        (false, false) => ClientAuthUsed::None,
    }
}

/// Answers whether the client has proven its secret; `false` if it has given its name alone.
pub(crate) fn authenticate(
    request: &HttpRequest,
    parameters: &Parameters,
    used: ClientAuthUsed,
    behaviour: &Behaviour,
    config: &Config,
) -> Result<bool, Refusal> {
    let named = parameters.get("client_id");
    if named.is_some_and(|id| id != config.client_id) {
        return Err(Refusal::invalid_client("the client is unknown"));
    }
    let accepted = behaviour.client_auth;
    let secret = match used {
        ClientAuthUsed::Both => {
            return Err(Refusal::invalid_request("the client authenticated in two ways at once"));
        }
        ClientAuthUsed::Basic if accepted != AcceptedClientAuth::BodyOnly => {
            let (id, secret) =
                basic(request).ok_or(Refusal::invalid_client("the Authorization header is not Basic"))?;
            if id != config.client_id {
                return Err(Refusal::invalid_client("the client is unknown"));
            }
            secret
        }
        ClientAuthUsed::Body if accepted != AcceptedClientAuth::BasicOnly && named.is_some() => {
            parameters.owned("client_secret").unwrap_or_default()
        }
        ClientAuthUsed::None if named.is_some() => return Ok(false),
        _ => {
            return Err(Refusal::invalid_client("this way of client authentication is not accepted"));
        }
    };
    if secret == config.client_secret {
        Ok(true)
    } else {
        Err(Refusal::invalid_client("the client's secret is wrong"))
    }
}

/// Identifier and secret of a Basic header, each form-decoded. More than one header is none.
fn basic(request: &HttpRequest) -> Option<(String, String)> {
    let mut headers = request.headers().get_all(header::AUTHORIZATION);
    let (value, None) = (headers.next()?.to_str().ok()?, headers.next()) else {
        return None;
    };
    let (scheme, credentials) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some((form_decoded(id)?, form_decoded(secret)?))
}

fn form_decoded(text: &str) -> Option<String> {
    if text.contains(['&', '=']) {
        // The form encoding escapes both; a client that sends them has not encoded.
        return None;
    }
    let pair = format!("v={text}");
    form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned())
}
