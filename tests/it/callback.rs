//! Coming back from the authorization page: what is refused, what is asked of the token endpoint
//! and how often, and the page that a person sees when it went wrong.

use crate::login::{first_visit, keys_of, login_cookies, of_callback, session_cookies};
use crate::support::{Answer, Browser, World};

mod once;
mod refused;
mod store_outages;
mod token_endpoint;

/// Contract §4 `GET /auth/callback`, R8, R10: the page of a fault, by every rule.
#[track_caller]
fn assert_fault_page(answer: &Answer, status: u16, code: &str) {
    answer.assert_problem(status, code);
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("location"), "");
    let policy = answer.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("script-src") && !policy.contains("unsafe"), "{policy}");
    let page = answer.text();
    assert!(page.contains("<a href=\"/auth/login\">"), "{page}");
    for forbidden in [
        "<script",
        "javascript:",
        " on",
        "://",
        "<img",
        "<link",
        "<iframe",
        "<form",
        "<base",
        "url(",
        "@import",
    ] {
        // The text may have a word that begins with "on"; an attribute has `=` behind it.
        let found =
            page.match_indices(forbidden).any(|(at, _)| forbidden != " on" || is_handler(&page[at + 1..]));
        assert!(!found, "{forbidden} in {page}");
    }
    assert_eq!(status == 503, !answer.header("retry-after").is_empty());
}

fn is_handler(text: &str) -> bool {
    text.find(|c: char| !c.is_ascii_alphabetic()).is_some_and(|end| text[end..].starts_with('='))
}

/// `assert_fault_page` finds what it looks for.
#[test]
fn an_event_handler_is_told_from_a_word() {
    assert!(is_handler("onload=alert(1)"));
    assert!(!is_handler("only a moment"));
}

/// How often the token endpoint has been asked.
fn asked(world: &World) -> usize {
    world.sandbox.journal().token().len()
}

/// Begins a login, gets a code for it and has `target` made from the two.
async fn come_back_with(browser: &Browser, target: impl Fn(&str, &str) -> String) -> Answer {
    let callback = browser.authorize("/auth/login").await;
    let (code, state) = (of_callback(&callback, "code"), of_callback(&callback, "state"));
    browser.come_back(&target(&code, &state)).await
}
