//! What is below `/auth/` and no route.

use actix_web::{HttpRequest, HttpResponse, web};

use super::admission::Admission;
use super::bridge;
use super::problem::Problem;
use crate::telemetry::Outcome;

/// Says why there is nothing.
///
/// # Errors
/// `not_found`; what could be read as another path is refused as in a call.
pub async fn elsewhere(
    request: HttpRequest,
    admission: web::Data<Admission>,
) -> Result<HttpResponse, Problem> {
    let asked = bridge::asked(request.head());
    admission.judge(&asked.method, &asked.uri, &asked.headers)?;
    Err(Problem::new(Outcome::NotFound))
}
