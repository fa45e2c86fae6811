//! One cookie key for actix-session, several keys in the ring.
//!
//! actix-session knows a single key. Around it, this layer lets a key rotation pass unnoticed: a
//! cookie signed under any key of the ring is signed anew under the one that actix-session has,
//! and a cookie that goes out is signed under the ring's active key. While the ring holds only
//! the key that actix-session started with, no cookie is signed anew.
//!
//! The cookie of a call, which actix-session does not see, is verified and made here.

mod signature;

use std::borrow::Cow;
use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::cookie::time::Duration as CookieDuration;
use actix_web::cookie::{Cookie, CookieJar, Key, SameSite};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage};
use arc_swap::ArcSwap;
use signature::Signature;

use super::cookies::{CookieNames, Presented};
use crate::crypto::{KeyId, KeyRing, SealingKey};
use crate::model::SessionId;

/// Reads the request's cookies, and hands the session's on under the key that actix-session has.
#[derive(Clone)]
pub struct CookieKeys {
    names: CookieNames,
    ring: Arc<ArcSwap<KeyRing>>,
    /// The key that actix-session was given.
    anchor: KeyId,
    anchor_key: Key,
    /// Opens cookies that are signed under it.
    signature: Signature,
    same_site: SameSite,
    max_age: CookieDuration,
}

impl std::fmt::Debug for CookieKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CookieKeys").field("anchor", &self.anchor).finish_non_exhaustive()
    }
}

impl CookieKeys {
    /// For an actix-session that is given [`Self::key`].
    pub fn new(
        names: CookieNames,
        ring: Arc<ArcSwap<KeyRing>>,
        same_site: SameSite,
        max_age: std::time::Duration,
    ) -> Self {
        let active = ring.load().active().clone();
        let max_age = CookieDuration::try_from(max_age).unwrap_or(CookieDuration::days(365));
        let anchor_key = cookie_key(&active);
        let (anchor, signature) = (active.id().clone(), Signature::new(&anchor_key));
        Self { names, anchor, anchor_key, signature, ring, same_site, max_age }
    }

    /// The key for actix-session.
    pub fn key(&self) -> Key {
        self.anchor_key.clone()
    }

    /// The middleware.
    ///
    /// # Errors
    /// Those of the services inside.
    pub async fn pass<B: MessageBody>(
        &self,
        mut request: ServiceRequest,
        next: Next<B>,
    ) -> Result<ServiceResponse<B>, Error> {
        let lines = request.headers().get_all(header::COOKIE);
        let presented = self.names.read(lines.map(HeaderValue::as_bytes));
        let value = match presented.session() {
            Presented::One(value) => self.inbound(value),
            Presented::Absent | Presented::Conflicting => None,
        };
        self.names.leave_session(&mut request, value.as_deref());
        request.extensions_mut().insert(presented);
        let mut response = next.call(request).await?;
        let resign = *self.ring.load().active().id() != self.anchor;
        if resign || response.headers().contains_key(header::SET_COOKIE) {
            self.outbound(&mut response, resign);
        }
        Ok(response)
    }

    /// Which session a call's `Cookie` lines name.
    pub fn judge<'a>(&self, lines: impl IntoIterator<Item = &'a [u8]>) -> Judged {
        match self.names.read_session(lines) {
            Presented::Absent => Judged::Absent,
            Presented::Conflicting => Judged::Unknown,
            Presented::One(value) => {
                let id = self.inbound(&value).and_then(|value| self.signature.open(&value));
                id.map_or(Judged::Unknown, Judged::Genuine)
            }
        }
    }

    /// `Set-Cookie` for a call's session, as actix-session would set it, with the whole `Max-Age`.
    pub(super) fn renewal(&self, id: &SessionId) -> String {
        let mut cookie = self.names.end_session(self.same_site);
        cookie.set_max_age(self.max_age);
        let opened = Cookie::new(cookie.name().to_owned(), id.expose());
        let active = self.ring.load();
        let key = (*active.active().id() != self.anchor).then(|| cookie_key(active.active()));
        cookie.set_value(signed_value(opened, key.as_ref().unwrap_or(&self.anchor_key)));
        cookie.encoded().to_string()
    }

    /// `Set-Cookie` that takes a call's session away from the browser.
    pub(super) fn removal(&self) -> String {
        self.names.end_session(self.same_site).encoded().to_string()
    }

    /// The cookie's value under the anchor's key.
    fn inbound<'a>(&self, value: &'a str) -> Option<Cow<'a, str>> {
        let ring = self.ring.load();
        if ring.retired().is_empty() && *ring.active().id() == self.anchor {
            return Some(value.into());
        }
        let cookie = Cookie::parse_encoded(format!("{}={value}", self.names.session())).ok()?.into_owned();
        if verify(cookie.clone(), &self.anchor_key).is_some() {
            return Some(value.into());
        }
        let keys = std::iter::once(ring.active()).chain(ring.retired());
        let opened = keys.map(cookie_key).find_map(|key| verify(cookie.clone(), &key))?;
        Some(sign(opened, &self.anchor_key).into())
    }

    /// Gives the session's `Set-Cookie` its final form: signed under the ring's active key, and
    /// with `Max-Age` alone where it takes the cookie away (actix-session adds `Expires`).
    fn outbound<B>(&self, response: &mut ServiceResponse<B>, resign: bool) {
        let key = resign.then(|| cookie_key(self.ring.load().active()));
        let lines: Vec<HeaderValue> = response.headers().get_all(header::SET_COOKIE).cloned().collect();
        response.headers_mut().remove(header::SET_COOKIE);
        for line in lines {
            let line = self.finished(&line, key.as_ref()).unwrap_or(line);
            response.headers_mut().append(header::SET_COOKIE, line);
        }
    }

    fn finished(&self, line: &HeaderValue, key: Option<&Key>) -> Option<HeaderValue> {
        let mut cookie = Cookie::parse_encoded(line.to_str().ok()?).ok()?.into_owned();
        if cookie.name() != self.names.session() {
            return None;
        }
        cookie.unset_expires();
        if let (Some(key), Some(opened)) = (key, verify(cookie.clone(), &self.anchor_key)) {
            // Verifying gives the value alone; the attributes are those of the line.
            let opened = Cookie::build(opened.name().to_owned(), opened.value().to_owned()).finish();
            cookie.set_value(signed_value(opened, key));
        }
        HeaderValue::from_str(&cookie.encoded().to_string()).ok()
    }
}

/// What a session cookie is worth before anybody is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judged {
    /// There is none.
    Absent,
    /// It is not ours.
    Unknown,
    /// We set it; its session may have ended.
    Genuine(SessionId),
}

/// A key of its own for cookies, from a sealing key.
fn cookie_key(key: &SealingKey) -> Key {
    Key::from(&*key.derive("session cookie"))
}

pub(super) fn verify(cookie: Cookie<'static>, key: &Key) -> Option<Cookie<'static>> {
    CookieJar::new().signed(key).verify(cookie)
}

pub(super) fn signed_value(cookie: Cookie<'static>, key: &Key) -> String {
    let name = cookie.name().to_owned();
    let mut jar = CookieJar::new();
    jar.signed_mut(key).add(cookie);
    jar.get(&name).map(|signed| signed.value().to_owned()).unwrap_or_default()
}

/// The value as a `Cookie` header writes it.
fn sign(cookie: Cookie<'static>, key: &Key) -> String {
    let name = cookie.name().to_owned();
    let signed = Cookie::new(name, signed_value(cookie, key));
    signed
        .encoded()
        .stripped()
        .to_string()
        .split_once('=')
        .map(|(_, value)| value.to_owned())
        .unwrap_or_default()
}
