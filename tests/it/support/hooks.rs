//! Routes that only tests have, beside the product's own.

use actix_web::{HttpResponse, web};
use whisk_bff::server::Pages;

/// `GET /test/panic`: a handler with a bug.
pub(crate) const PAGES: Pages = Pages { paths: &["/test/panic"], configure };

fn configure(config: &mut web::ServiceConfig) {
    config.route("/test/panic", web::get().to(bug));
}

async fn bug() -> HttpResponse {
    panic!("SEC_MARK: a bug in a handler")
}
