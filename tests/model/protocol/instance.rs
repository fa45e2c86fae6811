//! What one process knows and is about to do.

use super::authorization_server::Token;
use super::store::Record;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Instance {
    /// A call that has read this version and has not joined a flight yet.
    pub(super) call: Option<Record>,
    pub(super) flight: Option<Flight>,
    /// The newest version that `Unsaved` has.
    pub(super) unsaved: Option<Record>,
    /// More than one where the first is about to forget.
    pub(super) keepers: [Option<Keeper>; 2],
    pub(super) ending: Option<Ending>,
}

/// A refresh, between two answers from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Flight {
    pub(super) at: At,
    /// What its caller had read.
    pub(super) seen: Record,
    /// Its lease ended under it.
    pub(super) lost_lease: bool,
}

/// What a flight does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum At {
    Lease,
    /// Another has the lease.
    Waiting,
    Load,
    /// For the second time where `again`.
    Ask {
        read: Record,
        again: bool,
    },
    WriteBack {
        read: Record,
        granted: Token,
    },
    Believe {
        refused: Record,
    },
    End {
        refused: Record,
    },
    Release {
        cool_down: bool,
    },
}

/// The task of `Unsaved::keep`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Keeper {
    pub(super) read: Record,
    pub(super) kept: Record,
    /// The store has answered.
    pub(super) decided: bool,
}

/// `TokenBroker::take`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Ending {
    Take { login: bool },
    Answer { login: bool, taken: bool },
}

impl Flight {
    /// The token that it has presented or is about to, while what came of it is not stored.
    pub(super) fn at_stake(&self) -> Option<Token> {
        match self.at {
            At::Ask { read, .. } | At::WriteBack { read, .. } => Some(read.refresh),
            _ => None,
        }
    }
}

impl Instance {
    /// Tokens whose successors only this process knows.
    pub(super) fn at_stake(&self) -> impl Iterator<Item = Token> {
        let flight = self.flight.filter(|flight| matches!(flight.at, At::WriteBack { .. }));
        let kept = self.keepers.into_iter().flatten().filter(|keeper| !keeper.decided);
        flight.and_then(|flight| flight.at_stake()).into_iter().chain(kept.map(|keeper| keeper.read.refresh))
    }

    pub(super) fn rests(&self) -> bool {
        self.call.is_none()
            && self.flight.is_none()
            && self.keepers.iter().all(Option::is_none)
            && self.ending.is_none()
    }
}
