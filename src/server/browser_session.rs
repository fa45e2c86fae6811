//! The session cookie: actix-session owns it, and it holds no more than the session's id.
//!
//! actix-session keeps a map a session and rewrites it whole with each change, the last writer
//! winning; tokens must not live there. So its store is no store: [`IdStore`] turns the cookie's
//! id into the map `{"id": …}` and back, and reads and writes nothing. What the id names is the
//! business of the token vault.
//!
//! It sees the broker's own routes. A call only asks which session it belongs to, and nearly never
//! changes the cookie: [`CookieKeys`](super::CookieKeys) verifies and sets it for [`super::calls`].

use std::collections::HashMap;
use std::future::{Ready, ready};

use actix_session::config::{CookieContentSecurity, PersistentSession};
use actix_session::storage::{LoadError, SaveError, SessionKey, SessionStore, UpdateError};
use actix_session::{Session, SessionExt, SessionMiddleware};
use actix_web::cookie::time::Duration as CookieDuration;
use actix_web::cookie::{Key, SameSite};
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use super::cookies::CookieNames;
use crate::model::SessionId;

const ID: &str = "id";

/// Turns the cookie's id into actix-session's map, and back.
#[derive(Debug, Clone, Copy)]
pub struct IdStore;

impl SessionStore for IdStore {
    async fn load(&self, key: &SessionKey) -> Result<Option<HashMap<String, String>>, LoadError> {
        // A well-sealed cookie may still hold the id of an older form: no session then.
        let known = SessionId::parse(key.as_ref()).is_some();
        Ok(known.then(|| HashMap::from([(ID.to_owned(), format!("\"{}\"", key.as_ref()))])))
    }

    async fn save(
        &self,
        state: HashMap<String, String>,
        _: &CookieDuration,
    ) -> Result<SessionKey, SaveError> {
        let id = state.get(ID).map(|text| text.trim_matches('"').to_owned()).unwrap_or_default();
        SessionKey::try_from(id).map_err(|error| SaveError::Other(error.into()))
    }

    async fn update(
        &self,
        key: SessionKey,
        _: HashMap<String, String>,
        _: &CookieDuration,
    ) -> Result<SessionKey, UpdateError> {
        Ok(key)
    }

    async fn update_ttl(&self, _: &SessionKey, _: &CookieDuration) -> Result<(), anyhow::Error> {
        Ok(())
    }

    async fn delete(&self, _: &SessionKey) -> Result<(), anyhow::Error> {
        Ok(())
    }
}

/// actix-session, as we use it: a signed cookie with a `Max-Age`, set only when told to.
pub fn session_middleware(
    names: &CookieNames,
    key: Key,
    same_site: SameSite,
    max_age: std::time::Duration,
) -> SessionMiddleware<IdStore> {
    let max_age = CookieDuration::try_from(max_age).unwrap_or(CookieDuration::days(365));
    SessionMiddleware::builder(IdStore, key)
        .cookie_name(names.session().to_owned())
        .cookie_path("/".to_owned())
        .cookie_secure(names.secure())
        .cookie_http_only(true)
        .cookie_same_site(same_site)
        .cookie_content_security(CookieContentSecurity::Signed)
        .session_lifecycle(PersistentSession::default().session_ttl(max_age))
        .build()
}

/// The session that a browser names, which may or may not exist.
pub struct BrowserSession {
    session: Session,
    id: Option<SessionId>,
}

impl BrowserSession {
    /// The id in the cookie, if there is a genuine one.
    pub fn id(&self) -> Option<&SessionId> {
        self.id.as_ref()
    }

    /// Gives the browser the cookie of a new session.
    pub fn begin(&self, id: &SessionId) {
        self.session.renew();
        // A text always serialises.
        drop(self.session.insert(ID, id.expose()));
    }

    /// Takes the cookie away, if there is a genuine one.
    pub fn forget(&self) {
        self.session.purge();
    }
}

impl std::fmt::Debug for BrowserSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("BrowserSession").field(&self.id).finish()
    }
}

impl FromRequest for BrowserSession {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let session = request.get_session();
        let id = session.get::<String>(ID).ok().flatten().and_then(|text| SessionId::parse(&text));
        ready(Ok(Self { session, id }))
    }
}
