//! What a browser's session is: a cookie that names a sealed record, which ends when it should.

mod at_rest;
mod cookie_reading;
mod cookies;
mod identity;
mod instances;
mod keys;
mod lifetimes;
mod logout;
mod operator;
mod records;
mod session_route;
mod slide;
mod store_away;

use crate::support::{Answer, Browser, Call};

/// What `fetch()` of a page would send with these cookies and no others.
pub(crate) fn with_cookie(target: &str, cookie: &str) -> Call {
    Call::get(target).no_cookies().header("cookie", cookie)
}

/// 401 for a session that is over, whether or not it is still known that it ever was.
#[track_caller]
pub(crate) fn assert_over(answer: &Answer) {
    let code = answer.header("x-whisk-bff-error");
    assert!(["login_required", "session_ended"].contains(&code), "{answer:?}");
    answer.assert_problem(401, code);
}

/// A browser of another instance set, or of a later time, with the same session cookie.
pub(crate) fn same_cookie(fresh: Browser, old: &Browser) -> Browser {
    fresh.set_cookie("__Host-Http-whisk", &old.session_cookie().expect("a session cookie"));
    fresh
}
