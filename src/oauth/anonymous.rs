//! Creating an anonymous user, which is Whisk's own invention and not in any RFC.
//!
//! Whisk's pages and public clients show four forms of the call. What is sent is a matter of
//! settings; what comes back is read alike: the token stands in `token`, in
//! `authenticated.token`, or at the top. The call proves nothing but the client id. No secret is
//! sent, and of the browser's request nothing at all: `Origin`, by which Whisk looks into its list
//! of domains, is the one in the settings (facts W20–W23).

use std::sync::Arc;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue, ORIGIN, RETRY_AFTER};
use reqwest::{Response, Url};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::client::{body, http, lost, wait};
use super::grant::granted;
use super::wire::{Loose, object};
use super::{BuildError, Client, Error, Granted, InvalidAnswer, Unavailable};
use crate::clock::SharedClock;
use crate::model::Timestamp;
use crate::settings;

/// Where anonymous users are created. A clone is a handle to the same client.
///
/// A call that is dropped half-way may still be carried out, and its user is then lost: run it in
/// a task of its own.
#[derive(Debug, Clone)]
pub struct AnonymousEndpoint(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    http: reqwest::Client,
    url: Url,
    origin: HeaderValue,
    client_id: Option<(HeaderName, HeaderValue)>,
    body: String,
    timeout: std::time::Duration,
    clock: SharedClock,
    /// Calls that may be under way at once. Waiting for one counts into the call's time.
    slots: Semaphore,
}

/// A user that Whisk created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnonymousUser {
    /// Whisk's name for the user, where it told one.
    pub user_id: Option<String>,
    /// The user's tokens.
    pub granted: Granted,
}

impl AnonymousEndpoint {
    /// The endpoint by the settings. `public_origin` is `server.public_url`, which is sent as
    /// `Origin` where the settings name no other.
    ///
    /// # Errors
    /// [`BuildError::ClientId`] where the client id is to stand in a header and cannot;
    /// [`BuildError::Http`] where the HTTP client cannot be made.
    pub fn new(
        settings: &settings::Settings,
        public_origin: &str,
        clock: SharedClock,
    ) -> Result<Self, BuildError> {
        let (whisk, anonymous) = (&settings.whisk, &settings.anonymous);
        let origin = anonymous.origin.as_ref().map_or(public_origin, |origin| origin.origin());
        let field = |name: &str, value: &str| {
            Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?))
        };
        let client_id = match &anonymous.client_id_header {
            Some(name) => Some(field(name, &whisk.client_id).ok_or(BuildError::ClientId)?),
            None => None,
        };
        Ok(Self(Arc::new(Inner {
            http: http(whisk.timeout).map_err(|error| BuildError::Http(error.without_url()))?,
            url: anonymous.create_url.clone(),
            origin: HeaderValue::from_str(origin).map_err(|_| BuildError::ClientId)?,
            client_id,
            body: anonymous.body.fill(&whisk.client_id),
            timeout: whisk.timeout,
            clock,
            slots: Semaphore::new(Client::MAX_CONCURRENT),
        })))
    }

    /// Creates a user. Made once: a call whose answer was lost may have created one.
    ///
    /// # Errors
    /// [`Error::Invalid`] or [`Error::Unavailable`]; never [`Error::Refused`], since nothing is
    /// sent that could be refused for itself.
    pub async fn create(&self) -> Result<AnonymousUser, Error> {
        let deadline = Instant::now() + self.0.timeout;
        let Ok(Ok(_slot)) = timeout_at(deadline, self.0.slots.acquire()).await else {
            return Err(Error::Unavailable(Unavailable::NotSent));
        };
        let asked_at = self.0.clock.now();
        let answer = timeout_at(deadline, async {
            let response = self.send().await?;
            self.read(response, asked_at).await
        });
        let outcome = answer.await.unwrap_or(Err(Error::Unavailable(Unavailable::Timeout)));
        alert(&outcome);
        outcome
    }

    async fn send(&self) -> Result<Response, Error> {
        let inner = &*self.0;
        let mut request = inner
            .http
            .post(inner.url.clone())
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/json")
            .header(ORIGIN, inner.origin.clone());
        if let Some((name, value)) = inner.client_id.clone() {
            request = request.header(name, value);
        }
        request.body(inner.body.clone()).send().await.map_err(lost)
    }

    async fn read(&self, response: Response, asked_at: Timestamp) -> Result<AnonymousUser, Error> {
        match response.status().as_u16() {
            // What is made is told by 201 elsewhere, and no page of Whisk's names the status.
            200 | 201 => created(&body(response).await?, asked_at).map_err(Error::Invalid),
            status @ (429 | 500..=599) => {
                let retry_after = response.headers().get(RETRY_AFTER);
                let retry_after = retry_after.and_then(|value| wait(value, self.0.clock.now()));
                Err(Error::Unavailable(Unavailable::Status { status, retry_after }))
            }
            status => Err(Error::Invalid(InvalidAnswer::Status(status))),
        }
    }
}

/// The members that matter, each as it is written.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default)]
    token: Option<&'a RawValue>,
    #[serde(borrow, default)]
    authenticated: Option<&'a RawValue>,
    #[serde(borrow, default)]
    user: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    id: Loose,
}

/// Reads the body of an answer. All of a user but its id is passed over (fact W29).
fn created(body: &[u8], asked_at: Timestamp) -> Result<AnonymousUser, InvalidAnswer> {
    let read = |body| object::<Answer<'_>>(body).ok_or(InvalidAnswer::NotJson);
    let mut body = body;
    let mut answer = read(body)?;
    if let (None, Some(authenticated)) = (answer.token, answer.authenticated) {
        body = authenticated.get().as_bytes();
        answer = read(body)?;
    }
    let token = answer.token.map_or(body, |token| token.get().as_bytes());
    Ok(AnonymousUser { user_id: answer.user.and_then(user_id), granted: granted(token, asked_at)? })
}

/// Longest user id kept, in bytes; Whisk's example has 35.
const MAX_USER_ID: usize = 256;

fn user_id(user: &RawValue) -> Option<String> {
    match object::<User>(user.get().as_bytes())?.id {
        Loose::Text(mut id) if (1..=MAX_USER_ID).contains(&id.len()) => Some(std::mem::take(&mut *id)),
        _ => None,
    }
}

/// Tells an operator what no caller can mend, with the setting to look at.
fn alert(outcome: &Result<AnonymousUser, Error>) {
    match outcome {
        Ok(AnonymousUser { granted: Granted { alert: Some(alert), .. }, .. }) => {
            let alert = alert.as_str();
            tracing::warn!(alert, "odd answer to the creation of an anonymous user; expiry taken as unknown");
        }
        Err(Error::Invalid(invalid)) => {
            let check = match invalid {
                InvalidAnswer::Status(403) => {
                    "anonymous.origin, and whether Whisk has that domain on its list of this client's"
                }
                InvalidAnswer::Status(400 | 401 | 422) => {
                    "whisk.client_id, anonymous.client_id_header, anonymous.body"
                }
                InvalidAnswer::Status(_) => "anonymous.create_url",
                _ => "anonymous.create_url, anonymous.body",
            };
            tracing::warn!(error = %invalid, check, "no anonymous user can be created");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
