//! The names of the metrics, and their `# HELP` lines. Dashboards and alerts rely on them.

pub(super) const ANONYMOUS_USERS: &str = "whisk_bff_anonymous_users_total";
pub(super) const BUILD_INFO: &str = "whisk_bff_build_info";
pub(super) const CACHE_FLUSHES: &str = "whisk_bff_cache_flushes_total";
pub(super) const CACHE_HITS: &str = "whisk_bff_cache_hits_total";
pub(super) const CACHE_MISSES: &str = "whisk_bff_cache_misses_total";
pub(super) const CONNECTIONS: &str = "whisk_bff_connections";
pub(super) const CONNECTIONS_REFUSED: &str = "whisk_bff_connections_refused_total";
pub(super) const CSRF_REFUSALS: &str = "whisk_bff_csrf_refusals_total";
pub(super) const LIMITED: &str = "whisk_bff_rate_limited_total";
pub(super) const LIMITED_ADDRESSES: &str = "whisk_bff_rate_limit_addresses";
pub(super) const LOG_LINES_LOST: &str = "whisk_bff_log_lines_lost_total";
pub(super) const LOGINS: &str = "whisk_bff_logins_total";
pub(super) const RECORDS_OPENED: &str = "whisk_bff_records_opened_total";
pub(super) const REFRESHES: &str = "whisk_bff_refreshes_total";
pub(super) const REQUESTS: &str = "whisk_bff_requests_total";
pub(super) const REQUEST_SECONDS: &str = "whisk_bff_request_seconds";
pub(super) const SESSIONS_ENDED: &str = "whisk_bff_sessions_ended_total";
pub(super) const SESSIONS_STARTED: &str = "whisk_bff_sessions_started_total";
pub(super) const STORE_OPERATIONS: &str = "whisk_bff_store_operations_total";
pub(super) const STORE_OPERATION_SECONDS: &str = "whisk_bff_store_operation_seconds";
pub(super) const UPSTREAM_CALLS: &str = "whisk_bff_upstream_calls_total";
pub(super) const UPSTREAM_SECONDS: &str = "whisk_bff_upstream_seconds";

pub(super) const COUNTERS: [(&str, &str); 16] = [
    (ANONYMOUS_USERS, "Anonymous users wished for, by what became of it"),
    (CACHE_FLUSHES, "Times the cache of session records was emptied"),
    (CACHE_HITS, "Session records served from the process"),
    (CACHE_MISSES, "Session records asked of the store"),
    (CONNECTIONS_REFUSED, "Connections closed at once, by the bound that was reached"),
    (CSRF_REFUSALS, "Requests refused by the CSRF gate, by rule"),
    (LIMITED, "Requests refused by a limit, by the limit"),
    (LOG_LINES_LOST, "Lines of the log that were never written"),
    (LOGINS, "Logins, by how far they came"),
    (RECORDS_OPENED, "Records opened, by sealing key"),
    (REFRESHES, "Calls that needed a fresher access token, by how they got it"),
    (REQUESTS, "Requests answered, by route and outcome"),
    (SESSIONS_ENDED, "Sessions ended, by reason"),
    (SESSIONS_STARTED, "Sessions begun, by kind"),
    (STORE_OPERATIONS, "Store operations, by outcome"),
    (UPSTREAM_CALLS, "Calls to the API, by outcome"),
];

pub(super) const HISTOGRAMS: [(&str, &str); 3] = [
    (REQUEST_SECONDS, "Seconds from a request's head to its answer"),
    (STORE_OPERATION_SECONDS, "Seconds of a store operation"),
    (UPSTREAM_SECONDS, "Seconds from a call to the API to its response headers"),
];

pub(super) const GAUGES: [(&str, &str); 3] = [
    (BUILD_INFO, "1, with the version as a label"),
    (CONNECTIONS, "Connections of browsers that are open"),
    (LIMITED_ADDRESSES, "Addresses, or sessions, that a limit remembers now, by the limit"),
];
