#![allow(clippy::unwrap_used, clippy::panic)]
use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// The samples of a text in Prometheus' format, by name with labels in order.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            (series.to_owned(), value.parse().unwrap())
        })
        .collect()
}

fn metrics() -> Metrics {
    Metrics::new(["new", "old"])
}

#[test]
fn every_event_counts_under_its_labels() {
    let metrics = metrics();
    metrics.request(Route::Forward, Outcome::Success, Duration::from_millis(3));
    let clone = metrics.clone();
    clone.request(Route::Forward, Outcome::Success, Duration::from_secs(31));
    metrics.request(Route::Callback, Outcome::LoginExpired, Duration::ZERO);
    metrics.refresh(RefreshOutcome::Joined);
    metrics.login(LoginOutcome::Begun);
    metrics.session_started(Principal::Anonymous);
    metrics.session_ended(SessionEnd::NoRefreshToken);
    metrics.store_operation(StoreOperation::Load, StoreOutcome::Timeout, Duration::from_millis(500));
    metrics.cache_hit();
    metrics.cache_miss();
    metrics.cache_flush();
    metrics.upstream_call(UpstreamOutcome::Unreachable, Duration::from_micros(400));
    metrics.csrf_refusal(CsrfReason::Origin);
    metrics.record_opened("old");
    metrics.record_opened("never heard of");

    let seen = samples(&metrics.render());
    for (series, value) in [
        (r#"requests_total{route="forward",outcome="2xx"}"#, 2.0),
        (r#"requests_total{route="callback",outcome="login_expired"}"#, 1.0),
        (r#"request_seconds_bucket{route="forward",le="0.0025"}"#, 0.0),
        (r#"request_seconds_bucket{route="forward",le="0.005"}"#, 1.0),
        (r#"request_seconds_bucket{route="forward",le="30"}"#, 1.0),
        (r#"request_seconds_bucket{route="forward",le="+Inf"}"#, 2.0),
        (r#"request_seconds_count{route="forward"}"#, 2.0),
        (r#"refreshes_total{outcome="joined"}"#, 1.0),
        (r#"logins_total{outcome="begun"}"#, 1.0),
        (r#"sessions_started_total{kind="anonymous"}"#, 1.0),
        (r#"sessions_ended_total{reason="no_refresh_token"}"#, 1.0),
        (r#"store_operations_total{operation="load",outcome="timeout"}"#, 1.0),
        (r#"store_operation_seconds_count{operation="load"}"#, 1.0),
        ("cache_hits_total", 1.0),
        ("cache_misses_total", 1.0),
        ("cache_flushes_total", 1.0),
        (r#"upstream_calls_total{outcome="unreachable"}"#, 1.0),
        (r#"upstream_seconds_bucket{le="0.0005"}"#, 1.0),
        (r#"csrf_refusals_total{reason="origin"}"#, 1.0),
        (r#"records_opened_total{key_id="old"}"#, 1.0),
        (r#"records_opened_total{key_id="other"}"#, 1.0),
    ] {
        assert_eq!(seen.get(&format!("whisk_bff_{series}")), Some(&value), "{series}\n{seen:#?}");
    }
}

#[test]
fn a_counter_stands_at_zero_before_its_first_event() {
    let seen = samples(&metrics().render());
    assert_eq!(seen.get(r#"whisk_bff_refreshes_total{outcome="refused"}"#), Some(&0.0));
    assert_eq!(seen.get(r#"whisk_bff_records_opened_total{key_id="new"}"#), Some(&0.0));
    let version = format!(r#"whisk_bff_build_info{{version="{}"}}"#, env!("CARGO_PKG_VERSION"));
    assert_eq!(seen.get(&version), Some(&1.0));
}

#[test]
fn every_metric_has_the_prefix_a_help_line_and_a_type() {
    let metrics = metrics();
    metrics.request(Route::Other, Outcome::NotFound, Duration::ZERO);
    metrics.store_operation(StoreOperation::Take, StoreOutcome::Absent, Duration::ZERO);
    let text = metrics.render();
    let named = |kind: &str| -> BTreeSet<String> {
        let lines = text.lines().filter_map(|line| line.strip_prefix(kind));
        lines.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
    };
    let helped = named("# HELP ");
    assert_eq!(helped, named("# TYPE "));
    // And two gauges.
    assert_eq!(helped.len(), COUNTERS.len() + HISTOGRAMS.len() + 2);
    assert!(helped.iter().all(|name| name.starts_with("whisk_bff_")), "{helped:?}");
}

#[test]
fn two_registries_do_not_know_each_other() {
    let (one, other) = (metrics(), metrics());
    one.cache_hit();
    assert_eq!(samples(&other.render()).get("whisk_bff_cache_hits_total"), Some(&0.0));
}

#[test]
fn durations_nobody_asks_for_do_not_pile_up_and_none_is_lost() {
    let metrics = metrics();
    let rounds = OBSERVATIONS_KEPT * 3 + 7;
    for _ in 0..rounds {
        metrics.upstream_call(UpstreamOutcome::Success, Duration::from_millis(1));
    }
    assert_eq!(metrics.inner.upkeeps.load(Ordering::Relaxed), 3);
    let count = samples(&metrics.render()).get("whisk_bff_upstream_seconds_count").copied();
    assert_eq!(count, Some(f64::from(u32::try_from(rounds).unwrap())));
}
