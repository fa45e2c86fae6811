//! What must hold in every run, and what is remembered of a run to tell.

use stateright::{Model, Property};

use super::authorization_server::Token;
use super::{Protocol, World};

pub(crate) const REDEEMED_ONCE: &str =
    "a refresh token is redeemed once, unless its holder died, its answer was lost or its lease ran out";
pub(crate) const LOGOUT_WINS: &str = "after a logout has answered there is no record, and no call is served";
pub(crate) const NEVER_OLDER: &str = "no token is stored over a newer one";
pub(crate) const SETTLES: &str = "every run ends in a session that works or has ended";
pub(crate) const ONLY_THE_STORED: &str =
    "invalid_grant ends a session only where the stored token was refused";
pub(crate) const OUTAGE_ENDS_NOTHING: &str =
    "no outage of the store or of the server's front door ends a session";

/// What happened in a run so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Seen {
    /// Tokens for which the server issued others, a bit each.
    spent: u32,
    /// Tokens that may be shown again: whoever showed them could not keep what came of it.
    excused: u32,
    redeemed_twice: bool,
    /// A logout, or the login after, has answered.
    pub(super) ended: bool,
    pub(super) served_after_end: bool,
    pub(super) refused_another: bool,
    pub(super) refused_without_cause: bool,
}

impl Seen {
    pub(super) fn present(&mut self, token: Token) {
        self.redeemed_twice |= self.spent & !self.excused & (1 << token) != 0;
    }

    pub(super) fn spend(&mut self, token: Token) {
        self.spent |= 1 << token;
    }

    pub(super) fn excuse(&mut self, token: Token) {
        self.excused |= 1 << token;
    }

    /// Nothing happened that can cost a session.
    pub(super) fn blameless(&self) -> bool {
        self.excused == 0
    }
}

impl World {
    /// Nobody is about to do anything.
    pub(super) fn rests(&self) -> bool {
        self.instances.iter().all(super::instance::Instance::rests)
            && self.store.rests()
            && !self.server.busy()
    }

    /// The session has ended, or its next refresh will succeed.
    pub(super) fn settled(&self) -> bool {
        self.store.record.is_none_or(|record| self.server.accepts(record.refresh))
    }
}

pub(super) fn all() -> Vec<Property<Protocol>> {
    vec![
        Property::always(REDEEMED_ONCE, |_, world: &World| !world.seen.redeemed_twice),
        Property::always(LOGOUT_WINS, |_, world: &World| {
            let stored = world.seen.ended && world.store.record.is_some();
            !stored && !world.seen.served_after_end
        }),
        Property::always(NEVER_OLDER, |_, world: &World| !world.store.went_back),
        // Not `eventually`, which misses runs that join others: no run ends otherwise, and that
        // each one ends is shown by `refresh::no_run_goes_on_for_ever`.
        Property::always(SETTLES, |protocol: &Protocol, world: &World| {
            (world.settled() && world.rests()) || !protocol.next_steps(world).is_empty()
        }),
        Property::always(ONLY_THE_STORED, |_, world: &World| !world.seen.refused_another),
        Property::always(OUTAGE_ENDS_NOTHING, |_, world: &World| !world.seen.refused_without_cause),
        // And runs get to where these are in question.
        Property::sometimes("a session is refreshed twice", |_, world: &World| {
            world.store.record.is_some_and(|record| record.generation > 2)
        }),
        Property::sometimes("a session ends because its tokens were lost", |_, world: &World| {
            world.store.record.is_none() && world.left.end && world.rests()
        }),
        Property::sometimes("tokens are stored after an outage", |_, world: &World| {
            let mut kept = world.instances.iter().flat_map(|instance| instance.keepers).flatten();
            kept.any(|keeper| world.store.record == Some(keeper.kept))
        }),
    ]
}
