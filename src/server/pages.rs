//! Pages beside the broker's own routes.

use actix_web::web::ServiceConfig;

/// Pages that the broker serves itself.
#[derive(Debug, Clone, Copy)]
pub struct Pages {
    /// Their paths. What is asked for there is no call.
    pub paths: &'static [&'static str],
    /// Adds them to the routes.
    pub configure: fn(&mut ServiceConfig),
}

impl Pages {
    /// There are none.
    pub const NONE: Self = Self { paths: &[], configure: |_| () };
}
