//! The refresh protocol without its bytes and clocks: one session, a few instances, a store, and an
//! authorization server that rotates refresh tokens.
//!
//! A step is what the code does between two answers from outside, and carries the name of the
//! function in `src/tokens` that does it. Anything may happen between two steps: another instance's
//! step, a crash, the end of a lease, a logout. Time is left out: what takes long is a step that
//! comes late. The process's cache is left out too, and with it how long an instance may serve a
//! session that ended elsewhere; `src/tokens/cache.rs` bounds that by time.
//!
//! What can fail is paid from [`Left::faults`], so that the runs are finitely many. When all calls
//! are made and all faults are spent, one more call shows what the session has come to.

mod authorization_server;
mod explored;
mod flight;
mod instance;
mod properties;
mod rules;
mod steps;
mod store;

pub(crate) use authorization_server::Reuse;
pub(crate) use properties::{
    LOGOUT_WINS, NEVER_OLDER, ONLY_THE_STORED, OUTAGE_ENDS_NOTHING, REDEEMED_ONCE, SETTLES,
};
pub(crate) use rules::{Flaw, Rules};

use authorization_server::AuthorizationServer;
use instance::Instance;
use properties::Seen;
use store::Store;

/// The most instances that a run can have.
pub(crate) const MOST: usize = 3;

/// What to explore.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Protocol {
    pub(crate) rules: Rules,
    pub(crate) reuse: Reuse,
    pub(crate) instances: usize,
    /// Calls that find the access token dead, over all instances.
    pub(crate) calls: u8,
    /// Things that go wrong: crashes, operations that fail, leases lost under their holder.
    pub(crate) faults: u8,
}

/// Everything there is at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct World {
    store: Store,
    server: AuthorizationServer,
    instances: [Instance; MOST],
    left: Left,
    seen: Seen,
}

/// What may still happen in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Left {
    calls: u8,
    faults: u8,
    /// A logout, or a login in the same browser.
    end: bool,
    /// The call at the end of it all.
    last_call: bool,
}

/// A step. The number is the instance's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// `access_token` or `after_unauthorized`: a call reads the session, whose token is dead.
    AccessToken(usize, Io),
    /// `begin_refresh`: the call joins the flight, or begins one.
    BeginRefresh(usize),
    /// `Store::lease`, in `refresh`.
    Lease(usize, Io),
    /// `refresh` slept, and reads the session again.
    Reread(usize, Io),
    /// `refresh` has waited for as long as it may.
    GiveUp(usize),
    /// `TokenVault::load`, in `redeem`: the session read again under the lease.
    Load(usize, Io),
    /// `ask`.
    Ask(usize, Wire),
    /// `write_back`.
    WriteBack(usize, Io),
    /// `believe`.
    Believe(usize, Io),
    /// `end`, in `refresh.rs`.
    End(usize, Io),
    /// `Store::release`, in `under_lease`.
    Release(usize, Io),
    /// `keep_lease`.
    KeepLease(usize),
    /// `Unsaved::keep` tries to write. The second number is the task's.
    Keep(usize, usize, Io),
    /// `Unsaved::keep` is done with it, and gives back the lease that was left to it.
    Forget(usize, usize),
    /// `TokenBroker::end`: a logout, about to take.
    Logout(usize),
    /// `TokenBroker::begin`: a new session, whose login then takes the one before.
    Begin(usize),
    /// `TokenVault::take`, in `TokenBroker::take`.
    Take(usize, Io),
    /// `TokenBroker::take` forgets what is unsaved, and answers.
    Answer(usize),
    /// SIGKILL.
    Crash(usize),
    /// The lease of somebody who is gone.
    LeaseRunsOut,
    /// A lease ends under a holder that lives: it slept too long, or a failover forgot it.
    LeaseIsLost,
    CoolDownEnds,
    /// A write that was given up by its writer reaches the store after all.
    LateReplace,
    LateTake,
    /// A request that was given up reaches the authorization server after all.
    LateRequest,
}

/// What becomes of one operation of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Io {
    Answered,
    /// Nothing happened, and the caller hears of an error.
    Failed,
    /// It happened, and the caller hears of an error.
    Unheard,
    /// The caller hears of an error, and it happens later.
    Late,
}

/// What becomes of one request to the authorization server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Wire {
    Answered,
    /// The server could not be reached, said that it is not well, or the breaker held the call back.
    Away,
    /// The request was lost.
    Lost,
    /// The server did its work, and the answer was lost.
    Unheard,
    /// The request was given up, and comes later.
    Late,
}

impl Io {
    /// Of an operation that changes nothing. The first of each list costs no fault.
    const READ: [Self; 2] = [Self::Answered, Self::Failed];
    /// Where doing it late is the same as doing it in time, or not at all.
    const SOON: [Self; 3] = [Self::Answered, Self::Failed, Self::Unheard];
    const ALL: [Self; 4] = [Self::Answered, Self::Failed, Self::Unheard, Self::Late];
}

impl Wire {
    const ALL: [Self; 5] = [Self::Answered, Self::Away, Self::Lost, Self::Unheard, Self::Late];
}
