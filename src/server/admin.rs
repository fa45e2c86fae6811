//! The listener for operators: `/livez`, `/readyz`, `/metrics`. Never on the public listener.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};
use serde_json::json;

use super::lifecycle::Lifecycle;
use super::limits::Limits;
use crate::telemetry::{Health, Metrics};

/// The three routes; everything else is 404.
pub fn configure(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/livez").get(livez).route(web::head().to(livez)))
        .service(web::resource("/readyz").get(readyz).route(web::head().to(readyz)))
        .service(web::resource("/metrics").get(metrics).route(web::head().to(metrics)));
}

/// The process works: it answers.
async fn livez() -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(json!({ "status": "ok" }))
}

/// Whether a load balancer should send requests here. With a neighbour away it should: this
/// instance still answers, and no other one is better off.
async fn readyz(health: web::Data<Health>, lifecycle: web::Data<Lifecycle>) -> HttpResponse {
    let store = if health.store_is_away() {
        "away"
    } else if health.store_has_answered() {
        "ok"
    } else {
        "unknown"
    };
    let login_server = if health.login_server_is_away() { "away" } else { "ok" };
    let ready = health.store_has_answered() && !lifecycle.is_draining();
    let status = match (ready, lifecycle.is_draining()) {
        (_, true) => "draining",
        (false, false) => "starting",
        (true, false) if health.store_is_away() || health.login_server_is_away() => "degraded",
        (true, false) => "ok",
    };
    let mut answer = if ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    answer.insert_header((CACHE_CONTROL, "no-store")).json(json!({
        "status": status,
        "checks": [
            { "name": "store", "status": store },
            { "name": "login_server", "status": login_server },
        ],
    }))
}

/// Prometheus text (version 0.0.4).
async fn metrics(metrics: web::Data<Metrics>, limits: web::Data<Limits>) -> HttpResponse {
    limits.measure();
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(metrics.render())
}
