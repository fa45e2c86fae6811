//! The protocol's rules, each of which can be left out, to see what it is there for.

/// The protocol as it should be, less some of its rules.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rules(&'static [Flaw]);

/// A rule left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// `replace` does not look at the generation.
    ReplacesAnyGeneration,
    /// `replace` writes where there is no record.
    ReplacesWhatIsGone,
    /// `release` does not look at the owner.
    ReleasesAnothersLease,
    /// A refresher works without a lease.
    AsksForNoLease,
    /// A lease does not run out by itself.
    LeaseStays,
    /// `redeem` trusts what was read before the lease.
    DoesNotReadUnderLease,
    /// `believe` does not read the session again.
    BelievesAtOnce,
    /// `end` takes whatever is there, and not just the version that was refused.
    TakesAnyVersion,
    /// `write_back` throws tokens away that the store did not take.
    KeepsNothingUnsaved,
    /// `under_lease` gives the lease back while its tokens are not stored yet.
    ReleasesBeforeSaved,
    /// `redeem` does not look whether this process has a newer version unsaved.
    RedeemsOverUnsaved,
    /// `Unsaved::keep` forgets whatever is kept, and not just what it wrote.
    ForgetsAnotherVersion,
    /// `TokenBroker::take` forgets what is unsaved before the store has taken the session.
    ForgetsBeforeTaken,
    /// `newest` serves an unsaved version of a session that is gone.
    ServesWhatIsGone,
    /// A login writes its session over the one before, under the same id.
    LoginKeepsTheId,
}

impl Rules {
    pub(crate) fn without(flaws: &'static [Flaw]) -> Self {
        Self(flaws)
    }

    pub(super) fn lacks(self, flaw: Flaw) -> bool {
        self.0.contains(&flaw)
    }
}
