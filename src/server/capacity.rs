//! How many connections there may be, in all and from one address.
//!
//! A connection beyond either bound is closed at once: a load balancer then goes elsewhere, while
//! one that is kept waiting holds its client up. The peer's address is what counts, since a
//! connection has no other; trusted proxies, behind which many clients stand, are bounded by the
//! total alone. In IPv6 an address is a network of 64 bits, of which one customer has at least
//! one (RFC 6177 section 2).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::client_address::TrustedProxies;
use crate::telemetry::{ConnectionBound, Metrics};

/// How often refused connections are told of in the log, at most.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// The places of one listener. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct Capacity {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    most: usize,
    most_per_address: usize,
    proxies: TrustedProxies,
    metrics: Metrics,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
    told: Option<Instant>,
}

/// A connection's place, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    inner: Arc<Inner>,
    address: Option<IpAddr>,
}

impl Capacity {
    /// `most` connections, or as many as the process may have files open for; of those
    /// `most_per_address` from one address, 0 for any number.
    pub fn new(most: usize, most_per_address: usize, proxies: TrustedProxies, metrics: Metrics) -> Self {
        let most = match open_files().map(share) {
            Some(files) if files < most => {
                tracing::info!(
                    target: "connection",
                    max_connections = most,
                    served = files,
                    "the limit of open files (ulimit -n) is too low for server.max_connections"
                );
                files
            }
            _ => most,
        };
        let taken = Mutex::default();
        Self { inner: Arc::new(Inner { most, most_per_address, proxies, metrics, taken }) }
    }

    /// How many there may be in all.
    pub(super) fn most(&self) -> usize {
        self.inner.most
    }

    /// A place for a connection of that peer, if there is one.
    pub(super) fn admit(&self, peer: IpAddr) -> Option<Place> {
        let inner = &self.inner;
        let bounded = inner.most_per_address > 0 && !inner.proxies.trusts(peer);
        let address = bounded.then(|| network(peer));
        let mut taken = inner.taken();
        let from_there = address.map_or(0, |address| taken.by_address.get(&address).copied().unwrap_or(0));
        let bound = if taken.all >= inner.most {
            Some(ConnectionBound::Total)
        } else {
            (bounded && from_there >= inner.most_per_address).then_some(ConnectionBound::Address)
        };
        if let Some(bound) = bound {
            inner.metrics.connection_refused(bound);
            if taken.told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
                taken.told = Some(Instant::now());
                tracing::warn!(target: "connection", bound = bound.as_str(), %peer, "connections are refused");
            }
            return None;
        }
        taken.all += 1;
        if let Some(address) = address {
            taken.by_address.insert(address, from_there + 1);
        }
        inner.metrics.connections(taken.all);
        Some(Place { inner: Arc::clone(inner), address })
    }
}

impl Inner {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.inner.taken();
        taken.all = taken.all.saturating_sub(1);
        self.inner.metrics.connections(taken.all);
        let Some(address) = self.address else { return };
        match taken.by_address.get_mut(&address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                taken.by_address.remove(&address);
            }
        }
    }
}

/// What counts as one address.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
        address => address,
    }
}

/// Three quarters are for browsers; the API's connections, the store's and the files have the rest.
const fn share(files: usize) -> usize {
    files / 4 * 3
}

/// How many files the process may have open: as many as the system lets it ask for. What a shell or
/// a service manager sets for programs in general is 1024, and meant to be raised by those who need
/// more.
fn open_files() -> Option<usize> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        // Refused, it stays as it was.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    }
    // None is no limit at all.
    usize::try_from(getrlimit(Resource::Nofile).current?).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn capacity(most: usize, most_per_address: usize) -> Capacity {
        let proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
        Capacity::new(most, most_per_address, proxies, Metrics::new([]))
    }

    fn admit(capacity: &Capacity, peer: &str) -> Option<Place> {
        capacity.admit(peer.parse().unwrap())
    }

    #[test]
    fn there_are_so_many_places_and_one_given_back_is_free() {
        let capacity = capacity(3, 0);
        let mut places: Vec<_> = (0..3).map(|_| admit(&capacity, "192.0.2.1").unwrap()).collect();
        assert!(admit(&capacity, "192.0.2.2").is_none());
        places.pop();
        assert!(admit(&capacity, "192.0.2.2").is_some());
        assert!(capacity.inner.metrics.render().contains("whisk_bff_connections 2"));
    }

    #[test]
    fn one_address_cannot_take_them_all_and_a_trusted_proxy_can() {
        let capacity = capacity(9, 2);
        for (peer, other) in [
            ("192.0.2.1", "192.0.2.2"),
            ("2001:db8::1", "2001:db8:0:1::1"),
            ("::ffff:192.0.2.3", "192.0.2.4"),
        ] {
            let places: Vec<_> = (0..2).map(|_| admit(&capacity, peer).unwrap()).collect();
            assert!(admit(&capacity, peer).is_none(), "{peer}");
            assert!(admit(&capacity, other).is_some(), "{peer}");
            drop(places);
        }
        assert!(admit(&capacity, "192.0.2.3").is_some());
        assert!(capacity.inner.taken().by_address.is_empty());
        let neighbours: Vec<_> =
            ["2001:db8::1", "2001:db8::2"].map(|peer| admit(&capacity, peer).unwrap()).into();
        assert!(admit(&capacity, "2001:db8::ffff:1").is_none(), "a network of 64 bits is one address");
        drop(neighbours);
        let proxies: Vec<_> = (0..9).map(|_| admit(&capacity, "10.0.0.1").unwrap()).collect();
        assert!(admit(&capacity, "192.0.2.1").is_none());
        drop(proxies);
    }
}
