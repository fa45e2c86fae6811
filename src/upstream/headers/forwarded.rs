//! `Forwarded` (RFC 7239) and its forerunners `X-Forwarded-*`, written by this server alone.

use std::net::{IpAddr, SocketAddr};

use http::header::{FORWARDED, HeaderMap, HeaderName, HeaderValue};

use crate::model::push_address;

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
const HTTPS: HeaderValue = HeaderValue::from_static("https");
const HTTP: HeaderValue = HeaderValue::from_static("http");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Writes the four headers. Addresses are printed from their parsed form, and a host that is none
/// is left out, so nothing in them can be injected.
pub(super) fn write(headers: &mut HeaderMap, hop: &ClientHop<'_>) {
    let (client, peer) = (hop.client.to_canonical(), hop.peer.to_canonical());
    let (direct, through);
    let chain: &[IpAddr] = if client == peer {
        direct = [client];
        &direct
    } else {
        through = hop.chain(client, peer);
        &through
    };
    let host = Some(hop.host).filter(|host| is_host(host));

    let mut text = String::with_capacity(128);
    for (at, address) in chain.iter().enumerate() {
        text.push_str(if at == 0 { "" } else { ", " });
        push_address(&mut text, address);
    }
    insert(headers, X_FORWARDED_FOR, &text);
    match hop.proto {
        "https" => drop(headers.insert(X_FORWARDED_PROTO, HTTPS)),
        "http" => drop(headers.insert(X_FORWARDED_PROTO, HTTP)),
        proto => insert(headers, X_FORWARDED_PROTO, proto),
    }
    if let Some(host) = host {
        insert(headers, X_FORWARDED_HOST, host);
    }

    text.clear();
    for (at, address) in chain.iter().enumerate() {
        text.push_str(if at == 0 { "for=" } else { ", for=" });
        push_node(&mut text, address);
        if at == 0 {
            if let Some(host) = host {
                push_host(&mut text, host);
            }
            text.push_str(";proto=");
            text.push_str(hop.proto);
        }
    }
    insert(headers, FORWARDED, &text);
}

impl ClientHop<'_> {
    /// The client, then every proxy between it and this server, the last of which is `peer`.
    fn chain(&self, client: IpAddr, peer: IpAddr) -> Vec<IpAddr> {
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
fn push_node(text: &mut String, address: &IpAddr) {
    let (before, after) = if address.is_ipv6() { ("\"[", "]\"") } else { ("", "") };
    text.push_str(before);
    push_address(text, address);
    text.push_str(after);
}

/// A `:` is no token character (RFC 9110 section 5.6.2).
fn push_host(text: &mut String, host: &str) {
    let token = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    let quote = if token { "" } else { "\"" };
    for part in [";host=", quote, host, quote] {
        text.push_str(part);
    }
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
