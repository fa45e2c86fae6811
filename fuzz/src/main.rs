//! Searches for inputs that break a target, guided by coverage. `scripts/fuzz` builds and runs it.

#![no_main]

use std::sync::LazyLock;

use whisk_bff_fuzz::{TARGETS, Target, target};

/// The target whose name stands in `WHISK_BFF_FUZZ_TARGET`.
static CHOSEN: LazyLock<Target> = LazyLock::new(chosen);

libfuzzer_sys::fuzz_target!(|input: &[u8]| (*CHOSEN)(input));

#[expect(clippy::disallowed_methods, reason = "the command line is libFuzzer's")]
#[expect(clippy::panic, reason = "without a target there is nothing to do")]
fn chosen() -> Target {
    let name = std::env::var("WHISK_BFF_FUZZ_TARGET").unwrap_or_default();
    let names = || TARGETS.iter().map(|(name, _)| *name).collect::<Vec<_>>();
    target(&name).unwrap_or_else(|| panic!("WHISK_BFF_FUZZ_TARGET={name:?} is none of {:?}", names()))
}
