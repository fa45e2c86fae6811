//! `X-Forwarded-For` and `Forwarded`: who is calling (R77).
//!
//! The fields of a request behind proxies in `10.0.0.0/8` and `fd00::/8`.

use std::net::IpAddr;
use std::sync::LazyLock;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use whisk_bff::server::TrustedProxies;

use crate::fields::fields;

static PROXIES: LazyLock<TrustedProxies> =
    LazyLock::new(|| TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]));

pub(crate) fn run(input: &[u8]) {
    let lines: Vec<(String, Vec<u8>)> = fields(input)
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_owned()))
        .collect();
    let stranger: IpAddr = "192.0.2.1".parse().unwrap();
    assert_eq!(PROXIES.client(stranger, &request(&lines)), stranger, "a stranger is believed");

    for peer in ["10.0.0.1", "::ffff:10.0.0.1", "fd00::1"] {
        let peer: IpAddr = peer.parse().unwrap();
        let client = PROXIES.client(peer, &request(&lines));
        assert_eq!(client, client.to_canonical());
        if PROXIES.trusts(client) {
            continue;
        }
        // What the client itself wrote, to the left of what the proxies did, changes nothing.
        for name in ["x-forwarded-for", "forwarded"] {
            let mut forged = lines.clone();
            for invention in ["6.6.6.6, 10.9.9.9", "for=6.6.6.6, for=10.9.9.9"] {
                // A list under the other name takes its place, or is not read: see below.
                if lines.iter().any(|(known, _)| known == name) {
                    forged.insert(0, (name.to_owned(), invention.as_bytes().to_owned()));
                }
            }
            assert_eq!(PROXIES.client(peer, &request(&forged)), client, "{name} was forged");
        }
        // Believed is only who is named.
        let named = lines.iter().any(|(_, value)| mentions(value, client));
        assert!(named, "{client} was named by nobody");
    }
}

/// Whether some word of the value is that address.
fn mentions(value: &[u8], address: IpAddr) -> bool {
    let text = String::from_utf8_lossy(value);
    let words = text.split(|c: char| !c.is_ascii_hexdigit() && !matches!(c, '.' | ':'));
    words
        .flat_map(|word| [Some(word), word.rsplit_once(':').map(|(host, _)| host)])
        .flatten()
        .any(|word| word.parse::<IpAddr>().is_ok_and(|word| word.to_canonical() == address))
}

fn request(lines: &[(String, Vec<u8>)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    headers
}
