//! The binary: see [`whisk_bff::cli`].

use std::process::ExitCode;

/// A call allocates and frees a few dozen small pieces; the system's allocator takes a fifth of
/// its time for them (`docs/PERFORMANCE.md`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    whisk_bff::cli::run()
}
