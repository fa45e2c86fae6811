//! Every route of the sandbox, as a list.

use actix_web::{HttpResponse, guard, web};

use crate::{anonymous, api, authorize, control, token};

/// Registers all routes. The authorization server's come first: the API's second root,
/// `/{service}/v2`, would swallow them.
pub(crate) fn configure(app: &mut web::ServiceConfig) {
    let read = || web::route().guard(guard::Any(guard::Get()).or(guard::Head()));
    app.service(
        web::resource("/oauth/v2/authorize")
            .route(read().to(authorize::show))
            .route(web::post().to(authorize::decide)),
    )
    .service(
        web::resource("/oauth/v2/token")
            .route(web::post().to(token::token))
            .default_service(web::route().to(token::wrong_method)),
    )
    .route("/auth/anonymous/create", web::post().to(anonymous::create))
    .route("/x/v1/auth/anonymous/create", web::post().to(anonymous::create_authenticated))
    .route("/sandbox/journal", read().to(control::journal))
    .route("/sandbox/journal", web::delete().to(control::clear_journal))
    .route("/sandbox/behaviour", web::post().to(control::behaviour))
    .route("/sandbox.css", read().to(authorize::style))
    .route("/", read().to(authorize::index))
    .service(api::scope("/v2"))
    .service(api::scope("/{service}/v2"))
    .default_service(web::route().to(nothing));
}

async fn nothing() -> HttpResponse {
    api::error(404, "request.notFound", "there is nothing here")
}
