//! Redis URLs: one server, a group watched by Sentinel, or a Cluster.
//!
//! ```text
//! redis://HOST:PORT/DB
//! redis+sentinel://HOST:PORT,HOST:PORT/MASTER/DB
//! redis+cluster://HOST:PORT,HOST:PORT
//! ```
//! each with `USER:PASSWORD@` or `:PASSWORD@` in front of the hosts, and over TLS where the
//! scheme begins with `rediss` or one of `?ca=FILE&cert=FILE&key=FILE` is given.

use std::fmt::Write;
use std::net::Ipv6Addr;
use std::path::PathBuf;

use super::super::Secret;
use super::super::writer::REDACTED;
use super::percent::{decode, encode};

/// How to reach Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisUrl {
    /// Its servers.
    pub topology: Topology,
    /// The database number; 0 with a Cluster.
    pub db: i64,
    /// The ACL user, if not the default one. Then there is a password, too.
    pub username: Option<String>,
    /// The password of the servers that hold the data.
    pub password: Option<Secret>,
    /// TLS, if it is spoken.
    pub tls: Option<Tls>,
}

/// How the servers belong together. Lists of nodes have at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topology {
    /// One server.
    Standalone(Node),
    /// A primary and its replicas, found through Sentinel.
    Sentinel {
        /// The sentinels.
        nodes: Vec<Node>,
        /// The name under which they watch the group.
        master: String,
    },
    /// A Cluster.
    Cluster {
        /// Where to ask for its map.
        nodes: Vec<Node>,
    },
}

/// A server's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// A name or an IP address; IPv6 without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

/// Files for TLS.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// PEM certificates that alone are trusted; `None`: those of the platform.
    pub ca: Option<PathBuf>,
    /// Our PEM certificate chain, where the server asks for one. Then there is a key, too.
    pub cert: Option<PathBuf>,
    /// Its PEM private key.
    pub key: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Standalone,
    Sentinel,
    Cluster,
}

const SCHEMES: &[(&str, Kind, bool)] = &[
    ("redis", Kind::Standalone, false),
    ("rediss", Kind::Standalone, true),
    ("redis+sentinel", Kind::Sentinel, false),
    ("rediss+sentinel", Kind::Sentinel, true),
    ("redis+cluster", Kind::Cluster, false),
    ("rediss+cluster", Kind::Cluster, true),
];
const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

impl RedisUrl {
    /// Reads a URL of one of the forms above. Names and passwords are percent-decoded.
    ///
    /// # Errors
    /// The rule that was broken, without anything of the text.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = text.split_once("://").ok_or(UNKNOWN_SCHEME)?;
        let &(_, kind, secure) = SCHEMES.iter().find(|(name, ..)| *name == scheme).ok_or(UNKNOWN_SCHEME)?;
        if rest.contains('#') {
            return Err("must not hold a `#`; in a password it is written `%23`");
        }
        let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
        let (authority, path) = rest.split_once('/').map_or((rest, None), |(rest, path)| (rest, Some(path)));
        let (userinfo, hosts) = authority.rsplit_once('@').map_or((None, authority), |(u, h)| (Some(u), h));

        let (username, password) = userinfo.map_or(Ok((None, None)), credentials)?;
        let nodes = nodes(hosts, if kind == Kind::Sentinel { SENTINEL_PORT } else { PORT })?;
        let (topology, db) = topology(kind, nodes, path.filter(|path| !path.is_empty()))?;
        let files = query.map_or(Ok(None), |query| tls_files(query).map(Some))?;
        Ok(Self { topology, db, username, password, tls: files.or_else(|| secure.then(Tls::default)) })
    }

    /// The URL with its password as `[redacted]`.
    pub fn redacted(&self) -> String {
        let mut text = String::from(if self.tls.is_some() { "rediss" } else { "redis" });
        let (kind, nodes, master) = match &self.topology {
            Topology::Standalone(node) => ("", std::slice::from_ref(node), None),
            Topology::Sentinel { nodes, master } => ("+sentinel", nodes.as_slice(), Some(master)),
            Topology::Cluster { nodes } => ("+cluster", nodes.as_slice(), None),
        };
        text.push_str(kind);
        text.push_str("://");
        if self.password.is_some() {
            let _ = write!(text, "{}:{REDACTED}@", encode(self.username.as_deref().unwrap_or_default()));
        }
        for (at, Node { host, port }) in nodes.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            let _ = match host.contains(':') {
                true => write!(text, "{comma}[{host}]:{port}"),
                false => write!(text, "{comma}{host}:{port}"),
            };
        }
        if let Some(master) = master {
            let _ = write!(text, "/{}", encode(master));
        }
        if !matches!(self.topology, Topology::Cluster { .. }) {
            let _ = write!(text, "/{}", self.db);
        }
        let files = self.tls.iter().flat_map(|tls| [("ca", &tls.ca), ("cert", &tls.cert), ("key", &tls.key)]);
        let mut before = '?';
        for (name, file) in files {
            if let Some(file) = file {
                let _ = write!(text, "{before}{name}={}", encode(&file.to_string_lossy()));
                before = '&';
            }
        }
        text
    }
}

fn credentials(userinfo: &str) -> Result<(Option<String>, Option<Secret>), &'static str> {
    let (user, password) =
        userinfo.split_once(':').ok_or("needs `user:password` or `:password` before the `@`")?;
    let (user, password) = (decode(user)?, Secret::new(decode(password)?));
    if password.expose().is_empty() {
        return Err("has an empty password");
    }
    Ok(((!user.is_empty()).then_some(user), Some(password)))
}

fn nodes(hosts: &str, default_port: u16) -> Result<Vec<Node>, &'static str> {
    hosts.split(',').map(|host| node(host, default_port)).collect()
}

fn node(text: &str, default_port: u16) -> Result<Node, &'static str> {
    const HOST: &str = "needs a host: a name, an IPv4 address, or an IPv6 address in brackets";
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or(HOST)?;
        let host = host.parse::<Ipv6Addr>().map_err(|_| HOST)?.to_string();
        let port = if rest.is_empty() { None } else { Some(rest.strip_prefix(':').ok_or(HOST)?) };
        (host, port)
    } else {
        let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
        let clean = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
        if !clean || !(1..=253).contains(&host.len()) {
            return Err(HOST);
        }
        (host.to_owned(), port)
    };
    let port = match port {
        None => default_port,
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => port.parse().unwrap_or(0),
        Some(_) => 0,
    };
    if port == 0 {
        return Err("needs ports from 1 to 65535; in a password `/`, `?` and `,` are percent-encoded");
    }
    Ok(Node { host, port })
}

fn topology(kind: Kind, mut nodes: Vec<Node>, path: Option<&str>) -> Result<(Topology, i64), &'static str> {
    match (kind, path) {
        (Kind::Standalone, path) => {
            let node = nodes.pop().filter(|_| nodes.is_empty());
            let node =
                node.ok_or("takes one host; several need `redis+sentinel://` or `redis+cluster://`")?;
            Ok((Topology::Standalone(node), path.map_or(Ok(0), database)?))
        }
        (Kind::Sentinel, path) => {
            let (master, db) =
                path.map(|path| path.split_once('/').map_or((path, ""), |both| both)).unwrap_or_default();
            let master = decode(master)?;
            if master.is_empty() || !master.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/') {
                return Err("needs the name of the watched group after the hosts: `/MASTER`");
            }
            let db = if db.is_empty() { 0 } else { database(db)? };
            Ok((Topology::Sentinel { nodes, master }, db))
        }
        (Kind::Cluster, None) => Ok((Topology::Cluster { nodes }, 0)),
        (Kind::Cluster, Some(_)) => Err("must not name a database: a Cluster has one only"),
    }
}

fn database(text: &str) -> Result<i64, &'static str> {
    const RULE: &str = "must end in a database number, 0 to 65535";
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(RULE);
    }
    text.parse::<u16>().map(i64::from).map_err(|_| RULE)
}

fn tls_files(query: &str) -> Result<Tls, &'static str> {
    let mut tls = Tls::default();
    for pair in query.split('&') {
        let (name, file) = pair.split_once('=').ok_or(QUERY)?;
        let slot = match name {
            "ca" => &mut tls.ca,
            "cert" => &mut tls.cert,
            "key" => &mut tls.key,
            _ => return Err(QUERY),
        };
        let file = decode(file)?;
        if file.is_empty() || slot.replace(PathBuf::from(file)).is_some() {
            return Err("takes each of `ca`, `cert` and `key` once, with a path");
        }
    }
    if tls.cert.is_some() != tls.key.is_some() {
        return Err("takes `cert` and `key` together or neither");
    }
    Ok(tls)
}

const UNKNOWN_SCHEME: &str = "must begin with `redis://`, `rediss://`, `redis+sentinel://`, `rediss+sentinel://`, \
                              `redis+cluster://`, `rediss+cluster://`, `embedded:` or be `memory:`";
const QUERY: &str = "takes no query parameters but `ca`, `cert` and `key`";
