//! Clients that are slow, that leave, and that are many. None holds what others need, and for
//! none does a call to the API go on when nobody waits for its answer.

mod capacity;
mod departures;
mod heads;

use crate::support::raw::{RawAnswer, RawServer};
use crate::support::wire::Wire;
use crate::support::world::HOST;
use crate::support::{Browser, World};

/// A request of that browser.
fn request(browser: &Browser, line: &str, more: &str) -> String {
    let cookie = browser.cookie_line();
    format!(
        "{line} HTTP/1.1\r\nHost: {HOST}\r\nCookie: {cookie}\r\nSec-Fetch-Site: same-origin\r\n{more}\r\n"
    )
}

fn connect(world: &World) -> Wire {
    Wire::connect(world.address(0))
}

/// An answer that never ends.
fn endless() -> RawAnswer {
    RawAnswer::Endless {
        head: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(),
        piece: [b"4000\r\n", &[b'x'; 0x4000][..], b"\r\n"].concat(),
    }
}

/// An API that says nothing to `/v2/silent`, and does not stop saying something to `/v2/endless`.
fn api() -> RawServer {
    RawServer::start(|request| match request.request_line().split(' ').nth(1) {
        Some("/v2/silent") => RawAnswer::Stall,
        Some("/v2/endless") => endless(),
        _ => RawAnswer::with(200, &[], "here"),
    })
}

/// How many calls were given up because their client had left.
fn aborted(world: &World) -> f64 {
    world.metric(0, "whisk_bff_requests_total{route=\"forward\",outcome=\"aborted\"}")
}

fn connections(world: &World) -> f64 {
    world.metric(0, "whisk_bff_connections")
}
