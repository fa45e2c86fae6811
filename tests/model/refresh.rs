//! Every run of the refresh protocol within bounds, and what each of its rules is there for.

use std::collections::HashMap;

use stateright::{Checker, Expectation, HasDiscoveries, Model};

use crate::protocol::{
    Flaw, LOGOUT_WINS, NEVER_OLDER, ONLY_THE_STORED, OUTAGE_ENDS_NOTHING, Protocol, REDEEMED_ONCE, Reuse,
    Rules, SETTLES, Step, World,
};

fn protocol(instances: usize, calls: u8, faults: u8) -> Protocol {
    Protocol { rules: Rules::default(), reuse: Reuse::Revokes, instances, calls, faults }
}

/// Whether bounds are explored that take minutes.
fn long() -> bool {
    std::env::var("WHISK_BFF_LONG_TESTS").is_ok_and(|value| value == "1")
}

fn explore(protocol: Protocol) {
    let bounds = format!("{protocol:?}");
    let checker = protocol.checker().threads(2).spawn_bfs().join();
    println!("{} worlds, {} steps deep: {bounds}", checker.unique_state_count(), checker.max_depth());
    for property in checker.model().properties() {
        let found = checker.discovery(property.name);
        match (property.expectation, found) {
            (Expectation::Sometimes, None) => panic!("never in {bounds}: {}", property.name),
            (Expectation::Always, Some(path)) => {
                panic!(
                    "not {}:{}\n{:?}",
                    property.name,
                    trace(&path.clone().into_actions()),
                    path.last_state()
                )
            }
            _ => {}
        }
    }
}

fn trace(steps: &[Step]) -> String {
    steps.iter().map(|step| format!("\n  {step:?}")).collect()
}

#[test]
fn two_instances_keep_every_promise() {
    explore(if long() { protocol(2, 3, 3) } else { protocol(2, 2, 2) });
}

#[test]
fn three_instances_keep_every_promise() {
    explore(protocol(3, if long() { 3 } else { 2 }, 1));
}

#[test]
fn so_they_do_where_a_token_shown_twice_is_only_refused() {
    let bounds = if long() { protocol(2, 3, 2) } else { protocol(2, 3, 1) };
    explore(Protocol { reuse: Reuse::Refused, ..bounds });
}

/// Together with [`SETTLES`]: a run that cannot come back to where it was comes to its end.
#[test]
fn no_run_goes_on_for_ever() {
    let protocol = protocol(2, 2, if long() { 2 } else { 1 });
    let mut finished: HashMap<World, bool> = HashMap::new();
    let mut way: Vec<(World, Vec<World>)> = Vec::new();
    for world in protocol.init_states() {
        finished.insert(world, false);
        way.push((world, protocol.next_states(&world)));
    }
    while let Some((world, next)) = way.last_mut() {
        match next.pop() {
            None => {
                finished.insert(*world, true);
                way.pop();
            }
            Some(next) => match finished.get(&next) {
                Some(true) => {}
                Some(false) => panic!("a run comes back to {next:?}"),
                None => {
                    finished.insert(next, false);
                    way.push((next, protocol.next_states(&next)));
                }
            },
        }
    }
    assert!(finished.len() > 1000, "hardly anything was explored");
}

/// The model can tell: without the rules of `flaws`, `property` does not hold.
fn breaks(flaws: &'static [Flaw], property: &'static str, bounds: Protocol) {
    if let [_, others @ ..] = flaws
        && !others.is_empty()
    {
        assert!(holds(others, property, bounds), "the first of {flaws:?} breaks nothing");
    }
    assert!(!holds(flaws, property, bounds), "nothing comes of {flaws:?}");
}

fn holds(flaws: &'static [Flaw], property: &'static str, bounds: Protocol) -> bool {
    let flawed = Protocol { rules: Rules::without(flaws), ..bounds };
    let found = HasDiscoveries::AllOf([property].into());
    let checker = flawed.checker().threads(2).finish_when(found).spawn_bfs().join();
    let Some(path) = checker.discovery(property) else { return true };
    println!("without {flaws:?}, not \"{property}\":{}", trace(&path.into_actions()));
    false
}

/// The first rule named is there for the promise. Where others follow, it is a second line of
/// defence, which counts when they are left out too.
macro_rules! rules {
    ($($test:ident: $($flaw:ident),+ => $property:ident in $bounds:expr;)*) => {
        $(#[test] fn $test() { breaks(&[$(Flaw::$flaw),+], $property, $bounds); })*
    };
}

rules! {
    replace_needs_the_generation_read: ReplacesAnyGeneration => NEVER_OLDER in protocol(2, 2, 1);
    replace_needs_a_record: ReplacesWhatIsGone => LOGOUT_WINS in protocol(1, 1, 0);
    release_needs_the_owner: ReleasesAnothersLease => REDEEMED_ONCE in protocol(2, 3, 1);
    a_refresher_needs_a_lease: AsksForNoLease => REDEEMED_ONCE in protocol(2, 2, 0);
    a_lease_runs_out_by_itself: LeaseStays => SETTLES in protocol(1, 1, 1);
    it_reads_again_under_the_lease: DoesNotReadUnderLease => REDEEMED_ONCE in protocol(2, 2, 0);
    a_refusal_is_believed_after_a_look: BelievesAtOnce => ONLY_THE_STORED in protocol(2, 2, 1);
    a_refusal_takes_the_version_refused: TakesAnyVersion => ONLY_THE_STORED in protocol(2, 2, 1);
    new_tokens_are_kept: KeepsNothingUnsaved => OUTAGE_ENDS_NOTHING in protocol(1, 1, 1);
    the_lease_stays_until_they_are_stored: ReleasesBeforeSaved => OUTAGE_ENDS_NOTHING in protocol(2, 2, 1);
    it_redeems_none_that_it_replaced: RedeemsOverUnsaved, ReleasesBeforeSaved => REDEEMED_ONCE in protocol(1, 2, 1);
    none_forgets_anothers: ForgetsAnotherVersion, ReleasesBeforeSaved => OUTAGE_ENDS_NOTHING in protocol(1, 2, 3);
    kept_until_the_session_is_taken: ForgetsBeforeTaken => OUTAGE_ENDS_NOTHING in protocol(1, 2, 2);
    what_is_kept_does_not_outlive_a_logout: ServesWhatIsGone => LOGOUT_WINS in protocol(2, 2, 1);
    a_login_makes_a_new_id: LoginKeepsTheId => NEVER_OLDER in protocol(2, 1, 0);
}
