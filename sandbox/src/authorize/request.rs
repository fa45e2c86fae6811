//! Reading an authorization request: RFC 6749 section 4.1.1, RFC 7636 section 4.3.

use url::{Host, Url, form_urlencoded};

use crate::{Config, PkceMode};

/// A request that may be shown to a user.
#[derive(Clone, Debug)]
pub(crate) struct AuthorizationRequest {
    /// As the client sent it, byte for byte once form-decoded.
    pub(crate) redirect_uri: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) state: Option<String>,
    pub(crate) challenge: Option<String>,
    pub(crate) identity_provider: Option<String>,
}

/// Why a request is not shown.
pub(crate) enum Fault {
    /// Where the client is cannot be believed: a page says why, nothing is redirected.
    Untrusted(&'static str),
    /// The client is told.
    Refused { redirect_uri: String, state: Option<String>, error: &'static str, description: &'static str },
}

impl AuthorizationRequest {
    pub(crate) fn read(query: &str, config: &Config, pkce: PkceMode) -> Result<Self, Fault> {
        let parameters: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .filter(|(_, value)| !value.is_empty())
            .collect();
        let get = |name: &str| {
            (parameters.iter()).find(|(candidate, _)| candidate == name).map(|(_, value)| value.clone())
        };
        let repeated = |name: &str| parameters.iter().filter(|(one, _)| one == name).count() > 1;

        if repeated("client_id") || repeated("redirect_uri") {
            return Err(Fault::Untrusted("A parameter is there twice."));
        }
        if get("client_id").as_ref() != Some(&config.client_id) {
            return Err(Fault::Untrusted("No application with this client_id is registered."));
        }
        let redirect_uri = get("redirect_uri")
            .filter(|uri| approved(uri, &config.redirect_uris))
            .ok_or(Fault::Untrusted("The redirect_uri is missing or not approved for this application."))?;
        let state = get("state");
        let refused = |error, description| Fault::Refused {
            redirect_uri: redirect_uri.clone(),
            state: state.clone(),
            error,
            description,
        };
        if parameters.iter().any(|(name, _)| repeated(name)) {
            return Err(refused("invalid_request", "a parameter is there twice"));
        }
        match get("response_type").as_deref() {
            Some("code") => {}
            Some(_) => {
                let description = "only response_type=code is supported";
                return Err(refused("unsupported_response_type", description));
            }
            None => return Err(refused("invalid_request", "response_type is missing")),
        }
        let challenge = match (pkce, get("code_challenge"), get("code_challenge_method")) {
            (PkceMode::Ignore, ..) | (_, None, None) => None,
            (PkceMode::Reject, ..) => {
                return Err(refused("invalid_request", "code_challenge is not supported"));
            }
            (PkceMode::Verify, Some(challenge), Some(method))
                if method == "S256" && challenge.len() == 43 =>
            {
                Some(challenge)
            }
            (PkceMode::Verify, ..) => {
                let description = "code_challenge must be of method S256";
                return Err(refused("invalid_request", description));
            }
        };
        let mut scopes: Vec<String> = Vec::new();
        for scope in get("scope").unwrap_or_default().split([' ', ',']) {
            if !scope.is_empty() && !scopes.iter().any(|known| known == scope) {
                scopes.push(scope.to_owned());
            }
        }
        Ok(Self { scopes, challenge, identity_provider: get("identity_provider"), state, redirect_uri })
    }
}

fn approved(uri: &str, list: &[String]) -> bool {
    if !list.is_empty() {
        return list.iter().any(|one| one == uri);
    }
    Url::parse(uri).is_ok_and(|url| {
        let loopback = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        matches!(url.scheme(), "http" | "https") && loopback && url.fragment().is_none()
    })
}

/// The origin of a redirect URI as a source in a Content-Security-Policy. `None` where the
/// grammar has no word for it, as for an IPv6 address.
pub(crate) fn origin_for_csp(redirect_uri: &str) -> Option<String> {
    let url = Url::parse(redirect_uri).ok()?;
    if matches!(url.host()?, Host::Ipv6(_)) {
        return None;
    }
    Some(url.origin().ascii_serialization())
}
