//! Where an answer points to.
//!
//! The API names its own addresses; the browser knows this server's. A redirection within the
//! forwarded paths becomes a path here, and one that leads out is never passed on: the browser
//! would follow it without the token, or with what this server vouches for.

use http::StatusCode;
use http::header::{HeaderMap, HeaderValue, LOCATION};
use url::Position;

use super::HeaderError;
use super::response::ResponseContext;

/// Rewrites `Location`. A redirection (3xx) must stay within the forwarded paths; elsewhere (201)
/// a URL that leads out is information, and passes.
pub(super) fn rewrite(
    headers: &mut HeaderMap,
    status: StatusCode,
    context: &ResponseContext<'_>,
) -> Result<(), HeaderError> {
    if status == StatusCode::NOT_MODIFIED {
        headers.remove(LOCATION);
        return Ok(());
    }
    let mut locations = headers.get_all(LOCATION).iter();
    let (Some(location), more) = (locations.next(), locations.next().is_some()) else { return Ok(()) };
    match local_path(location, context).filter(|_| !more) {
        Some(path) => {
            headers.insert(LOCATION, path);
            Ok(())
        }
        None if status.is_redirection() => Err(HeaderError::Redirect),
        None => Ok(()),
    }
}

/// The same place as a path on this server, if it is a forwarded one.
#[expect(
    clippy::disallowed_methods,
    reason = "the API's own reference; the origin is checked, the path parsed"
)]
fn local_path(location: &HeaderValue, context: &ResponseContext<'_>) -> Option<HeaderValue> {
    let target = context.routes.url(context.path)?.join(location.to_str().ok()?).ok()?;
    let ours = &target[..Position::BeforePath] == context.routes.origin();
    let path =
        context.routes.parse(&target[Position::BeforePath..Position::AfterQuery]).ok().filter(|_| ours)?;
    let fragment = target.fragment().map_or_else(String::new, |fragment| format!("#{fragment}"));
    HeaderValue::from_str(&format!("{}{fragment}", path.as_str())).ok()
}
