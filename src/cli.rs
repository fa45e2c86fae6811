//! The command line: one file a command.
//!
//! Exit codes: 0 done, 64 bad usage or bad settings (`EX_USAGE` of sysexits.h, before any port is
//! bound), 1 anything else. Results go to standard output, faults to standard error. Secrets are
//! never arguments: anybody on the machine can read those.

mod check_config;
#[cfg(feature = "dev")]
mod dev;
mod end_sessions;
mod generate_key;
mod migrate;
mod serve;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};

use crate::settings::{self, Faults, Settings};
use crate::telemetry::{LogFormat, logging};

/// Bad usage or bad settings.
const USAGE: u8 = 64;
/// Anything else that went wrong.
const FAILURE: u8 = 1;

/// A token-brokering backend-for-frontend proxy for the Whisk API.
#[derive(Parser)]
#[command(name = "whisk-bff", version, max_term_width = 100)]
struct CommandLine {
    /// How log lines are written: `pretty` or `json`. Without it, a terminal gets readable lines
    /// and a pipe JSON.
    #[arg(long, global = true, env = "WHISK_BFF_LOG_FORMAT", value_name = "FORMAT")]
    log_format: Option<LogFormat>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the broker.
    #[command(after_help = "Example:\n  whisk-bff serve --config /etc/whisk-bff/production.toml")]
    Serve(ConfigFiles),
    /// Runs everything in one process, offline: the broker, a sandbox Whisk and a sample page.
    #[cfg(feature = "dev")]
    #[command(after_help = "Example:\n  whisk-bff dev\n  whisk-bff dev --port 0 --sandbox-port 0")]
    Dev(dev::Options),
    /// Prints the settings in force, with secrets as `[redacted]`.
    #[command(after_help = "Example:\n  whisk-bff check-config --config /etc/whisk-bff/production.toml")]
    CheckConfig(ConfigFiles),
    /// Brings the layout in Redis up to date. It may run beside instances of the version before.
    #[command(after_help = "Example:\n  whisk-bff migrate --dry-run --config /etc/whisk-bff/production.toml")]
    Migrate {
        /// Tells what would be done, and does nothing.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        files: ConfigFiles,
    },
    /// Prints one new line for `sealing.keys_file`.
    #[command(after_help = "Example:\n  (umask 077; whisk-bff generate-key > /etc/whisk-bff/keys)")]
    GenerateKey,
    /// Ends one session, one user's, or all of them.
    #[command(
        after_help = "Example:\n  whisk-bff end-sessions --user 1025f5d3 --config /etc/whisk-bff/production.toml"
    )]
    EndSessions {
        #[command(flatten)]
        which: end_sessions::Which,
        #[command(flatten)]
        files: ConfigFiles,
    },
}

#[derive(Args)]
struct ConfigFiles {
    /// A settings file; a later one overrides an earlier one.
    #[arg(long = "config", value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Why a command failed.
enum Failure {
    Settings(Faults),
    Other(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

/// Parses the command line, runs the command, and turns its result into an exit code.
pub fn run() -> ExitCode {
    let command_line = match CommandLine::try_parse() {
        Ok(command_line) => command_line,
        Err(error) => {
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            let _ = error.print();
            return if asked { ExitCode::SUCCESS } else { ExitCode::from(USAGE) };
        }
    };
    match dispatch(command_line) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Settings(faults)) => {
            let _ = writeln!(std::io::stderr(), "{faults}");
            ExitCode::from(USAGE)
        }
        Err(Failure::Other(error)) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::from(FAILURE)
        }
    }
}

fn dispatch(command_line: CommandLine) -> Result<(), Failure> {
    let format = command_line.log_format;
    match command_line.command {
        Command::Serve(files) => {
            let settings = files.load()?;
            let _log = logging::init(format)?;
            serve::run(settings)
        }
        #[cfg(feature = "dev")]
        Command::Dev(options) => {
            let _log = logging::init(format)?;
            dev::run(&options)
        }
        Command::CheckConfig(files) => check_config::run(&files.load()?),
        Command::Migrate { dry_run, files } => migrate::run(&files.load()?, dry_run),
        Command::GenerateKey => generate_key::run(),
        Command::EndSessions { which, files } => end_sessions::run(&files.load()?, &which),
    }
}

impl ConfigFiles {
    fn load(&self) -> Result<Settings, Failure> {
        let environment = settings::environment().map_err(Failure::Settings)?;
        Settings::load(&self.files, environment).map_err(Failure::Settings)
    }
}

/// The runtime of a command: the store's connections and the refreshes live on it.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

/// Writes a command's result.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}
