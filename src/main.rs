//! The binary: see [`whisk_bff::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    whisk_bff::cli::run()
}
