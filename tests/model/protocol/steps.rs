//! The steps of the world, each named after the function that does it. Those of a flight are in
//! `flight.rs`.

use super::instance::{At, Ending, Flight, Keeper};
use super::rules::{Flaw, Rules};
use super::store::{Lease, Owner, Store};
use super::{Io, Protocol, Step, World};

impl World {
    /// What becomes of the world by `step`; `None` where the step cannot be made.
    pub(super) fn after(mut self, protocol: &Protocol, step: Step) -> Option<Self> {
        let rules = protocol.rules;
        match step {
            Step::AccessToken(i, io) => self.access_token(rules, i, io)?,
            Step::BeginRefresh(i) => self.begin_refresh(i)?,
            Step::Lease(i, io) => self.lease(rules, i, io)?,
            Step::Reread(i, io) => self.reread(i, io)?,
            Step::GiveUp(i) => self.leave(i, At::Waiting)?,
            Step::Load(i, io) => self.load(rules, i, io)?,
            Step::Ask(i, wire) => self.ask(protocol.reuse, i, wire)?,
            Step::WriteBack(i, io) => self.write_back(rules, i, io)?,
            Step::Believe(i, io) => self.believe(rules, i, io)?,
            Step::End(i, io) => self.end(rules, i, io)?,
            Step::Release(i, io) => self.release(rules, i, io)?,
            Step::KeepLease(i) => self.keep_lease(i)?,
            Step::Keep(i, task, io) => self.keep(rules, i, task, io)?,
            Step::Forget(i, task) => self.forget(rules, i, task)?,
            Step::Logout(i) => self.begin_end(rules, i, false)?,
            Step::Begin(i) => self.begin_end(rules, i, true)?,
            Step::Take(i, io) => self.take(i, io)?,
            Step::Answer(i) => self.answer(rules, i)?,
            Step::Crash(i) => self.crash(i)?,
            Step::LeaseRunsOut | Step::LeaseIsLost | Step::CoolDownEnds => self.lease_ends(rules, step)?,
            Step::LateReplace => {
                let (expected, record) = self.store.late_replace.take()?;
                self.store.replace(rules, expected, record);
            }
            Step::LateTake => {
                let expected = self.store.late_take.take()?;
                self.store.take(expected);
            }
            Step::LateRequest => {
                let token = self.server.late.take()?;
                self.redeem(token, protocol.reuse);
            }
        }
        Some(self)
    }

    pub(super) fn pay(&mut self, fault: bool) -> Option<()> {
        self.left.faults = self.left.faults.checked_sub(u8::from(fault))?;
        Some(())
    }

    fn access_token(&mut self, rules: Rules, i: usize, io: Io) -> Option<()> {
        if self.instances[i].call.is_some() {
            return None;
        }
        if self.left.calls > 0 {
            self.left.calls -= 1;
        } else {
            // The last call, when all is over and something is left to be seen.
            if !self.left.last_call || !self.rests() || self.settled() {
                return None;
            }
            self.left.last_call = false;
            self.left.faults = 0;
        }
        self.pay(io != Io::Answered)?;
        let unsaved = self.instances[i].unsaved;
        let newest = match (io, self.store.record, unsaved) {
            (Io::Answered, Some(stored), Some(unsaved)) if unsaved.generation > stored.generation => unsaved,
            (Io::Answered, Some(stored), _) => stored,
            (Io::Answered, None, Some(unsaved)) if rules.lacks(Flaw::ServesWhatIsGone) => unsaved,
            (Io::Failed, _, Some(unsaved)) => unsaved,
            _ => return None,
        };
        self.seen.served_after_end |= io == Io::Answered && self.seen.ended;
        self.instances[i].call = Some(newest);
        Some(())
    }

    fn begin_refresh(&mut self, i: usize) -> Option<()> {
        let instance = &mut self.instances[i];
        let seen = instance.call.take()?;
        instance.flight.get_or_insert(Flight { at: At::Lease, seen, lost_lease: false });
        Some(())
    }

    fn keep(&mut self, rules: Rules, i: usize, task: usize, io: Io) -> Option<()> {
        let keeper = self.instances[i].keepers[task].filter(|keeper| !keeper.decided)?;
        self.pay(io != Io::Answered)?;
        let answered = self.replace(rules, keeper.read, keeper.kept, io).is_some();
        // It stops after an attempt that failed, where somebody has forgotten it meanwhile.
        let forgotten = self.instances[i].unsaved != Some(keeper.kept);
        self.instances[i].keepers[task] = Some(Keeper { decided: answered || forgotten, ..keeper });
        Some(())
    }

    fn forget(&mut self, rules: Rules, i: usize, task: usize) -> Option<()> {
        let keeper = self.instances[i].keepers[task].filter(|keeper| keeper.decided)?;
        let instance = &mut self.instances[i];
        instance.keepers[task] = None;
        if instance.unsaved == Some(keeper.kept) || rules.lacks(Flaw::ForgetsAnotherVersion) {
            instance.unsaved = None;
        }
        self.store.release(rules, Owner::Keeper(i, task), false);
        Some(())
    }

    fn begin_end(&mut self, rules: Rules, i: usize, login: bool) -> Option<()> {
        if !std::mem::take(&mut self.left.end) {
            return None;
        }
        if rules.lacks(Flaw::ForgetsBeforeTaken) {
            self.instances[i].unsaved = None;
        }
        self.instances[i].ending = Some(Ending::Take { login });
        Some(())
    }

    fn take(&mut self, i: usize, io: Io) -> Option<()> {
        let Ending::Take { login } = self.instances[i].ending? else { return None };
        self.pay(io != Io::Answered)?;
        match io {
            Io::Answered | Io::Unheard => drop(self.store.take(None)),
            Io::Late => self.store.late_take = Some(None),
            Io::Failed => {}
        }
        self.instances[i].ending = Some(Ending::Answer { login, taken: io == Io::Answered });
        Some(())
    }

    fn answer(&mut self, rules: Rules, i: usize) -> Option<()> {
        let Ending::Answer { login, taken } = self.instances[i].ending? else { return None };
        self.instances[i].ending = None;
        if taken {
            self.instances[i].unsaved = None;
        }
        if login && taken && rules.lacks(Flaw::LoginKeepsTheId) {
            self.store.record = Some(Store::first_record(1));
        } else {
            self.seen.ended |= taken;
        }
        Some(())
    }

    fn crash(&mut self, i: usize) -> Option<()> {
        if self.instances[i].rests() {
            return None;
        }
        self.pay(true)?;
        for token in self.instances[i].at_stake() {
            self.seen.excuse(token);
        }
        self.instances[i] = Default::default();
        for owner in [Owner::Flight(i), Owner::Keeper(i, 0), Owner::Keeper(i, 1)] {
            self.store.abandon(owner);
        }
        Some(())
    }

    fn lease_ends(&mut self, rules: Rules, step: Step) -> Option<()> {
        match (step, self.store.lease) {
            (Step::CoolDownEnds, Lease::CoolingDown) => {}
            (Step::LeaseRunsOut, Lease::Held(Owner::Gone)) if !rules.lacks(Flaw::LeaseStays) => {}
            (Step::LeaseIsLost, Lease::Held(Owner::Flight(i))) => {
                self.pay(true)?;
                let flight = self.instances[i].flight.as_mut()?;
                flight.lost_lease = true;
                if let Some(token) = flight.at_stake() {
                    self.seen.excuse(token);
                }
            }
            (Step::LeaseIsLost, Lease::Held(Owner::Keeper(i, task))) => {
                self.pay(true)?;
                let keeper = self.instances[i].keepers[task]?;
                self.seen.excuse(keeper.read.refresh);
            }
            _ => return None,
        }
        self.store.lease = Lease::Free;
        Some(())
    }
}
