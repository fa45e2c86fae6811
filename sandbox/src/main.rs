//! The sandbox as a program: a small Whisk on a port, until it is interrupted.

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    process::ExitCode,
    time::Duration,
};

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use whisk_sandbox::{Behaviour, Config, PkceMode, Sandbox, User};

/// A small Whisk for development and tests: authorization page, token endpoint, API.
#[derive(Parser)]
#[command(
    version,
    after_help = "Example:\n  whisk-sandbox --listen 127.0.0.1:8081 --access-token-lifetime 1m"
)]
struct Arguments {
    /// Where to listen; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8081")]
    listen: SocketAddr,
    /// Allow an address that other machines reach. There is no password on anything here
    #[arg(long)]
    allow_remote: bool,
    /// Origin that people reach it at, for example http://localhost:8081
    #[arg(long)]
    public_url: Option<String>,
    /// The registered client
    #[arg(long, default_value = "sandbox-client")]
    client_id: String,
    /// The client's secret
    #[arg(long, default_value = "sandbox-not-a-secret")]
    client_secret: String,
    /// An approved redirect URI, may be given several times; without it any on loopback
    #[arg(long = "redirect-uri")]
    redirect_uris: Vec<String>,
    /// Somebody who can log in, as ID or ID=NAME, may be given several times
    #[arg(long = "user", value_parser = user)]
    users: Vec<User>,
    /// Life of an access token, as 90, 90s, 15m, 12h or 30d
    #[arg(long, value_parser = time, default_value = "30d")]
    access_token_lifetime: Duration,
    /// Life of an authorization code
    #[arg(long, value_parser = time, default_value = "1d")]
    code_lifetime: Duration,
    /// A refresh token dies after this long without use
    #[arg(long, value_parser = time, default_value = "365d")]
    refresh_token_lifetime: Duration,
    /// Keep the refresh token over a refresh
    #[arg(long)]
    no_rotation: bool,
    /// Let a reused refresh token fail without ending the whole grant
    #[arg(long)]
    no_reuse_detection: bool,
    /// Leave the old access token alive over a refresh
    #[arg(long)]
    keep_old_access_token: bool,
    /// Ignore PKCE, as a server does that has never heard of it
    #[arg(long)]
    no_pkce: bool,
    /// Wait this long before each token request is processed
    #[arg(long, value_parser = time, default_value = "0")]
    token_latency: Duration,
    /// Wait this long before each API request is processed
    #[arg(long, value_parser = time, default_value = "0")]
    api_latency: Duration,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if !arguments.listen.ip().is_loopback() && !arguments.allow_remote {
        return complain(
            USAGE,
            "--listen: this address is not loopback, and anybody could log in as anybody; \
             --allow-remote allows it",
        );
    }
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(1, &error.to_string()),
    }
}

async fn run(arguments: Arguments) -> io::Result<()> {
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    let sandbox = Sandbox::spawn(config(arguments)).await?;
    introduce(&sandbox)?;
    tokio::select! {
        _ = interrupted.recv() => {}
        _ = terminated.recv() => {}
    }
    sandbox.stop();
    Ok(())
}

fn introduce(sandbox: &Sandbox) -> io::Result<()> {
    let (url, config) = (sandbox.url(), sandbox.config());
    let mut out = io::stdout().lock();
    writeln!(out, "whisk-sandbox listens on {url}")?;
    writeln!(out, "  authorize   {url}/oauth/v2/authorize")?;
    writeln!(out, "  token       {url}/oauth/v2/token")?;
    writeln!(out, "  anonymous   {url}/auth/anonymous/create")?;
    writeln!(out, "  API         {url}/v2/")?;
    writeln!(out, "  client      {}", config.client_id)?;
    writeln!(out, "  journal     curl {url}/sandbox/journal")?;
    writeln!(out, "  behaviour   curl {url}/sandbox/behaviour --json '{{\"access_token_lifetime\": 60}}'")?;
    out.flush()
}

fn config(arguments: Arguments) -> Config {
    let defaults = Config::default();
    Config {
        listen: arguments.listen,
        public_url: arguments.public_url,
        client_id: arguments.client_id,
        client_secret: arguments.client_secret,
        redirect_uris: arguments.redirect_uris,
        users: if arguments.users.is_empty() { defaults.users } else { arguments.users },
        behaviour: Behaviour {
            access_token_lifetime: arguments.access_token_lifetime,
            code_lifetime: arguments.code_lifetime,
            refresh_token_lifetime: arguments.refresh_token_lifetime,
            rotate_refresh_tokens: !arguments.no_rotation,
            reuse_detection: !arguments.no_reuse_detection,
            refresh_kills_old_access_token: !arguments.keep_old_access_token,
            pkce: if arguments.no_pkce { PkceMode::Ignore } else { PkceMode::Verify },
            token_latency: arguments.token_latency,
            api_latency: arguments.api_latency,
            ..Behaviour::default()
        },
        journal_capacity: JOURNAL,
        workers: defaults.workers,
    }
}

fn user(text: &str) -> Result<User, &'static str> {
    let (id, name) = text.split_once('=').unwrap_or((text, text));
    if id.is_empty() {
        return Err("a user needs an identifier");
    }
    Ok(User::new(id, name))
}

fn time(text: &str) -> Result<Duration, &'static str> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match &text[digits.len()..] {
        "" | "s" => 1,
        "ms" => {
            let millis = digits.parse().map_err(|_| NO_TIME)?;
            return Ok(Duration::from_millis(millis));
        }
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err(NO_TIME),
    };
    let count: u64 = digits.parse().map_err(|_| NO_TIME)?;
    count.checked_mul(unit).map(Duration::from_secs).ok_or(NO_TIME)
}

fn complain(code: u8, message: &str) -> ExitCode {
    // Nobody is left to tell if standard error is gone.
    let _ = writeln!(io::stderr(), "whisk-sandbox: {message}");
    ExitCode::from(code)
}

/// Contract with scripts: a bad command line, as in the other binaries here.
const USAGE: u8 = 64;
/// A program that runs for weeks remembers less than a test.
const JOURNAL: usize = 10_000;
const NO_TIME: &str = "a time, as 90, 90s, 15m, 12h, 30d or 500ms";
