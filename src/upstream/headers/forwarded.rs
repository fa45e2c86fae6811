//! `Forwarded` (RFC 7239) and its forerunners `X-Forwarded-*`, written by this server alone.

use std::net::{IpAddr, SocketAddr};

use http::header::{FORWARDED, HeaderMap, HeaderName, HeaderValue};

/// Where a call comes from, as far as this server believes it.
#[derive(Debug, Clone, Copy)]
pub struct ClientHop<'a> {
    /// The other end of the TCP connection.
    pub peer: IpAddr,
    /// The browser's address: the nearest one that is no trusted proxy.
    pub client: IpAddr,
    /// How the browser came: `http` or `https`.
    pub proto: &'static str,
    /// The host that the browser asked for, with its port if any.
    pub host: &'a str,
    /// `X-Forwarded-For` as a trusted peer sent it. Believed from the client's address onwards;
    /// what stands left of it, the client may have made up.
    pub forwarded_chain: Option<&'a str>,
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Writes the four headers. Addresses are printed from their parsed form, and a host that is none
/// is left out, so nothing in them can be injected.
pub(super) fn write(headers: &mut HeaderMap, hop: &ClientHop<'_>) {
    let chain = hop.chain();
    let host = is_host(hop.host).then_some(hop.host);

    let addresses: Vec<String> = chain.iter().map(IpAddr::to_string).collect();
    insert(headers, X_FORWARDED_FOR, &addresses.join(", "));
    insert(headers, X_FORWARDED_PROTO, hop.proto);
    if let Some(host) = host {
        insert(headers, X_FORWARDED_HOST, host);
    }

    let mut elements: Vec<String> = chain.iter().map(|address| format!("for={}", node(address))).collect();
    if let Some(first) = elements.first_mut() {
        if let Some(host) = host {
            first.push_str(&format!(";host={}", quoted_if_needed(host)));
        }
        first.push_str(&format!(";proto={}", hop.proto));
    }
    insert(headers, FORWARDED, &elements.join(", "));
}

impl ClientHop<'_> {
    /// The client, then every proxy between it and this server. Never empty.
    fn chain(&self) -> Vec<IpAddr> {
        let client = self.client.to_canonical();
        let peer = self.peer.to_canonical();
        if client == peer {
            return vec![client];
        }
        // From the right: addresses, up to the client's.
        let mut proxies = vec![peer];
        for element in self.forwarded_chain.unwrap_or_default().rsplit(',') {
            match address(element) {
                Some(address) if address != client => proxies.push(address),
                Some(_) => break,
                None => {
                    // The chain does not lead to the client: what it told is of no use.
                    proxies.truncate(1);
                    break;
                }
            }
        }
        proxies.push(client);
        proxies.reverse();
        proxies
    }
}

/// An address as proxies write it: bare, with a port, or in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let parsed = bare.parse().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))?;
    Some(parsed.to_canonical())
}

/// RFC 7239 section 6: an IPv6 address stands in brackets, and brackets stand in quotes.
fn node(address: &IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("\"[{address}]\""),
    }
}

/// A `:` is no token character (RFC 9110 section 5.6.2).
fn quoted_if_needed(host: &str) -> String {
    let token = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    if token { host.to_owned() } else { format!("\"{host}\"") }
}

fn is_host(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b':' | b'[' | b']'))
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    // Cannot fail: digits, letters and punctuation of ASCII alone.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
