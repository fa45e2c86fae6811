//! What the parts of a warm call cost, one by one.
//!
//! `cargo bench --bench hot_path` measures; `cargo test --bench hot_path` runs each part once.
//! `benches/instructions` counts a whole call, `benches/load/run` times it beside other proxies.

#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use divan::Bencher;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tracing_subscriber::EnvFilter;
use url::Url;
use whisk_bff::crypto::{KeyId, KeyRing, SealingKey};
use whisk_bff::model::SessionId;
use whisk_bff::settings::RoutePattern;
use whisk_bff::store::Key;
use whisk_bff::telemetry::{
    LogFormat, Metrics, Outcome, Refreshed, RequestLine, Route, logging, session_digest,
};
use whisk_bff::upstream::{ClientHop, ResponseContext, Routes, request_headers, response_headers};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}

const TARGET: &str = "/v2/shopping-lists/0198c2f0/items?limit=50&after=abc";

fn routes() -> Routes {
    let api = Url::parse("https://api.whisk.com").unwrap();
    Routes::new(&api, &[RoutePattern::Prefix("/v2/".to_owned())], &["access_token".to_owned()])
}

fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    let pairs = lines.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v)));
    pairs.collect()
}

fn session() -> SessionId {
    SessionId::from_random([7; 32])
}

#[divan::bench]
fn path_check(bencher: Bencher<'_, '_>) {
    let routes = routes();
    bencher.bench(|| routes.parse(black_box(TARGET)));
}

#[divan::bench]
fn session_key(bencher: Bencher<'_, '_>) {
    let id = session();
    bencher.bench(|| Key::session(black_box(&id)));
}

#[divan::bench]
fn headers_of_a_browser(bencher: Bencher<'_, '_>) {
    let inbound = headers(&[
        ("host", "app.example.com"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36"),
        ("accept", "application/json, text/plain, */*"),
        ("accept-language", "en-GB,en;q=0.9,de;q=0.8"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("referer", "https://app.example.com/recipes"),
        ("cookie", "__Host-Http-whisk=value"),
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-mode", "cors"),
        ("sec-fetch-dest", "empty"),
        ("sec-ch-ua", "\"Chromium\";v=\"142\""),
        ("sec-ch-ua-mobile", "?0"),
        ("sec-ch-ua-platform", "\"Linux\""),
        ("dnt", "1"),
        ("priority", "u=1, i"),
    ]);
    let client = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let hop =
        ClientHop { peer: client, client, proto: "https", host: "app.example.com", forwarded_chain: None };
    bencher.with_inputs(|| inbound.clone()).bench_values(|inbound| request_headers(black_box(inbound), &hop));
}

#[divan::bench]
fn headers_of_an_answer(bencher: Bencher<'_, '_>) {
    let routes = routes();
    let path = routes.parse(TARGET).unwrap();
    let inbound = headers(&[
        ("server", "envoy"),
        ("date", "Fri, 02 Jan 2026 03:04:05 GMT"),
        ("content-type", "application/json"),
        ("content-length", "332"),
        ("cache-control", "private, max-age=60"),
        ("vary", "Accept-Encoding"),
        ("etag", "\"abc\""),
        ("x-request-id", "0198c2f0"),
    ]);
    let context = ResponseContext { routes: &routes, path: &path };
    bencher
        .with_inputs(|| inbound.clone())
        .bench_values(|inbound| response_headers(black_box(inbound), StatusCode::OK, &context));
}

#[divan::bench]
fn record_open(bencher: Bencher<'_, '_>) {
    let key = SealingKey::new(KeyId::parse("k").unwrap(), zeroize::Zeroizing::new([1; 32]));
    let ring = KeyRing::new([key]).unwrap();
    let sealed = ring.seal(b"place", &[b'x'; 400]);
    bencher.bench(|| ring.open("k", b"place", black_box(&sealed.bytes)));
}

#[divan::bench]
fn metrics_of_a_call(bencher: Bencher<'_, '_>) {
    let metrics = Metrics::new(["k"]);
    bencher.bench(|| metrics.request(Route::Forward, Outcome::Success, Duration::from_micros(300)));
}

#[divan::bench]
fn log_line(bencher: Bencher<'_, '_>) {
    let log = logging::subscriber(LogFormat::Json, EnvFilter::new("info"), false, io::sink);
    let id = session();
    tracing::subscriber::with_default(log, || {
        bencher.bench_local(|| {
            RequestLine {
                request_id: "0198c2f0a1b2c3d4e5f60718293a4b5c",
                method: "GET",
                route: Route::Forward,
                path: "/v2/shopping-lists/0198c2f0/items",
                status: 200,
                outcome: Outcome::Success,
                duration: Duration::from_micros(4_212),
                bytes_in: 0,
                bytes_out: 332,
                client: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))),
                session: Some(session_digest(&id)),
                user_agent: Some("Mozilla/5.0 (X11; Linux x86_64) Chrome/142.0.0.0"),
                upstream: Some(Duration::from_micros(3_870)),
                refreshed: Refreshed::None,
            }
            .emit();
        });
    });
}
