//! The steps of a flight: `src/tokens/refresh.rs`, function by function.

use super::authorization_server::Token;
use super::instance::{At, Flight, Keeper};
use super::rules::{Flaw, Rules};
use super::store::{Lease, Owner, Record, Replaced};
use super::{Io, Reuse, Wire, World};

impl World {
    fn flight(&self, i: usize, at: At) -> Option<Flight> {
        self.instances[i].flight.filter(|flight| flight.at == at)
    }

    fn go(&mut self, i: usize, at: At) {
        if let Some(flight) = &mut self.instances[i].flight {
            flight.at = at;
        }
    }

    /// The flight is over; what it leaves behind in the store has no owner any more.
    fn land(&mut self, i: usize) {
        self.instances[i].flight = None;
        self.store.abandon(Owner::Flight(i));
    }

    pub(super) fn leave(&mut self, i: usize, at: At) -> Option<()> {
        self.flight(i, at)?;
        self.land(i);
        Some(())
    }

    pub(super) fn lease(&mut self, rules: Rules, i: usize, io: Io) -> Option<()> {
        let seen = self.flight(i, At::Lease)?.seen;
        self.pay(io != Io::Answered)?;
        if self.instances[i].unsaved.is_some_and(|unsaved| unsaved.generation > seen.generation)
            && !rules.lacks(Flaw::RedeemsOverUnsaved)
        {
            self.land(i);
            return (io == Io::Answered).then_some(());
        }
        if rules.lacks(Flaw::AsksForNoLease) {
            self.go(i, At::Load);
            return (io == Io::Answered).then_some(());
        }
        if io != Io::Failed {
            self.store.lease(Owner::Flight(i));
        }
        match (io, self.store.lease) {
            (Io::Answered, Lease::Held(owner)) if owner == Owner::Flight(i) => self.go(i, At::Load),
            (Io::Answered, Lease::Held(_)) => self.go(i, At::Waiting),
            _ => self.land(i),
        }
        Some(())
    }

    pub(super) fn reread(&mut self, i: usize, io: Io) -> Option<()> {
        let seen = self.flight(i, At::Waiting)?.seen;
        self.pay(io != Io::Answered)?;
        match self.store.record {
            Some(record) if io == Io::Answered && record.generation <= seen.generation => {
                // As long as the lease is held, it goes round.
                if matches!(self.store.lease, Lease::Held(_)) {
                    return None;
                }
                self.go(i, At::Lease);
            }
            _ => self.land(i),
        }
        Some(())
    }

    pub(super) fn load(&mut self, rules: Rules, i: usize, io: Io) -> Option<()> {
        let flight = self.flight(i, At::Load)?;
        self.pay(io != Io::Answered)?;
        let unsaved = self.instances[i].unsaved.filter(|_| !rules.lacks(Flaw::RedeemsOverUnsaved));
        let newer_here = |record: Record| unsaved.is_some_and(|here| here.generation > record.generation);
        let next = match self.store.record {
            _ if io != Io::Answered => At::Release { cool_down: false },
            _ if rules.lacks(Flaw::DoesNotReadUnderLease) => At::Ask { read: flight.seen, again: false },
            Some(read) if read.generation <= flight.seen.generation && !newer_here(read) => {
                At::Ask { read, again: false }
            }
            _ => At::Release { cool_down: false },
        };
        self.go(i, next);
        Some(())
    }

    pub(super) fn ask(&mut self, reuse: Reuse, i: usize, wire: Wire) -> Option<()> {
        let flight = self.instances[i].flight?;
        let At::Ask { read, again } = flight.at else { return None };
        self.pay(wire != Wire::Answered)?;
        let token = read.refresh;
        if flight.lost_lease || matches!(wire, Wire::Lost | Wire::Unheard | Wire::Late) {
            self.seen.excuse(token);
        }
        let mut granted = None;
        if matches!(wire, Wire::Answered | Wire::Unheard) {
            granted = self.redeem(token, reuse);
        }
        if wire == Wire::Late {
            self.server.late = Some(token);
        }
        let next = match (wire, granted) {
            (Wire::Answered, Some(granted)) => At::WriteBack { read, granted },
            (Wire::Answered, None) => At::Believe { refused: read },
            (Wire::Lost | Wire::Unheard | Wire::Late, _) if !again => At::Ask { read, again: true },
            _ => At::Release { cool_down: true },
        };
        self.go(i, next);
        Some(())
    }

    pub(super) fn redeem(&mut self, token: Token, reuse: Reuse) -> Option<Token> {
        self.seen.present(token);
        let granted = self.server.redeem(token, reuse);
        if granted.is_some() {
            self.seen.spend(token);
        }
        granted
    }

    pub(super) fn write_back(&mut self, rules: Rules, i: usize, io: Io) -> Option<()> {
        let flight = self.instances[i].flight?;
        let At::WriteBack { read, granted } = flight.at else { return None };
        self.pay(io != Io::Answered)?;
        let record = Record { generation: read.generation + 1, refresh: granted };
        self.replace(rules, read, record, io);
        self.go(i, At::Release { cool_down: false });
        if io != Io::Answered && !rules.lacks(Flaw::KeepsNothingUnsaved) {
            let instance = &mut self.instances[i];
            let task = instance.keepers.iter().position(Option::is_none)?;
            instance.keepers[task] = Some(Keeper { read, kept: record, decided: false });
            instance.unsaved = Some(record);
            if !rules.lacks(Flaw::ReleasesBeforeSaved) {
                if self.store.lease == Lease::Held(Owner::Flight(i)) {
                    self.store.lease = Lease::Held(Owner::Keeper(i, task));
                }
                self.land(i);
            }
        }
        Some(())
    }

    /// `None` where the caller hears of an error.
    pub(super) fn replace(&mut self, rules: Rules, read: Record, record: Record, io: Io) -> Option<Replaced> {
        if io == Io::Late {
            self.store.late_replace = Some((read.generation, record));
        }
        let replaced = matches!(io, Io::Answered | Io::Unheard)
            .then(|| self.store.replace(rules, read.generation, record));
        replaced.filter(|_| io == Io::Answered)
    }

    pub(super) fn believe(&mut self, rules: Rules, i: usize, io: Io) -> Option<()> {
        let flight = self.instances[i].flight?;
        let At::Believe { refused } = flight.at else { return None };
        self.pay(io != Io::Answered)?;
        self.seen.refused_without_cause |= self.seen.blameless() && !self.seen.ended;
        let next = match self.store.record {
            _ if io != Io::Answered => At::Release { cool_down: false },
            _ if rules.lacks(Flaw::BelievesAtOnce) => At::End { refused },
            Some(record) if record.generation <= refused.generation => At::End { refused },
            _ => At::Release { cool_down: false },
        };
        self.go(i, next);
        Some(())
    }

    pub(super) fn end(&mut self, rules: Rules, i: usize, io: Io) -> Option<()> {
        let flight = self.instances[i].flight?;
        let At::End { refused } = flight.at else { return None };
        self.pay(io != Io::Answered)?;
        let any = rules.lacks(Flaw::TakesAnyVersion) || rules.lacks(Flaw::BelievesAtOnce);
        let expected = (!any).then_some(refused.generation);
        if io == Io::Late {
            self.store.late_take = Some(expected);
        } else if io != Io::Failed {
            let taken = self.store.take(expected);
            self.seen.refused_another |= taken.is_some_and(|taken| taken.refresh != refused.refresh);
        }
        self.go(i, At::Release { cool_down: false });
        Some(())
    }

    pub(super) fn release(&mut self, rules: Rules, i: usize, io: Io) -> Option<()> {
        let flight = self.instances[i].flight?;
        let At::Release { cool_down } = flight.at else { return None };
        self.pay(io != Io::Answered)?;
        if io != Io::Failed {
            self.store.release(rules, Owner::Flight(i), cool_down);
        }
        self.land(i);
        Some(())
    }

    /// Of a lease that was lost, while its holder still works.
    pub(super) fn keep_lease(&mut self, i: usize) -> Option<()> {
        let at = self.instances[i].flight?.at;
        let works = !matches!(at, At::Lease | At::Waiting);
        if !works || self.store.lease != Lease::Free {
            return None;
        }
        self.store.lease(Owner::Flight(i));
        Some(())
    }
}
