//! What the API is sent, and what of its answer a browser gets: the bytes on both sides of the
//! whole broker.

use crate::support::raw::{RawAnswer, RawRequest, RawServer};
use crate::support::wire::Wire;
use crate::support::world::HOST;
use crate::support::{Answer, Browser, World};

mod answers;
mod api;
mod bodies;
mod credentials;
mod destination;
mod expectations;
mod hops;
mod https;
mod memory;
mod messages;
mod traces;

/// A broker between a browser that has logged in and an API that follows a script and keeps what
/// it was sent. (In the order in which they end.)
struct Stage {
    world: World,
    browser: Browser,
    api: RawServer,
}

impl Stage {
    /// With an API that answers everything with an empty object.
    async fn plain(settings: &[(&str, &str)]) -> Self {
        Self::with(settings, |_| RawAnswer::json(200, "{}")).await
    }

    /// The script is to answer `GET /v2/me` with 200 in the end: the world asks.
    async fn with(
        settings: &[(&str, &str)],
        script: impl Fn(RawRequest) -> RawAnswer + Send + Sync + 'static,
    ) -> Self {
        let api = RawServer::start(script);
        let builder = World::builder().set("whisk.api_url", api.url());
        let builder = settings.iter().fold(builder, |builder, (key, value)| builder.set(key, *value));
        let world = builder.spawn().await;
        let browser = world.logged_in().await;
        Self { world, browser, api }
    }

    fn wire(&self) -> Wire {
        Wire::connect(self.world.address(0))
    }

    /// The head of a request with the session's cookie from our own page.
    fn head(&self, line: &str, headers: &str) -> String {
        let cookie = self.browser.cookie_line();
        let line = if line.contains("HTTP/1") { line.to_owned() } else { format!("{line} HTTP/1.1") };
        format!("{line}\r\nHost: {HOST}\r\nCookie: {cookie}\r\nSec-Fetch-Site: same-origin\r\n{headers}\r\n")
    }

    /// Sends such a request on a connection of its own.
    #[track_caller]
    fn ask(&self, line: &str, headers: &str) -> Answer {
        let mut wire = self.wire();
        wire.send(self.head(line, headers));
        wire.answer()
    }

    /// What the API was sent last, of these many requests in all.
    #[track_caller]
    fn last(&self, of: usize) -> RawRequest {
        let mut requests = self.api.requests();
        assert_eq!(requests.len(), of, "{requests:?}");
        requests.pop().unwrap()
    }
}
