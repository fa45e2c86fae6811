//! Asking the authorization server.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Response, redirect, retry};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use url::Url;
use zeroize::Zeroizing;

use super::encoding::{self, Parameters};
use super::{
    AuthorizationCode, AuthorizationRequest, BuildError, CodeVerifier, Error, ErrorCode, Grant, Granted,
    InvalidAnswer, Unavailable, grant,
};
use crate::clock::SharedClock;
use crate::model::{RefreshToken, Scopes, Timestamp};
use crate::settings::{self, ClientAuth};

#[cfg(test)]
mod tests;

/// This client of the authorization server. A clone is a handle to the same client.
///
/// A call that is dropped half-way may still be carried out by the server, and its tokens are
/// then lost: run it in a task of its own.
#[derive(Debug, Clone)]
pub struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    http: reqwest::Client,
    token_url: Url,
    whisk: settings::Whisk,
    redirect_uri: String,
    clock: SharedClock,
    /// Calls that may be under way at once. Waiting for one counts into the call's time.
    slots: Semaphore,
}

impl Client {
    /// Calls under way at once; a burst beyond it waits, and the server is spared it.
    pub const MAX_CONCURRENT: usize = 64;
    /// Longest answer read, in bytes.
    pub const MAX_ANSWER: usize = 64 * 1024;
    /// Longest wait for a connection, TLS included; half of `whisk.timeout` where that is less.
    const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

    /// A client by the settings. `redirect_uri` is where callbacks come to, character by
    /// character as it is registered with Whisk: it is sent as it is (RFC 6749 section 4.1.3).
    ///
    /// # Errors
    /// [`BuildError::RedirectUri`] unless that is an absolute URI without a fragment;
    /// [`BuildError::Http`] where the HTTP client cannot be made.
    pub fn new(
        settings: &settings::Whisk,
        redirect_uri: String,
        clock: SharedClock,
    ) -> Result<Self, BuildError> {
        match Url::parse(&redirect_uri) {
            Ok(url) if url.has_host() && url.fragment().is_none() => {}
            _ => return Err(BuildError::RedirectUri),
        }
        Ok(Self(Arc::new(Inner {
            http: http(settings.timeout).map_err(|error| BuildError::Http(error.without_url()))?,
            token_url: settings.token_url(),
            whisk: settings.clone(),
            redirect_uri,
            clock,
            slots: Semaphore::new(Self::MAX_CONCURRENT),
        })))
    }

    /// Where a browser is sent to log in.
    pub fn authorization_url(&self, request: &AuthorizationRequest<'_>) -> String {
        request.url(&self.0.whisk, &self.0.redirect_uri, &self.requested_scopes().to_parameter())
    }

    /// Where callbacks come to.
    pub fn redirect_uri(&self) -> &str {
        &self.0.redirect_uri
    }

    /// Whether logins carry a code challenge (`whisk.pkce`).
    pub fn uses_pkce(&self) -> bool {
        self.0.whisk.pkce
    }

    /// The scopes that logins ask for (`whisk.scopes`).
    pub fn requested_scopes(&self) -> Scopes {
        Scopes::collect(self.0.whisk.scopes.iter().map(String::as_str))
    }

    /// What `iss` of a callback must be if it is there (`whisk.issuer`, RFC 9207).
    pub fn issuer(&self) -> Option<&str> {
        self.0.whisk.issuer.as_deref()
    }

    /// Exchanges a code for tokens (RFC 6749 section 4.1.3). The code is used up unless the
    /// error is [`Unavailable::NotSent`]. `verifier` is that of the login the code is from.
    ///
    /// # Errors
    /// [`Error`], by what it says of the code.
    pub async fn exchange(
        &self,
        code: &AuthorizationCode,
        verifier: Option<&CodeVerifier>,
    ) -> Result<Granted, Error> {
        let mut parameters = vec![("code", code.expose()), ("redirect_uri", &self.0.redirect_uri)];
        if let Some(verifier) = verifier {
            parameters.push(("code_verifier", verifier.expose()));
        }
        self.call(Grant::AuthorizationCode, &parameters).await
    }

    /// Exchanges a refresh token for tokens of the same scope (RFC 6749 section 6).
    ///
    /// # Errors
    /// [`Error`], by what it says of the refresh token.
    pub async fn refresh(&self, token: &RefreshToken) -> Result<Granted, Error> {
        self.call(Grant::RefreshToken, &[("refresh_token", token.expose())]).await
    }

    /// Exchanges the refresh token of an anonymous user. It was handed out to a client that had
    /// proven nothing but its id, and whether the secret applies is not documented (fact W21): it
    /// is kept back unless the server asks for it, which leaves the token as it was.
    ///
    /// # Errors
    /// [`Error`], by what it says of the refresh token.
    pub async fn refresh_anonymous(&self, token: &RefreshToken) -> Result<Granted, Error> {
        let parameters = [("refresh_token", token.expose())];
        match self.call_as(Proof::Id, Grant::RefreshToken, &parameters).await {
            Err(Error::Refused(ErrorCode::InvalidClient)) => {
                self.call(Grant::RefreshToken, &parameters).await
            }
            answer => answer,
        }
    }

    async fn call(&self, grant: Grant, parameters: &Parameters<'_>) -> Result<Granted, Error> {
        self.call_as(Proof::Secret, grant, parameters).await
    }

    async fn call_as(
        &self,
        proof: Proof,
        grant: Grant,
        parameters: &Parameters<'_>,
    ) -> Result<Granted, Error> {
        let deadline = Instant::now() + self.0.whisk.timeout;
        let Ok(Ok(_slot)) = timeout_at(deadline, self.0.slots.acquire()).await else {
            return Err(Error::Unavailable(Unavailable::NotSent));
        };
        let asked_at = self.0.clock.now();
        let answer = timeout_at(deadline, async {
            let response = self.send(proof, grant, parameters).await?;
            self.read(response, asked_at).await
        });
        let outcome = answer.await.unwrap_or(Err(Error::Unavailable(Unavailable::Timeout)));
        // Without a secret that is a question, and is answered.
        if (proof, &outcome) != (Proof::Id, &Err(Error::Refused(ErrorCode::InvalidClient))) {
            alert(grant, &outcome);
        }
        outcome
    }

    async fn send(&self, proof: Proof, grant: Grant, parameters: &Parameters<'_>) -> Result<Response, Error> {
        let whisk = &self.0.whisk;
        let mut all = vec![("grant_type", grant.as_str())];
        all.extend_from_slice(parameters);
        let mut request = self.0.http.post(self.0.token_url.clone());
        // One method, never both (RFC 6749 section 2.3).
        let (id, secret) = (whisk.client_id.as_str(), whisk.client_secret.expose());
        match (proof, whisk.client_auth) {
            (Proof::Id, _) => all.push(("client_id", id)),
            (Proof::Secret, ClientAuth::Body) => all.extend([("client_id", id), ("client_secret", secret)]),
            (Proof::Secret, ClientAuth::Basic) => {
                let password = encoding::credential(secret);
                request = request.basic_auth(encoding::credential(id).as_str(), Some(password.as_str()));
            }
        }
        let encoded = encoding::encode(whisk.token_encoding, &all);
        let request = request
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, encoded.content_type)
            .body(encoded.body);
        request.send().await.map_err(lost)
    }

    async fn read(&self, response: Response, asked_at: Timestamp) -> Result<Granted, Error> {
        let status = response.status().as_u16();
        match status {
            200 => grant::granted(&body(response).await?, asked_at).map_err(Error::Invalid),
            400 | 401 | 403 => Err(match grant::refused(&body(response).await?) {
                Some(code) => Error::Refused(code),
                None => Error::Invalid(InvalidAnswer::Status(status)),
            }),
            429 | 500..=599 => {
                let retry_after = response.headers().get(RETRY_AFTER);
                let retry_after = retry_after.and_then(|value| wait(value, self.0.clock.now()));
                Err(Error::Unavailable(Unavailable::Status { status, retry_after }))
            }
            _ => Err(Error::Invalid(InvalidAnswer::Status(status))),
        }
    }
}

/// How the client shows who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// By its id and its secret, as `whisk.client_auth` has it.
    Secret,
    /// By its id alone (RFC 6749 section 3.2.1).
    Id,
}

pub(super) fn http(timeout: Duration) -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
        .http1_only()
        .no_proxy()
        .referer(false)
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        // A connection of its own for each call: a kept one may turn out dead when the request
        // is on it, and then nobody knows whether the token was used up.
        .pool_max_idle_per_host(0)
        .tcp_nodelay(true)
        .connect_timeout(Client::CONNECT_TIMEOUT.min(timeout / 2))
        .build()
}

/// The whole body, in memory that is wiped: an answer's start may hold a token though its end
/// is nonsense.
pub(super) async fn body(mut response: Response) -> Result<Zeroizing<Vec<u8>>, Error> {
    const TOO_LARGE: Error = Error::Invalid(InvalidAnswer::TooLarge);
    let declared = response.content_length().map_or(Ok(Client::MAX_ANSWER), usize::try_from);
    let room = declared.ok().filter(|length| *length <= Client::MAX_ANSWER).ok_or(TOO_LARGE)?;
    // Never grown, which would leave copies behind.
    let mut body = Zeroizing::new(Vec::with_capacity(room));
    while let Some(piece) = response.chunk().await.map_err(lost)? {
        if body.len() + piece.len() > room {
            return Err(TOO_LARGE);
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// Sorts an HTTP client's error by whether the server may have seen the request.
pub(super) fn lost(error: reqwest::Error) -> Error {
    let error = error.without_url();
    let causes: Vec<String> =
        std::iter::successors(error.source(), |cause| (*cause).source()).map(ToString::to_string).collect();
    let unavailable =
        if error.is_connect() || error.is_builder() { Unavailable::NotSent } else { Unavailable::Lost };
    tracing::debug!(causes = causes.join(": "), "{unavailable}");
    Error::Unavailable(unavailable)
}

/// `Retry-After` (RFC 9110 section 10.2.3): seconds, or a date in the one form that servers
/// send (`Sun, 06 Nov 1994 08:49:37 GMT`).
pub(super) fn wait(value: &HeaderValue, now: Timestamp) -> Option<Duration> {
    const LONGEST: Duration = Duration::from_secs(3600);
    let text = value.to_str().ok()?;
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => date(text)?.since(now),
    };
    Some(wait.min(LONGEST))
}

fn date(text: &str) -> Option<Timestamp> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = text.split(' ').skip(1);
    let (day, month, year, time) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let moment = humantime::parse_rfc3339(&format!("{year}-{month:02}-{day}T{time}Z")).ok()?;
    let since_epoch = moment.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(Timestamp::from_millis(u64::try_from(since_epoch.as_millis()).ok()?))
}

/// Tells an operator what no caller can mend, with the setting to look at.
fn alert(grant: Grant, outcome: &Result<Granted, Error>) {
    let grant = grant.as_str();
    match outcome {
        Ok(Granted { alert: Some(alert), .. }) => {
            tracing::warn!(grant, alert = alert.as_str(), "odd token response; expiry taken as unknown");
        }
        Err(Error::Refused(code)) => {
            let check = match code {
                ErrorCode::InvalidGrant => return,
                ErrorCode::InvalidClient => "whisk.client_id, whisk.client_secret, whisk.client_auth",
                ErrorCode::UnauthorizedClient => "whisk.client_id, and what Whisk has approved it for",
                ErrorCode::UnsupportedGrantType => "whisk.token_path, whisk.token_encoding",
                ErrorCode::InvalidScope => "whisk.scopes",
                ErrorCode::InvalidRequest => "whisk.token_encoding, whisk.client_auth, whisk.pkce",
                ErrorCode::Other => "whisk.login_url, whisk.token_path",
            };
            tracing::warn!(grant, error = code.as_str(), check, "the token endpoint refuses this client");
        }
        _ => {}
    }
}
