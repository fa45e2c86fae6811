//! Limits against abuse: how often one client address may do what costs others (requirement R121,
//! OWASP ASVS 5.0, 2.4.1), and how much one session may use.
//!
//! * A client address is what `client_address` says; all of an IPv6 /64 is one, since whoever has
//!   one address there has all of them.
//! * Each limit is a bucket an address (`model::Rate`), in this process (`buckets`) and, with Redis,
//!   one that all instances share (`shared`). The process is asked first.
//! * A call of a known session is never charged to its address: browsers share addresses.
//! * What is too much is answered 429 with the time after which one more would pass. Nothing is
//!   removed from the browser.

mod buckets;
mod session_caps;
mod shared;

use std::fmt;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpMessage, HttpRequest, web};
use arc_swap::ArcSwap;

pub(super) use session_caps::Seat;
pub use session_caps::SessionCaps;

use self::buckets::Buckets;
use self::shared::Shared;
use super::client_address::Network;
use super::envelope::Client;
use super::problem::Problem;
use crate::clock::SharedClock;
use crate::crypto::KeyRing;
use crate::model::Rate;
use crate::settings;
use crate::store::{Charged, Store};
use crate::telemetry::{Limit, Metrics, Outcome, SecurityEvent, SecurityKind};

/// The limits of one process. Cheap to clone.
#[derive(Clone)]
pub struct Limits(Arc<Inner>);

struct Inner {
    buckets: [(Limit, Option<Buckets>); 4],
    shared: Shared,
    teller: Arc<Teller>,
    sessions: SessionCaps,
}

impl Limits {
    /// Limits that count in this process and, where `store` is one that instances share, in it
    /// too. `keys` hide the addresses there.
    pub fn new(
        settings: &settings::Limits,
        store: Arc<dyn Store>,
        keys: Arc<ArcSwap<KeyRing>>,
        clock: SharedClock,
        metrics: Metrics,
    ) -> Self {
        let teller = Arc::new(Teller { told: Teller::memory(settings), clock, metrics });
        let buckets = [
            (Limit::Logins, settings.logins),
            (Limit::AnonymousUsers, settings.anonymous_users),
            (Limit::FailedCallbacks, settings.failed_callbacks),
            (Limit::UnknownCookies, settings.unknown_cookies),
        ];
        let buckets =
            buckets.map(|(limit, rate)| (limit, rate.map(|rate| Buckets::new(rate, settings.addresses))));
        let sessions = SessionCaps::new(settings, Arc::clone(&teller));
        Self(Arc::new(Inner { buckets, shared: Shared::new(store, keys), teller, sessions }))
    }

    /// What one session may use.
    pub fn sessions(&self) -> SessionCaps {
        self.0.sessions.clone()
    }

    /// Says in the metrics how many addresses and sessions are remembered.
    pub fn measure(&self) {
        for (limit, buckets) in &self.0.buckets {
            let debtors = buckets.as_ref().map_or(0, |buckets| buckets.debtors(self.0.teller.now()));
            self.0.teller.metrics.limit_remembers(*limit, debtors);
        }
        self.0.sessions.measure();
    }

    /// Counts one event of a client, in this process and with the other instances.
    ///
    /// # Errors
    /// `rate_limited`: it was one too many, and was not counted.
    pub(super) async fn charge(&self, limit: Limit, client: IpAddr) -> Result<(), Problem> {
        self.charge_here(limit, client)?;
        let Some(buckets) = self.buckets(limit) else { return Ok(()) };
        let (network, rate) = (Network::of(client), buckets.rate());
        let charged = self.0.shared.charge(limit, network, rate).await;
        let now = self.0.teller.now();
        match charged {
            None => Ok(()),
            // What the others have counted spares the next question.
            Some(Charged::Admitted(debt)) => {
                buckets.raise(&network, now, debt);
                Ok(())
            }
            Some(Charged::Refused(wait)) => {
                let almost_all = Duration::from_micros(rate.span_us() - rate.interval_us());
                buckets.raise(&network, now, almost_all + wait);
                Err(self.refused(limit, client, wait))
            }
        }
    }

    /// Counts one event of a client, in this process alone: where nobody can wait for another.
    ///
    /// # Errors
    /// As [`Self::charge`].
    pub(super) fn charge_here(&self, limit: Limit, client: IpAddr) -> Result<(), Problem> {
        let Some(buckets) = self.buckets(limit) else { return Ok(()) };
        let charged = buckets.charge(&Network::of(client), self.0.teller.now());
        charged.map_err(|wait| self.refused(limit, client, wait))
    }

    /// Whether this process would count one more event of a client.
    ///
    /// # Errors
    /// `rate_limited`.
    fn look(&self, limit: Limit, client: IpAddr) -> Result<(), Problem> {
        let Some(buckets) = self.buckets(limit) else { return Ok(()) };
        let looked = buckets.look(&Network::of(client), self.0.teller.now());
        looked.map_err(|wait| self.refused(limit, client, wait))
    }

    fn buckets(&self, limit: Limit) -> Option<&Buckets> {
        self.0.buckets.iter().find(|(of, _)| *of == limit)?.1.as_ref()
    }

    fn refused(&self, limit: Limit, client: IpAddr, wait: Duration) -> Problem {
        self.0.teller.refuse(limit, &Network::of(client), wait, |event| event.client(Some(client)))
    }
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limits").field("shared", &self.0.shared).finish_non_exhaustive()
    }
}

/// Counts one event of the client that sent `request`. For handlers: one line before what is
/// limited.
///
/// # Errors
/// `rate_limited`.
pub(super) async fn charge(request: &HttpRequest, limit: Limit) -> Result<(), Problem> {
    let (limits, client) = parts(request)?;
    limits.charge(limit, client).await
}

/// Whether one more event of the client that sent `request` would be counted.
///
/// # Errors
/// `rate_limited`.
pub(super) fn look(request: &HttpRequest, limit: Limit) -> Result<(), Problem> {
    let (limits, client) = parts(request)?;
    limits.look(limit, client)
}

fn parts(request: &HttpRequest) -> Result<(&Limits, IpAddr), Problem> {
    let limits = request.app_data::<web::Data<Limits>>();
    let client = request.extensions().get::<Client>().map(|client| client.address);
    limits.map(|limits| &***limits).zip(client).ok_or(Problem::new(Outcome::InternalError))
}

/// Tells of refusals: in a metric each of them, in the log one a minute for each limit and caller.
struct Teller {
    /// A limit on lines of the log.
    told: Option<Buckets>,
    clock: SharedClock,
    metrics: Metrics,
}

impl Teller {
    /// A line a minute.
    fn memory(settings: &settings::Limits) -> Option<Buckets> {
        Some(Buckets::new(Rate::new(1, Duration::from_secs(60))?, settings.addresses))
    }

    /// Microseconds since the epoch.
    fn now(&self) -> u64 {
        self.clock.now().as_millis().saturating_mul(1000)
    }

    /// The answer to a caller who has to wait.
    fn refuse(
        &self,
        limit: Limit,
        caller: &impl Hash,
        wait: Duration,
        name: impl FnOnce(SecurityEvent<'static>) -> SecurityEvent<'static>,
    ) -> Problem {
        self.metrics.limited(limit);
        if self.told.as_ref().is_some_and(|told| told.charge(&(limit, caller), self.now()).is_ok()) {
            name(SecurityEvent::new(SecurityKind::RateLimited).reason(limit.as_str())).emit();
        }
        Problem::new(Outcome::RateLimited).retry_after(wait)
    }
}
