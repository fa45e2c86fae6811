//! Every public route, as a list.
//!
//! | Route | Why it is what it is |
//! |---|---|
//! | `GET /auth/login` | starting a login is the one change a GET may make: browsers follow links to it |
//! | `GET /auth/callback` | the authorization server sends the browser back with a redirect |
//! | `GET /auth/session` | tells an application who is logged in, and never a token |
//! | `POST /auth/logout` | POST, so that no image or link logs anybody out |
//! | `POST /auth/anonymous` | POST, since it creates a user at Whisk; 404 unless `anonymous.enabled` |
//! | everything else | a call: forwarded where `forward.routes` has it, else 404 ([`Calls`]) |

use actix_web::{HttpResponse, guard, web};

#[cfg(doc)]
use crate::server::Calls;
use crate::server::auth::{anonymous, callback, login, logout, session};
use crate::server::{Problem, elsewhere};

/// Adds the routes.
pub fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource("/auth/login", web::get().to(login::login), "GET"))
        .service(resource("/auth/callback", web::get().to(callback::callback), "GET"))
        .service(resource("/auth/session", web::get().to(session::session), "GET"))
        .service(resource("/auth/logout", web::post().to(logout::logout), "POST"))
        .service(resource("/auth/anonymous", web::post().to(anonymous::anonymous), "POST"))
        .default_service(web::to(elsewhere));
}

/// One path with one method; any other method is told which.
fn resource(path: &'static str, route: actix_web::Route, allow: &'static str) -> actix_web::Resource {
    // To the letter: the router decodes a path before it compares, and what stands in front of us
    // may not.
    let literally = guard::fn_guard(move |context| context.head().uri.path() == path);
    web::resource(path).guard(literally).route(route).default_service(web::to(move || async move {
        Err::<HttpResponse, _>(Problem::method_not_allowed(allow))
    }))
}
