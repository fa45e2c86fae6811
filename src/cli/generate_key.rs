//! `whisk-bff generate-key`

use zeroize::Zeroizing;

use super::{Failure, print};
use crate::app::key_line;
use crate::crypto::random_bytes;

/// The id is random, so that two keys made on one day do not meet in one ring.
pub(super) fn run() -> Result<(), Failure> {
    let id: String = random_bytes::<4>().iter().map(|byte| format!("{byte:02x}")).collect();
    let line = Zeroizing::new(format!("{}\n", key_line(&format!("k{id}"))));
    print(&line)
}
