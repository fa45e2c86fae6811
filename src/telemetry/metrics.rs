//! What `/metrics` tells: counters and histograms, with a method an event.
//!
//! Each [`Metrics`] has a registry of its own, since several applications live in one test
//! process. Every handle is made at start, so that an event costs an atomic addition and no
//! formatting, and a counter stands at 0 before its first event (a rate needs that). Only the
//! grid of routes by outcomes is filled as it is seen.
//!
//! The exporter keeps each observed duration until it is sorted into its bucket, which it does
//! when rendered. Where nobody scrapes, that would grow without end; so the observation that
//! makes [`OBSERVATIONS_KEPT`] sorts them.

mod names;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use ::metrics::{Counter, Gauge, Histogram, Key, Label as KeyLabel, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use self::names::*;
use super::labels::{
    AnonymousOutcome, ConnectionBound, CsrfReason, Label, Limit, LoginOutcome, Outcome, RefreshOutcome,
    Route, SessionEnd, StoreOperation, StoreOutcome, UpstreamOutcome,
};
use crate::model::Principal;

/// Counts what happens. A cheap handle: clones count together.
#[derive(Clone)]
pub struct Metrics {
    inner: Arc<Inner>,
}

struct Inner {
    recorder: PrometheusRecorder,
    exporter: PrometheusHandle,
    observations: AtomicUsize,
    #[cfg(test)]
    upkeeps: AtomicUsize,

    requests: Vec<OnceLock<Counter>>,
    request_seconds: Vec<Histogram>,
    refreshes: Vec<Counter>,
    logins: Vec<Counter>,
    anonymous_users: Vec<Counter>,
    sessions_started: [Counter; 2],
    sessions_ended: Vec<Counter>,
    store_operations: Vec<OnceLock<Counter>>,
    store_operation_seconds: Vec<Histogram>,
    cache_hits: Counter,
    cache_misses: Counter,
    cache_flushes: Counter,
    upstream_calls: Vec<Counter>,
    upstream_seconds: Histogram,
    connections: Gauge,
    connections_refused: Vec<Counter>,
    csrf_refusals: Vec<Counter>,
    limited: Vec<Counter>,
    limited_addresses: Vec<Gauge>,
    records_opened: RwLock<HashMap<String, Counter>>,
    records_opened_by_other: Counter,
    log_lines_lost: Counter,
}

impl Metrics {
    /// An empty registry. `key_ids` are the names of the sealing keys in the settings: the only
    /// values that the label `key_id` will take, besides `other`.
    pub fn new<'a>(key_ids: impl IntoIterator<Item = &'a str>) -> Self {
        // The builder refuses only an empty list of buckets.
        let builder =
            PrometheusBuilder::new().set_buckets(&BUCKETS).unwrap_or_else(|_| PrometheusBuilder::new());
        let recorder = builder.build_recorder();
        describe(&recorder);
        let version = key(BUILD_INFO, &[("version", env!("CARGO_PKG_VERSION"))]);
        recorder.register_gauge(&version, &METADATA).set(1.0);
        let started = |kind| register_counter(&recorder, SESSIONS_STARTED, &[("kind", kind)]);
        let inner = Inner {
            exporter: recorder.handle(),
            observations: AtomicUsize::new(0),
            #[cfg(test)]
            upkeeps: AtomicUsize::new(0),
            requests: unseen::<Route, Outcome>(),
            request_seconds: histograms::<Route>(&recorder, REQUEST_SECONDS, "route"),
            refreshes: counters::<RefreshOutcome>(&recorder, REFRESHES, "outcome"),
            logins: counters::<LoginOutcome>(&recorder, LOGINS, "outcome"),
            anonymous_users: counters::<AnonymousOutcome>(&recorder, ANONYMOUS_USERS, "outcome"),
            sessions_started: [started("user"), started("anonymous")],
            sessions_ended: counters::<SessionEnd>(&recorder, SESSIONS_ENDED, "reason"),
            store_operations: unseen::<StoreOperation, StoreOutcome>(),
            store_operation_seconds: histograms::<StoreOperation>(
                &recorder,
                STORE_OPERATION_SECONDS,
                "operation",
            ),
            cache_hits: register_counter(&recorder, CACHE_HITS, &[]),
            cache_misses: register_counter(&recorder, CACHE_MISSES, &[]),
            cache_flushes: register_counter(&recorder, CACHE_FLUSHES, &[]),
            upstream_calls: counters::<UpstreamOutcome>(&recorder, UPSTREAM_CALLS, "outcome"),
            upstream_seconds: register_histogram(&recorder, UPSTREAM_SECONDS, &[]),
            connections: recorder.register_gauge(&key(CONNECTIONS, &[]), &METADATA),
            connections_refused: counters::<ConnectionBound>(&recorder, CONNECTIONS_REFUSED, "bound"),
            csrf_refusals: counters::<CsrfReason>(&recorder, CSRF_REFUSALS, "reason"),
            limited: counters::<Limit>(&recorder, LIMITED, "limit"),
            limited_addresses: gauges::<Limit>(&recorder, LIMITED_ADDRESSES, "limit"),
            records_opened: RwLock::default(),
            records_opened_by_other: register_counter(&recorder, RECORDS_OPENED, &[("key_id", "other")]),
            log_lines_lost: register_counter(&recorder, LOG_LINES_LOST, &[]),
            recorder,
        };
        let metrics = Self { inner: Arc::new(inner) };
        metrics.know_keys(key_ids);
        metrics
    }

    /// From now on the label `key_id` may take these values too: the key ring was changed.
    pub fn know_keys<'a>(&self, key_ids: impl IntoIterator<Item = &'a str>) {
        let mut known = self.inner.records_opened.write().unwrap_or_else(PoisonError::into_inner);
        for id in key_ids {
            known.entry(id.to_owned()).or_insert_with(|| {
                let labels = vec![KeyLabel::new("key_id", id.to_owned())];
                self.inner.recorder.register_counter(&Key::from_parts(RECORDS_OPENED, labels), &METADATA)
            });
        }
    }

    /// A request was answered, `took` after its head had been read.
    pub fn request(&self, route: Route, outcome: Outcome, took: Duration) {
        let labels = [("route", route.as_str()), ("outcome", outcome.as_str())];
        self.grid(&self.inner.requests, REQUESTS, route, outcome, labels);
        self.observe(self.inner.request_seconds.get(route.index()), took);
    }

    /// A call needed a fresher access token.
    pub fn refresh(&self, outcome: RefreshOutcome) {
        increment(&self.inner.refreshes, outcome);
    }

    /// A login came this far.
    pub fn login(&self, outcome: LoginOutcome) {
        increment(&self.inner.logins, outcome);
    }

    /// A visitor wished for an anonymous user.
    pub fn anonymous_user(&self, outcome: AnonymousOutcome) {
        increment(&self.inner.anonymous_users, outcome);
    }

    /// A session began.
    pub fn session_started(&self, kind: Principal) {
        let [user, anonymous] = &self.inner.sessions_started;
        match kind {
            Principal::User => user.increment(1),
            Principal::Anonymous => anonymous.increment(1),
        }
    }

    /// A session ended.
    pub fn session_ended(&self, reason: SessionEnd) {
        increment(&self.inner.sessions_ended, reason);
    }

    /// The store answered, or failed to, after `took`.
    pub fn store_operation(&self, operation: StoreOperation, outcome: StoreOutcome, took: Duration) {
        let labels = [("operation", operation.as_str()), ("outcome", outcome.as_str())];
        self.grid(&self.inner.store_operations, STORE_OPERATIONS, operation, outcome, labels);
        self.observe(self.inner.store_operation_seconds.get(operation.index()), took);
    }

    /// A record was served from the process.
    pub fn cache_hit(&self) {
        self.inner.cache_hits.increment(1);
    }

    /// A record had to be asked of the store.
    pub fn cache_miss(&self) {
        self.inner.cache_misses.increment(1);
    }

    /// The cache was emptied, since its invalidations may have been missed.
    pub fn cache_flush(&self) {
        self.inner.cache_flushes.increment(1);
    }

    /// A call to the API ended, its response headers `took` after it had begun.
    pub fn upstream_call(&self, outcome: UpstreamOutcome, took: Duration) {
        increment(&self.inner.upstream_calls, outcome);
        self.observe(Some(&self.inner.upstream_seconds), took);
    }

    /// So many connections of browsers are open.
    pub fn connections(&self, open: usize) {
        self.inner.connections.set(u32::try_from(open).unwrap_or(u32::MAX));
    }

    /// A connection was closed at once.
    pub fn connection_refused(&self, bound: ConnectionBound) {
        increment(&self.inner.connections_refused, bound);
    }

    /// The CSRF gate refused a request.
    pub fn csrf_refusal(&self, reason: CsrfReason) {
        increment(&self.inner.csrf_refusals, reason);
    }

    /// A limit refused a request.
    pub fn limited(&self, limit: Limit) {
        increment(&self.inner.limited, limit);
    }

    /// So many addresses, or sessions, are remembered for a limit.
    pub fn limit_remembers(&self, limit: Limit, count: usize) {
        if let Some(gauge) = self.inner.limited_addresses.get(limit.index()) {
            gauge.set(u32::try_from(count).unwrap_or(u32::MAX));
        }
    }

    /// A record was opened with that key. When a retired key's count stands still, it may go.
    pub fn record_opened(&self, key_id: &str) {
        let known = self.inner.records_opened.read().unwrap_or_else(PoisonError::into_inner);
        known.get(key_id).unwrap_or(&self.inner.records_opened_by_other).increment(1);
    }

    /// All of it in Prometheus' text format, version 0.0.4.
    pub fn render(&self) -> String {
        // Counted by the log itself, of which a process has one.
        self.inner.log_lines_lost.absolute(super::writer::lost_lines());
        self.inner.exporter.render()
    }

    /// Adds one to a cell of a grid that is filled as it is seen.
    fn grid<A: Label, B: Label>(
        &self,
        cells: &[OnceLock<Counter>],
        name: &'static str,
        row: A,
        column: B,
        labels: [(&'static str, &'static str); 2],
    ) {
        if let Some(cell) = cells.get(row.index() * B::VALUES.len() + column.index()) {
            cell.get_or_init(|| register_counter(&self.inner.recorder, name, &labels)).increment(1);
        }
    }

    fn observe(&self, histogram: Option<&Histogram>, took: Duration) {
        let Some(histogram) = histogram else { return };
        histogram.record(took.as_secs_f64());
        if self.inner.observations.fetch_add(1, Ordering::Relaxed) % OBSERVATIONS_KEPT
            == OBSERVATIONS_KEPT - 1
        {
            self.inner.exporter.run_upkeep();
            #[cfg(test)]
            self.inner.upkeeps.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

fn increment<L: Label>(counters: &[Counter], label: L) {
    if let Some(counter) = counters.get(label.index()) {
        counter.increment(1);
    }
}

fn counters<L: Label>(
    recorder: &PrometheusRecorder,
    name: &'static str,
    label: &'static str,
) -> Vec<Counter> {
    L::VALUES.iter().map(|value| register_counter(recorder, name, &[(label, value)])).collect()
}

fn gauges<L: Label>(recorder: &PrometheusRecorder, name: &'static str, label: &'static str) -> Vec<Gauge> {
    L::VALUES.iter().map(|value| recorder.register_gauge(&key(name, &[(label, value)]), &METADATA)).collect()
}

fn histograms<L: Label>(
    recorder: &PrometheusRecorder,
    name: &'static str,
    label: &'static str,
) -> Vec<Histogram> {
    L::VALUES.iter().map(|value| register_histogram(recorder, name, &[(label, value)])).collect()
}

fn unseen<A: Label, B: Label>() -> Vec<OnceLock<Counter>> {
    (0..A::VALUES.len() * B::VALUES.len()).map(|_| OnceLock::new()).collect()
}

fn register_counter(
    recorder: &PrometheusRecorder,
    name: &'static str,
    labels: &[(&'static str, &'static str)],
) -> Counter {
    recorder.register_counter(&key(name, labels), &METADATA)
}

fn register_histogram(
    recorder: &PrometheusRecorder,
    name: &'static str,
    labels: &[(&'static str, &'static str)],
) -> Histogram {
    recorder.register_histogram(&key(name, labels), &METADATA)
}

fn key(name: &'static str, labels: &[(&'static str, &'static str)]) -> Key {
    let labels: Vec<_> =
        labels.iter().map(|(name, value)| KeyLabel::from_static_parts(name, value)).collect();
    Key::from_parts(name, labels)
}

fn describe(recorder: &PrometheusRecorder) {
    for (name, text) in GAUGES {
        recorder.describe_gauge(name.into(), None, text.into());
    }
    for (name, text) in COUNTERS {
        recorder.describe_counter(name.into(), None, text.into());
    }
    for (name, text) in HISTOGRAMS {
        recorder.describe_histogram(name.into(), None, text.into());
    }
}

/// Upper bounds in seconds: from what a warm call adds, to what a browser waits for.
const BUCKETS: [f64; 15] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Durations kept unsorted, at most: 8 bytes each.
const OBSERVATIONS_KEPT: usize = 4096;

const METADATA: Metadata<'static> = Metadata::new("whisk_bff", Level::INFO, None);

#[cfg(test)]
mod tests;
