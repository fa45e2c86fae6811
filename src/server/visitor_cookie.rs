//! The visitor cookie: by it the first calls of a browser without a session are known to be one
//! browser's.
//!
//! Signed as the session's cookie is, so that nobody makes up visitors, and under a key of its own
//! kind, so that neither passes for the other.

use std::sync::Arc;

use actix_web::cookie::time::Duration as CookieDuration;
use actix_web::cookie::{Cookie, Key, SameSite};
use actix_web::{HttpMessage, HttpRequest};
use arc_swap::ArcSwap;

use super::cookie_keys::{signed_value, verify};
use super::cookies::{CookieNames, Presented, PresentedCookies};
use crate::clock::SharedClock;
use crate::crypto::{KeyRing, SealingKey, random_bytes};
use crate::model::Visitor;

/// Issues and reads visitor cookies. Cheap to clone.
#[derive(Debug, Clone)]
pub struct VisitorCookies {
    names: CookieNames,
    ring: Arc<ArcSwap<KeyRing>>,
    clock: SharedClock,
}

impl VisitorCookies {
    /// Cookies of that name, signed under keys of `ring`.
    pub fn new(names: CookieNames, ring: Arc<ArcSwap<KeyRing>>, clock: SharedClock) -> Self {
        Self { names, ring, clock }
    }

    /// The visitor that a browser is known as, if it has a genuine cookie that still holds.
    pub(super) fn read(&self, request: &HttpRequest) -> Option<Visitor> {
        let Presented::One(value) = request.extensions().get::<PresentedCookies>()?.visitor().clone() else {
            return None;
        };
        let cookie = Cookie::new(self.names.visitor().to_owned(), value);
        let ring = self.ring.load();
        let mut keys = std::iter::once(ring.active()).chain(ring.retired());
        let opened = keys.find_map(|key| verify(cookie.clone(), &visitor_key(key)))?;
        Visitor::parse(opened.value()).filter(|visitor| visitor.is_current(self.clock.now()))
    }

    /// The cookie of a new visitor.
    pub(super) fn issue(&self) -> Cookie<'static> {
        let visitor = Visitor::from_random(random_bytes(), self.clock.now());
        let cookie = Cookie::new(self.names.visitor().to_owned(), visitor.expose());
        let value = signed_value(cookie, &visitor_key(self.ring.load().active()));
        let lifetime = CookieDuration::try_from(Visitor::LIFETIME).unwrap_or(CookieDuration::ZERO);
        self.cookie(value, lifetime)
    }

    /// Takes the cookie away from the browser.
    pub(super) fn end(&self) -> Cookie<'static> {
        self.cookie(String::new(), CookieDuration::ZERO)
    }

    fn cookie(&self, value: String, max_age: CookieDuration) -> Cookie<'static> {
        Cookie::build(self.names.visitor().to_owned(), value)
            .path("/")
            .secure(self.names.secure())
            .http_only(true)
            .same_site(SameSite::Strict)
            .max_age(max_age)
            .finish()
    }
}

/// A key of its own for visitors, from a sealing key.
fn visitor_key(key: &SealingKey) -> Key {
    Key::from(&*key.derive("visitor cookie"))
}
