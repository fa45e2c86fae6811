//! What a sandbox is started with.

use std::net::{Ipv4Addr, SocketAddr};

use crate::Behaviour;

/// The settings of one sandbox. `Config::default()` is a complete demo Whisk on a free port.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen. Default `127.0.0.1:0`: loopback, a free port.
    pub listen: SocketAddr,
    /// Origin used in links and shown to people, for example `http://localhost:8081`.
    /// Default: `http://` and the bound address.
    pub public_url: Option<String>,
    /// The one client that is registered. Default `sandbox-client`.
    pub client_id: String,
    /// Its secret. Default `sandbox-not-a-secret`, and it means it.
    pub client_secret: String,
    /// Redirect URIs that are approved for the client, compared byte for byte (RFC 6749
    /// section 3.1.2.3). Empty, the default: any `http` or `https` URI whose host is loopback.
    pub redirect_uris: Vec<String>,
    /// People who can log in. The first is preselected on the authorization page.
    pub users: Vec<User>,
    /// How the sandbox behaves at first; [`crate::Sandbox::behaviour`] changes it.
    pub behaviour: Behaviour,
    /// Most requests the journal remembers; older ones are forgotten first. Default 200,000.
    pub journal_capacity: usize,
    /// Threads that serve requests. Default 2.
    pub workers: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            public_url: None,
            client_id: "sandbox-client".to_owned(),
            client_secret: "sandbox-not-a-secret".to_owned(),
            redirect_uris: Vec::new(),
            users: vec![
                User::new("demo-baker", "Demo Baker"),
                User::new("demo-cook", "Demo Cook"),
                User::new("demo-gardener", "Demo Gardener"),
            ],
            behaviour: Behaviour::default(),
            journal_capacity: 200_000,
            workers: 2,
        }
    }
}

/// Somebody who can log in, without a password: the page asks who you are and believes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Whisk's identifier of the user.
    pub id: String,
    /// The name shown on the page and in `/v2/me`.
    pub name: String,
}

impl User {
    /// A user with this identifier and display name.
    pub fn new(id: impl Into<String>, name: impl Into<String>) -> Self {
        Self { id: id.into(), name: name.into() }
    }
}
