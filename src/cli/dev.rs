//! `whisk-bff dev`: a broker, a sandbox Whisk and a sample page in one process, without settings
//! and without a network.
//!
//! The broker is the one of `serve`, with settings made here: neither files nor the environment
//! reach them. The sandbox is another site than the page (`127.0.0.1` and `localhost`), as Whisk
//! is in production, so that cookies and the browser's checks behave as they do there.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use whisk_sandbox::{Behaviour, Config, Sandbox};

use super::serve::serve;
use super::{Failure, print, runtime};
use crate::app::{Application, Surroundings};
use crate::server::sample_page;
use crate::settings::Settings;

#[derive(Args)]
pub(super) struct Options {
    /// Port of the broker and the sample page; 0 takes any free one.
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    port: u16,
    /// Port of the sandbox Whisk; 0 takes any free one.
    #[arg(long, value_name = "PORT", default_value_t = 8081)]
    sandbox_port: u16,
    /// Where the sessions and the key that seals them are kept.
    #[arg(long, value_name = "DIRECTORY", default_value = "data")]
    data_dir: String,
    /// How long an access token of the sandbox lives, 1s to 365d: short, so that one sees it
    /// being renewed.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = lifetime)]
    token_lifetime: Duration,
}

pub(super) fn run(options: &Options) -> Result<(), Failure> {
    runtime()?.block_on(async {
        // Held until the sandbox has its own port, so that the two never take the same.
        let reserved = listen("--port", options.port)?;
        let port = reserved.local_addr()?.port();
        let origin = format!("http://localhost:{port}");
        let sandbox = sandbox(options, &origin).await?;
        let settings =
            Settings::load(&[], settings(options, port, &origin, &sandbox)).map_err(Failure::Settings)?;

        print(&welcome(options, &origin, &sandbox.url()))?;
        drop(reserved);
        let surroundings = Surroundings { pages: sample_page::PAGES, ..Surroundings::default() };
        serve(Application::build(settings, surroundings).await?).await
    })
}

/// A sandbox that knows no other client than this broker.
async fn sandbox(options: &Options, origin: &str) -> anyhow::Result<Sandbox> {
    let config = Config {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, options.sandbox_port)),
        redirect_uris: vec![format!("{origin}/auth/callback")],
        behaviour: Behaviour {
            access_token_lifetime: options.token_lifetime,
            rotate_refresh_tokens: true,
            anonymous_origins: vec![origin.to_owned()],
            ..Behaviour::default()
        },
        ..Config::default()
    };
    match Sandbox::spawn(config).await {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            Err(in_use("--sandbox-port", options.sandbox_port))
        }
        answer => answer.context("the sandbox cannot be started (--sandbox-port)"),
    }
}

/// What a settings file would say. The names are those of the environment, whose form
/// [`Settings::load`] takes; the environment itself is not looked at.
fn settings(options: &Options, port: u16, origin: &str, sandbox: &Sandbox) -> Vec<(String, String)> {
    let (client, data) = (sandbox.config(), options.data_dir.trim_end_matches('/'));
    // One renewal in sight well before the token ends, however short its life is.
    let refresh_ahead = (options.token_lifetime / 4).min(Duration::from_secs(60));
    [
        ("SERVER__PUBLIC_URL", origin.to_owned()),
        ("SERVER__LISTEN", format!("127.0.0.1:{port}")),
        ("SERVER__ADMIN_LISTEN", String::new()),
        ("SERVER__DRAIN_DELAY", "0s".to_owned()),
        ("SERVER__SHUTDOWN_GRACE", "1s".to_owned()),
        ("WHISK__LOGIN_URL", sandbox.url()),
        ("WHISK__API_URL", sandbox.url()),
        ("WHISK__CLIENT_ID", client.client_id.clone()),
        ("WHISK__CLIENT_SECRET", client.client_secret.clone()),
        ("WHISK__SCOPES", SCOPES.join(",")),
        ("ANONYMOUS__ENABLED", "true".to_owned()),
        ("ANONYMOUS__CREATE_URL", format!("{}/auth/anonymous/create", sandbox.url())),
        ("SESSION__REFRESH_AHEAD", format!("{}ms", refresh_ahead.as_millis())),
        ("STORE__URL", format!("embedded:{data}/whisk-bff.redb")),
    ]
    .map(|(name, value)| (format!("WHISK_BFF__{name}"), value))
    .into()
}

/// What a newcomer reads first.
fn welcome(options: &Options, origin: &str, sandbox: &str) -> String {
    let lifetime = humantime::format_duration(options.token_lifetime);
    format!(
        "  Sample page    {origin}\n  \
           Sandbox Whisk  {sandbox}\n\n\
         Open {origin}, click \"Log in\", pick a user (there is no password) and click \"Allow\".\n\
         An access token lives {lifetime} here: stay on the page and see it being renewed.\n\
         Nothing leaves this machine. Ctrl-C stops everything; the log follows.\n\n"
    )
}

/// Takes the port on which the page will be. Browsers look for `localhost` at `[::1]` too: where
/// another program has the port there, they would find that one.
fn listen(option: &str, port: u16) -> anyhow::Result<TcpListener> {
    let bind = |ip: IpAddr, port| TcpListener::bind((ip, port));
    let listener = match bind(Ipv4Addr::LOCALHOST.into(), port) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => bail!(in_use(option, port)),
        answer => answer.with_context(|| format!("cannot listen on port {port} ({option})"))?,
    };
    let port = listener.local_addr()?.port();
    match bind(Ipv6Addr::LOCALHOST.into(), port) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => bail!(in_use(option, port)),
        // Free, or a machine without IPv6.
        _ => Ok(listener),
    }
}

fn in_use(option: &str, port: u16) -> anyhow::Error {
    anyhow!(
        "port {port} is in use by another program; choose another one with {option} (0 takes any that is free)"
    )
}

/// The authorization server tells a lifetime in whole seconds.
fn lifetime(text: &str) -> Result<Duration, String> {
    let lifetime = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if lifetime.subsec_nanos() != 0 || !(1..=365 * 24 * 60 * 60).contains(&lifetime.as_secs()) {
        return Err("must be whole seconds, 1s to 365d".to_owned());
    }
    Ok(lifetime)
}

/// What the sample page asks for. Without the first there is no refresh token.
const SCOPES: [&str; 4] = ["offline_access", "recipe:read", "shopping_list:read", "shopping_list:write"];
