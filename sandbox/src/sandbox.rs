//! A running sandbox, and the strings a test pulls.

use std::{
    fmt, io,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::{
    Behaviour, Config, Journal,
    server::Server,
    world::{World, locked},
};

/// A running sandbox. Dropping it stops it and closes its port.
pub struct Sandbox {
    addr: SocketAddr,
    world: Arc<World>,
    server: Mutex<Option<Server>>,
}

impl Sandbox {
    /// Binds the port and serves it, on threads of its own.
    ///
    /// # Errors
    /// When the address cannot be bound or a thread cannot be started.
    pub async fn spawn(config: Config) -> io::Result<Self> {
        let listener = TcpListener::bind(config.listen)?;
        let addr = listener.local_addr()?;
        let url = config.public_url.clone().unwrap_or_else(|| format!("http://{addr}"));
        let world = Arc::new(World::new(config, url));
        let server = Server::start(listener, Arc::clone(&world)).await?;
        Ok(Self { addr, world, server: Mutex::new(Some(server)) })
    }

    /// The bound address. It stays the same over [`Sandbox::stop`] and [`Sandbox::restart`].
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The origin it is reached at, without a slash at the end: `Config::public_url`, else
    /// `http://` and the bound address.
    pub fn url(&self) -> String {
        self.world.url.clone()
    }

    /// What it was started with.
    pub fn config(&self) -> &Config {
        &self.world.config
    }

    /// Every request it has seen. The journal outlives a restart.
    pub fn journal(&self) -> &Journal {
        &self.world.journal
    }

    /// Changes how it behaves from the next request on, and answers what `change` answers.
    /// `change` must not call the sandbox.
    pub fn behaviour<T>(&self, change: impl FnOnce(&mut Behaviour) -> T) -> T {
        change(&mut self.world.behaviour())
    }

    /// Ends everything a user has granted: the API answers `auth.tokenNotFound`, the token
    /// endpoint `invalid_grant`.
    pub fn revoke_user(&self, user_id: &str) {
        self.world.grants().revoke_user(user_id);
    }

    /// The API answers `auth.tokenExpired` to every access token issued so far. Refresh tokens
    /// stay good.
    pub fn expire_access_tokens(&self) {
        let now = self.world.now();
        self.world.grants().expire_access(now);
    }

    /// The API answers `auth.tokenNotFound` to this access token from now on. Answers whether
    /// it was ever issued.
    pub fn revoke_access_token(&self, token: &str) -> bool {
        self.world.grants().kill_access(token)
    }

    /// The API answers `auth.tokenNotFound` to every access token issued so far.
    pub fn revoke_access_tokens(&self) {
        self.world.grants().kill_all_access();
    }

    /// The token endpoint answers `invalid_grant` to every refresh token issued so far. Access
    /// tokens live on.
    pub fn kill_refresh_families(&self) {
        self.world.grants().kill_all_refresh();
    }

    /// How many anonymous users have been created.
    pub fn anonymous_users_created(&self) -> usize {
        self.world.grants().anonymous_created()
    }

    /// Every code, access token and refresh token that has been issued and is remembered, dead
    /// ones included: what must be found nowhere it does not belong.
    pub fn issued_secrets(&self) -> Vec<String> {
        self.world.grants().secrets()
    }

    /// How many connections have been accepted.
    pub fn connections_accepted(&self) -> u64 {
        self.world.connections.total()
    }

    /// Moves the sandbox's clock forward; every lifetime obeys it.
    pub fn advance(&self, by: Duration) {
        self.world.clock().advance(by);
    }

    /// Closes every connection at once, in the middle of whatever it carries, and goes on
    /// listening.
    pub fn cut_connections(&self) {
        self.world.connections.cut_all();
    }

    /// Closes the listener and every connection before it returns: connections are refused
    /// until [`Sandbox::restart`]. What was granted is kept. Blocks for some milliseconds.
    pub fn stop(&self) {
        let server = locked(&self.server).take();
        if let Some(server) = server {
            server.stop(&self.world);
        }
    }

    /// The same as [`Sandbox::stop`].
    pub fn shut_down(&self) {
        self.stop();
    }

    /// Serves the same port again, with everything it knew. Stops first if it still runs.
    ///
    /// # Errors
    /// When the port has been taken by somebody else for five seconds.
    pub async fn restart(&self) -> io::Result<()> {
        self.stop();
        let mut attempts = 0;
        let listener = loop {
            match TcpListener::bind(self.addr) {
                Ok(listener) => break listener,
                Err(error) if attempts >= REBIND_ATTEMPTS => return Err(error),
                Err(_) => attempts += 1,
            }
            tokio::time::sleep(REBIND_PAUSE).await;
        };
        let server = Server::start(listener, Arc::clone(&self.world)).await?;
        *locked(&self.server) = Some(server);
        Ok(())
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("addr", &self.addr).finish_non_exhaustive()
    }
}

/// Somebody's outgoing connection may hold the port for a moment while we are away.
const REBIND_ATTEMPTS: u32 = 50;
const REBIND_PAUSE: Duration = Duration::from_millis(100);
