//! The API, below `/v2/` and below `/{service}/v2/`, which Whisk's older paths use.
//!
//! [`admit`] stands before every route: latency, faults, then the bearer token (RFC 6750). The
//! routes find the token's owner in the request.

mod admit;
mod content;
mod lists;
mod me;
mod probe;
mod transfer;

use actix_web::{HttpResponse, dev::HttpServiceFactory, guard, middleware::from_fn, web};
use serde_json::json;

use crate::fault::canned;

pub(crate) use lists::Lists;
pub use transfer::download_byte;

/// All routes of the API below `prefix`.
pub(crate) fn scope(prefix: &str) -> impl HttpServiceFactory + use<> {
    let read = || web::route().guard(guard::Any(guard::Get()).or(guard::Head()));
    web::scope(prefix)
        .wrap(from_fn(admit::admit))
        .route("/me", read().to(me::me))
        .route("/recipes", read().to(me::recipes))
        .route("/recipes/{id}", read().to(me::recipe))
        .route("/get", read().to(me::recipe_by_query))
        .route("/download", read().to(transfer::download))
        .route("/stream", read().to(transfer::stream))
        .route("/upload", web::post().to(transfer::upload))
        .route("/upload", web::put().to(transfer::upload))
        .route("/lists", read().to(lists::all))
        .route("/lists", web::post().to(lists::create))
        .route("/lists/{list}", read().to(lists::one))
        .route("/lists/{list}", web::delete().to(lists::remove))
        .route("/lists/{list}/items", read().to(lists::items))
        .route("/lists/{list}/items", web::post().to(lists::add))
        .route("/lists/{list}/items", web::delete().to(lists::clear))
        .route("/lists/{list}/items/{item}", web::patch().to(lists::change))
        .route("/lists/{list}/items/{item}", web::delete().to(lists::remove_item))
        .route("/echo{rest:.*}", web::route().to(probe::echo))
        .route("/status/{code}", web::route().to(probe::status))
        .route("/headers", read().to(probe::headers))
        .default_service(web::route().to(not_found))
}

async fn not_found() -> HttpResponse {
    error(404, "request.notFound", "there is nothing here")
}

/// An error in the shape that most of Whisk's calls use.
pub(crate) fn error(status: u16, code: &str, message: &str) -> HttpResponse {
    let body = json!({ "code": code, "message": message });
    canned(status, body.to_string(), "application/json")
}
