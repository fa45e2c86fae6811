//! `[server]`: the listeners, the address the browser sees, and the end of the process.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};

use super::address::PublicUrl;
use super::quantity::DAY;
use super::reader::Reader;
use super::writer::Writer;

/// Where the process listens, and how it stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// The origin that the browser sees.
    pub public_url: PublicUrl,
    /// The public listener. Port 0: any free one.
    pub listen: SocketAddr,
    /// The listener of `/livez`, `/readyz` and `/metrics`, if any.
    pub admin_listen: Option<SocketAddr>,
    /// Threads that serve requests, 1 to 1024; the setting 0 has become one a core.
    pub workers: usize,
    /// Connections of browsers, at most; at least one.
    pub max_connections: usize,
    /// Of those, from one address that is no trusted proxy's, at most; 0: any number.
    pub max_connections_per_address: usize,
    /// From the first byte of a request's head to its last; and how long a new connection may say
    /// nothing.
    pub head_timeout: Duration,
    /// How long a connection is kept after an answer.
    pub keep_alive_timeout: Duration,
    /// Peers whose `Forwarded` or `X-Forwarded-*` fields are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether `http://` may be spoken with hosts other than this machine.
    pub allow_insecure: bool,
    /// From SIGTERM until the public listener closes.
    pub drain_delay: Duration,
    /// From the closing of the listener until what is still in flight is abandoned.
    pub shutdown_grace: Duration,
}

/// No machine serves more.
const MOST_CONNECTIONS: i64 = 1_000_000;

impl Server {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let any = Duration::ZERO..=Duration::from_secs(DAY);
        let allow_insecure = reader.flag("server.allow_insecure");
        let insecure = allow_insecure.unwrap_or(false);
        let public_url = reader.required("server.public_url", |text| PublicUrl::parse(text, insecure));
        let listen = reader.parse("server.listen", socket_address);
        let admin_listen = reader.optional("server.admin_listen", socket_address);
        let workers = reader.integer("server.workers", 0..=1024);
        let max_connections = reader.integer("server.max_connections", 1..=MOST_CONNECTIONS);
        let max_connections_per_address =
            reader.integer("server.max_connections_per_address", 0..=MOST_CONNECTIONS);
        let some = Duration::from_millis(1)..=Duration::from_secs(DAY);
        let head_timeout = reader.duration("server.head_timeout", some.clone());
        let keep_alive_timeout = reader.duration("server.keep_alive_timeout", some);
        let trusted_proxies = reader.list("server.trusted_proxies", network);
        let drain_delay = reader.duration("server.drain_delay", any.clone());
        let shutdown_grace = reader.duration("server.shutdown_grace", any);

        if let (Some(public), Some(Some(admin))) = (listen, admin_listen)
            && collide(public, admin)
        {
            reader.fault("server.admin_listen", "must not be the address of `server.listen`");
        }
        Some(Self {
            public_url: public_url?,
            listen: listen?,
            admin_listen: admin_listen?,
            workers: match usize::try_from(workers?).unwrap_or(0) {
                0 => std::thread::available_parallelism().map_or(1, usize::from),
                given => given,
            },
            max_connections: usize::try_from(max_connections?).unwrap_or(1),
            max_connections_per_address: usize::try_from(max_connections_per_address?).unwrap_or(0),
            head_timeout: head_timeout?,
            keep_alive_timeout: keep_alive_timeout?,
            trusted_proxies: trusted_proxies?,
            allow_insecure: allow_insecure?,
            drain_delay: drain_delay?,
            shutdown_grace: shutdown_grace?,
        })
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.put("public_url", self.public_url.origin());
        writer.put("listen", self.listen.to_string());
        writer.put("admin_listen", self.admin_listen.map_or(String::new(), |address| address.to_string()));
        writer.put("workers", i64::try_from(self.workers).unwrap_or(i64::MAX));
        writer.put("max_connections", i64::try_from(self.max_connections).unwrap_or(i64::MAX));
        writer.put(
            "max_connections_per_address",
            i64::try_from(self.max_connections_per_address).unwrap_or(i64::MAX),
        );
        writer.duration("head_timeout", self.head_timeout);
        writer.duration("keep_alive_timeout", self.keep_alive_timeout);
        writer.list("trusted_proxies", &self.trusted_proxies);
        writer.put("allow_insecure", self.allow_insecure);
        writer.duration("drain_delay", self.drain_delay);
        writer.duration("shutdown_grace", self.shutdown_grace);
    }

    pub(super) fn warn(&self, warnings: &mut Vec<String>) {
        if !self.public_url.secure() && !self.public_url.is_loopback() {
            warnings.push("server.public_url is http: cookies cross the network in clear text".to_owned());
        }
        if self.trusted_proxies.iter().any(|network| network.prefix_len() == 0) {
            warnings.push(
                "server.trusted_proxies believes every peer: any client can choose its address".to_owned(),
            );
        }
    }
}

fn socket_address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "must be an IP address and a port, such as `127.0.0.1:8080` or `[::1]:8080`")
}

/// A network in CIDR notation, or one address.
fn network(text: &str) -> Result<IpNet, &'static str> {
    text.parse::<IpNet>()
        .map(|network| network.trunc())
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map(canonical)
        .map_err(|_| "must be an IP address or a network such as `10.0.0.0/8`")
}

/// A network of IPv4-mapped addresses (RFC 4291 section 2.5.5.2) is one of IPv4: so are peers read.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(mapped) = network else { return network };
    let length = mapped.prefix_len().checked_sub(96);
    let address = mapped.addr().to_ipv4_mapped();
    let plain = address.zip(length).and_then(|(address, length)| Ipv4Net::new(address, length).ok());
    plain.map_or(network, IpNet::V4)
}

/// Whether two listeners would want one port of one address.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let all = |address: SocketAddr| address.ip().is_unspecified();
    one.port() != 0 && one.port() == other.port() && (one.ip() == other.ip() || all(one) || all(other))
}
