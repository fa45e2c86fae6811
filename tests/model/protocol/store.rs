//! The store: one record, its lease, and what `src/store.rs` promises of them.

use super::authorization_server::{AuthorizationServer, Token};
use super::rules::{Flaw, Rules};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Record {
    pub(super) generation: u8,
    pub(super) refresh: Token,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Lease {
    Free,
    Held(Owner),
    CoolingDown,
}

/// Owners are random a task; an instance has one task of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Owner {
    /// The instance's flight.
    Flight(usize),
    /// The instance's `Unsaved::keep`, to which the flight left its lease.
    Keeper(usize, usize),
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Replaced {
    Done,
    Gone,
    Moved,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Store {
    pub(super) record: Option<Record>,
    pub(super) lease: Lease,
    pub(super) late_replace: Option<(u8, Record)>,
    /// Of this generation, or of any.
    pub(super) late_take: Option<Option<u8>>,
    /// A token was stored over one that was issued after it.
    pub(super) went_back: bool,
}

impl Store {
    pub(super) fn new() -> Self {
        Self {
            record: Some(Self::first_record(0)),
            lease: Lease::Free,
            late_replace: None,
            late_take: None,
            went_back: false,
        }
    }

    pub(super) fn first_record(login: Token) -> Record {
        Record { generation: 1, refresh: AuthorizationServer::first_of(login) }
    }

    pub(super) fn replace(&mut self, rules: Rules, expected: u8, record: Record) -> Replaced {
        match self.record {
            None if !rules.lacks(Flaw::ReplacesWhatIsGone) => return Replaced::Gone,
            Some(stored) if stored.generation != expected && !rules.lacks(Flaw::ReplacesAnyGeneration) => {
                return Replaced::Moved;
            }
            Some(stored) => {
                let again = record == stored;
                let older = record.refresh < stored.refresh || record.generation <= stored.generation;
                self.went_back |= older && !again;
            }
            None => {}
        }
        self.record = Some(record);
        Replaced::Done
    }

    /// With a generation, only that one: so ends a session whose token was refused.
    pub(super) fn take(&mut self, expected: Option<u8>) -> Option<Record> {
        match (self.record, expected) {
            (Some(stored), Some(expected)) if stored.generation != expected => None,
            _ => self.record.take(),
        }
    }

    pub(super) fn lease(&mut self, owner: Owner) -> Lease {
        if self.lease == Lease::Free {
            self.lease = Lease::Held(owner);
        }
        self.lease
    }

    pub(super) fn release(&mut self, rules: Rules, owner: Owner, cool_down: bool) {
        let held = matches!(self.lease, Lease::Held(_)) && rules.lacks(Flaw::ReleasesAnothersLease);
        if self.lease == Lease::Held(owner) || held {
            self.lease = if cool_down { Lease::CoolingDown } else { Lease::Free };
        }
    }

    /// Nobody has a lease, and nothing is under way.
    pub(super) fn rests(&self) -> bool {
        self.lease == Lease::Free && self.late_replace.is_none() && self.late_take.is_none()
    }

    /// What an owner leaves behind that ends without releasing.
    pub(super) fn abandon(&mut self, owner: Owner) {
        if self.lease == Lease::Held(owner) {
            self.lease = Lease::Held(Owner::Gone);
        }
    }
}
