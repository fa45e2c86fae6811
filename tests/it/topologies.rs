//! Redis as operators run it (TLS, ACL users, Sentinel, Cluster), seen from the browser: what a
//! session's life is worth while primaries change, fall, and hand their slots to one another.
//!
//! Each test has a short form. `WHISK_BFF_LONG_TESTS=1` runs it for as long, or as often, as the
//! promise is made for.

mod failover;
mod lives;
mod moments;
mod outages;
mod resharding;
mod traffic;

use serde_json::{Value, json};

use crate::support::process::ask;
use crate::support::{Browser, Call, World};

/// How often, or how long: the second where `WHISK_BFF_LONG_TESTS` says so.
fn short_or_long<T>(short: T, long: T) -> T {
    if std::env::var("WHISK_BFF_LONG_TESTS").is_ok_and(|value| value == "1") { long } else { short }
}

/// A busy machine is no outage, where none is meant.
const PATIENT: (&str, &str) = ("store.timeout", "5s");

/// The status of a call with this cookie line at an instance. The API may refuse its token first.
async fn status_of(browser: &Browser, cookie: &str, instance: usize) -> u16 {
    let call = Call::get("/v2/me").no_cookies().header("cookie", cookie).reaches_the_api();
    browser.go_to(instance).send(call).await.status.as_u16()
}

/// Whether an instance says that its store is well.
fn has_its_store(world: &World, instance: usize) -> bool {
    let checks: Value = serde_json::from_str(&ask(world.admin(instance), "/readyz").1).unwrap_or_default();
    let well = json!({ "name": "store", "status": "ok" });
    checks["checks"].as_array().is_some_and(|checks| checks.contains(&well))
}
