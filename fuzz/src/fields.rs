//! Header fields out of an input: a line each, `name: value`.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The fields that can be ones; other lines are passed over.
pub(crate) fn fields(input: &[u8]) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for line in input.split(|byte| *byte == b'\n').take(64) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            fields.append(name, value);
        }
    }
    fields
}

/// The name as the coarsest server reads it that makes variables of names (RFC 3875 section
/// 4.1.18): what is neither letter nor digit is one character.
pub(crate) fn folded(name: &HeaderName) -> String {
    fold(name.as_str())
}

fn fold(name: &str) -> String {
    let folded =
        name.chars().map(|character| if character.is_ascii_alphanumeric() { character } else { '-' });
    folded.collect::<String>().to_ascii_lowercase()
}

/// Whether `name` is one of the list, where `x-*` stands for everything that begins so.
pub(crate) fn is_one_of(name: &str, list: &[&str]) -> bool {
    list.iter().any(|known| match known.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == *known,
    })
}

/// What `Connection` nominates where it is written plainly, without quotes.
pub(crate) fn plainly_nominated(inbound: &HeaderMap) -> Vec<String> {
    let values = inbound.iter().filter(|(name, _)| folded(name) == "connection").map(|(_, value)| value);
    values
        .filter(|value| !value.as_bytes().contains(&b'"'))
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(|option| fold(String::from_utf8_lossy(option).trim_ascii()))
        .collect()
}

/// Whether `Connection` may nominate the field, in any reading.
pub(crate) fn perhaps_nominated(inbound: &HeaderMap, name: &HeaderName) -> bool {
    let name = folded(name);
    inbound
        .iter()
        .filter(|(other, _)| folded(other) == "connection")
        .any(|(_, value)| fold(&String::from_utf8_lossy(value.as_bytes())).contains(&name))
}

/// What belongs to one connection or to the framing of one message.
pub(crate) const HOP_BY_HOP: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-authentication-info",
    "te",
    "trailer",
    "transfer-encoding",
    "content-length",
    "upgrade",
    "http2-settings",
];
