//! The three cookies: their names, their attributes, and how they are read.
//!
//! A browser may send several `Cookie` lines (RFC 9113 section 8.2.3), foreign cookies of any
//! form, and cookies of our name that a neighbour planted (RFC 6265bis section 8.6). So the
//! header is read here once, by hand and to the letter, and what is handed on to actix-session is
//! one well-formed line with at most our session cookie.

use actix_web::cookie::time::Duration as CookieDuration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::dev::ServiceRequest;
use actix_web::http::header::{self, HeaderValue};

use crate::login::{Binding, LOGIN_LIFETIME};
use crate::model::{Digest, Timestamp};
use crate::oauth::State;

/// How many logins one browser may have in progress; the oldest goes.
const MAX_PENDING_LOGINS: usize = 8;

/// The cookies of one deployment.
#[derive(Debug, Clone)]
pub struct CookieNames {
    session: String,
    visitor: String,
    login_prefix: String,
    secure: bool,
}

/// What a browser sent.
#[derive(Debug, Clone, Default)]
pub struct PresentedCookies {
    session: Presented,
    visitor: Presented,
    logins: Vec<PendingLogin>,
}

/// A cookie that a browser has one of, as sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Presented {
    /// None.
    #[default]
    Absent,
    /// One value.
    One(String),
    /// Several values: one of them is planted, and it is not known which.
    Conflicting,
}

/// The cookie of a login in progress.
#[derive(Debug, Clone, PartialEq, Eq)]
struct PendingLogin {
    name: String,
    /// Seconds since the epoch at which it was set.
    since: u64,
    binding: Binding,
}

impl CookieNames {
    /// The names with the prefix that makes browsers hold us to `Secure`, `HttpOnly`, `Path=/` and
    /// no `Domain` (RFC 6265bis section 4.1.3); without it where there is no https.
    pub fn new(secure: bool) -> Self {
        let prefix = if secure { "__Host-Http-" } else { "" };
        let name = |rest: &str| format!("{prefix}whisk{rest}");
        Self { session: name(""), visitor: name("-visitor"), login_prefix: name("-login-"), secure }
    }

    /// The session cookie's name.
    pub fn session(&self) -> &str {
        &self.session
    }

    /// The visitor cookie's name.
    pub fn visitor(&self) -> &str {
        &self.visitor
    }

    /// Whether cookies are `Secure`.
    pub fn secure(&self) -> bool {
        self.secure
    }

    /// Reads all `Cookie` lines.
    pub fn read<'a>(&self, lines: impl IntoIterator<Item = &'a [u8]>) -> PresentedCookies {
        let mut presented = PresentedCookies::default();
        for (name, value) in lines.into_iter().flat_map(pairs) {
            self.take_in(&mut presented, name, value);
        }
        presented
    }

    /// Reads what all `Cookie` lines say of the session, and nothing else.
    pub fn read_session<'a>(&self, lines: impl IntoIterator<Item = &'a [u8]>) -> Presented {
        let mut presented = Presented::default();
        for (name, value) in lines.into_iter().flat_map(pairs) {
            if name == self.session {
                presented.take_in(value);
            }
        }
        presented
    }

    fn take_in(&self, presented: &mut PresentedCookies, name: &str, value: &str) {
        if name == self.session {
            presented.session.take_in(value);
        } else if name == self.visitor {
            presented.visitor.take_in(value);
        } else if name.starts_with(&self.login_prefix)
            && let Some((since, binding)) = value.split_once('.')
            && let Ok(since) = since.parse()
            // More than any browser of ours has; the header is no place to fill our memory from.
            && presented.logins.len() < 4 * MAX_PENDING_LOGINS
        {
            let binding = Binding::from_cookie(binding);
            presented.logins.push(PendingLogin { name: name.to_owned(), since, binding });
        }
    }

    /// Leaves in the request one `Cookie` line with `value` for the session, or none.
    pub fn leave_session(&self, request: &mut ServiceRequest, value: Option<&str>) {
        let headers = request.headers_mut();
        headers.remove(header::COOKIE);
        if let Some(value) = value
            && let Ok(line) = HeaderValue::from_str(&format!("{}={value}", self.session))
        {
            headers.insert(header::COOKIE, line);
        }
    }

    /// The cookie of a new login.
    pub fn login(&self, state: &State, binding: &Binding, now: Timestamp) -> Cookie<'static> {
        let value = format!("{}.{}", now.as_millis() / 1000, binding.expose());
        let lifetime = i64::try_from(LOGIN_LIFETIME.as_secs()).unwrap_or(600);
        self.login_cookie(self.login_name(state), value, CookieDuration::seconds(lifetime))
    }

    /// Takes a login's cookie away from the browser.
    pub fn end_login(&self, name: String) -> Cookie<'static> {
        self.login_cookie(name, String::new(), CookieDuration::ZERO)
    }

    /// Takes the session's cookie away from the browser.
    pub fn end_session(&self, same_site: SameSite) -> Cookie<'static> {
        Cookie::build(self.session.clone(), "")
            .path("/")
            .secure(self.secure)
            .http_only(true)
            .same_site(same_site)
            .max_age(CookieDuration::ZERO)
            .finish()
    }

    /// The name of a login's cookie: it must not tell the `state`, and need not be unguessable.
    pub fn login_name(&self, state: &State) -> String {
        let digest = Digest::of("login cookie", state.as_str().as_bytes()).short();
        format!("{}{digest}", self.login_prefix)
    }

    /// `Lax`: the callback comes from another site.
    fn login_cookie(&self, name: String, value: String, max_age: CookieDuration) -> Cookie<'static> {
        Cookie::build(name, value)
            .path("/")
            .secure(self.secure)
            .http_only(true)
            .same_site(SameSite::Lax)
            .max_age(max_age)
            .finish()
    }
}

/// The cookies of one line. Our own are ASCII; a piece that is not UTF-8 is none of them.
fn pairs(line: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    let pieces = line.split(|byte| *byte == b';');
    let pairs = pieces.filter_map(|piece| std::str::from_utf8(piece).ok()?.split_once('='));
    pairs.map(|(name, value)| (name.trim(), value.trim()))
}

impl Presented {
    fn take_in(&mut self, value: &str) {
        *self = match std::mem::take(self) {
            Self::Absent => Self::One(value.to_owned()),
            Self::One(other) if other == value => Self::One(other),
            _ => Self::Conflicting,
        };
    }
}

impl PresentedCookies {
    /// The session cookie.
    pub fn session(&self) -> &Presented {
        &self.session
    }

    /// The visitor cookie.
    pub fn visitor(&self) -> &Presented {
        &self.visitor
    }

    /// The binding of the login of that cookie name.
    pub fn login(&self, name: &str) -> Option<&Binding> {
        self.logins.iter().find(|login| login.name == name).map(|login| &login.binding)
    }

    /// The names of the oldest logins' cookies, as many as must go so that one more fits.
    pub fn surplus_logins(&self) -> Vec<String> {
        let mut logins: Vec<_> = self.logins.iter().collect();
        logins.sort_by_key(|login| login.since);
        let surplus = (logins.len() + 1).saturating_sub(MAX_PENDING_LOGINS);
        logins.into_iter().take(surplus).map(|login| login.name.clone()).collect()
    }
}
