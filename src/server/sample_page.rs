//! The sample page of `whisk-bff dev`: the files of `web/`, part of the binary.
//!
//! It shows what an application in front of the broker looks like: it talks to its own origin
//! alone, knows nothing of tokens, and runs under a policy (Content Security Policy, level 3) that
//! lets in nothing but its own files.

use actix_web::http::header;
use actix_web::{HttpResponse, Resource, web};

use super::pages::Pages;
use super::problem::Problem;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";

/// The page at `/`, and its files.
pub const PAGES: Pages = Pages { paths: &["/", "/app.js", "/calls.js", "/style.css"], configure };

fn configure(config: &mut web::ServiceConfig) {
    config
        .service(file("/", "text/html; charset=utf-8", include_str!("../../web/index.html")))
        .service(file("/app.js", "text/javascript; charset=utf-8", include_str!("../../web/app.js")))
        .service(file("/calls.js", "text/javascript; charset=utf-8", include_str!("../../web/calls.js")))
        .service(file("/style.css", "text/css; charset=utf-8", include_str!("../../web/style.css")));
}

fn file(path: &str, media_type: &'static str, text: &'static str) -> Resource {
    let answer = move || async move {
        HttpResponse::Ok()
            .content_type(media_type)
            .insert_header((header::CACHE_CONTROL, "no-cache"))
            .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
            .body(text)
    };
    let refuse = || async { Err::<HttpResponse, _>(Problem::method_not_allowed("GET, HEAD")) };
    web::resource(path)
        .route(web::get().to(answer))
        .route(web::head().to(answer))
        .default_service(web::to(refuse))
}
