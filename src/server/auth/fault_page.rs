//! The page that a person sees when a login went wrong: no script, nothing of the request.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::header;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::server::problem::Problem;
use crate::telemetry::Outcome;

const STYLE: &str = "body{font:1.1rem/1.6 system-ui,sans-serif;max-width:32rem;margin:15vh auto;padding:0 1.5rem;\
                     color:#1c2b22;background:#f7faf7}h1{font-size:1.5rem}a{color:#0b6b3a;font-weight:600}";

/// The policy lets the page's one style through, by its hash.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )
});

/// The page for a problem, with its status.
pub(super) fn fault_page(problem: &Problem) -> HttpResponse {
    let advice = match problem.code() {
        Outcome::LoginExpired => "Please start again; it takes only a moment.",
        Outcome::LoginFailed => "You have not been logged in. You can try again.",
        Outcome::LoginServerUnavailable | Outcome::StoreUnavailable | Outcome::RateLimited => {
            "Please try again in a little while."
        }
        _ => "Please try again. If it happens again, tell the people who run this site.",
    };
    let title = problem.title();
    let page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>Login</title>\
         <style>{STYLE}</style></head><body><main><h1>{title}</h1><p>{advice}</p>\
         <p><a href=\"/auth/login\">Log in</a></p></main></body></html>"
    );
    problem
        .head()
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY.as_str()))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .content_type("text/html; charset=utf-8")
        .body(page)
}
