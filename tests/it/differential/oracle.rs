//! What the rules say of a request (R71 to R81), written for reading and not for speed.

use super::draw::Case;
use crate::support::raw::RawRequest;

/// What becomes of a target.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// It is sent on, byte for byte.
    Forwarded,
    /// It is sent nowhere, with one of these statuses.
    Refused(&'static [u16]),
    /// A character that RFC 3986 has no place for: 400, or on its way byte for byte.
    Open,
}

/// What becomes of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It reaches the API.
    Passes,
    /// It ends here.
    Stops,
}

/// The rules for targets, with `/v2/` the only prefix.
pub(super) fn judge(target: &[u8]) -> Verdict {
    // Absolute-form: the authority is checked elsewhere, the rest is judged as it stands.
    let target = target.strip_prefix(b"https://app.test").unwrap_or(target);
    if target.iter().any(|byte| !(0x21..=0x7e).contains(byte) || *byte == b'#') {
        return Verdict::Refused(&[400, 404]);
    }
    let text = std::str::from_utf8(target).unwrap();
    let (path, query) = match text.find('?') {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, ""),
    };
    if path.len() < 4 || &path[..4] != "/v2/" {
        // Not on the list; or no target at all.
        return Verdict::Refused(&[400, 404]);
    }
    let mut reading = path.as_bytes().to_vec();
    for depth in 0.. {
        let ambiguous = reading.contains(&b'\\')
            || (depth == 0 && (path.contains("//") || !all_escapes_are_whole(&reading)))
            || reading.iter().any(|byte| *byte < 0x20 || *byte == 0x7f)
            || has_dots(&reading)
            || is_lax_utf8(&reading);
        if ambiguous {
            return Verdict::Refused(&[400]);
        }
        let deeper = unescape(&reading);
        if deeper == reading {
            break;
        }
        if depth == 3 {
            // Three times escaped, and still not plain.
            return Verdict::Refused(&[400]);
        }
        reading = deeper;
    }
    if query.split(['&', ';']).any(carries_a_token) {
        return Verdict::Refused(&[400]);
    }
    // RFC 3986 appendix A: `pchar` and `/`; in a query `?` too.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%".contains(&byte);
    let odd = path.bytes().any(|byte| !plain(byte)) || query.bytes().any(|byte| !plain(byte) && byte != b'?');
    // An apostrophe may stand in a query, but browsers escape it, and so does the client's parser.
    if odd || query.contains('\'') { Verdict::Open } else { Verdict::Forwarded }
}

fn all_escapes_are_whole(path: &[u8]) -> bool {
    let mut pieces = path.split(|byte| *byte == b'%');
    pieces.next();
    pieces.all(|piece| piece.len() >= 2 && piece[..2].iter().all(u8::is_ascii_hexdigit))
}

fn unescape(text: &[u8]) -> Vec<u8> {
    let (mut plain, mut rest) = (Vec::new(), text);
    while let [first, tail @ ..] = rest {
        let escaped = (*first == b'%' && tail.len() >= 2)
            .then(|| std::str::from_utf8(&tail[..2]).ok())
            .flatten()
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match escaped {
            Some(digits) => {
                plain.push(u8::from_str_radix(digits, 16).unwrap());
                rest = &tail[2..];
            }
            None => {
                plain.push(*first);
                rest = tail;
            }
        }
    }
    plain
}

/// A segment that is `.` or `..`, with or without parameters behind it.
fn has_dots(path: &[u8]) -> bool {
    path.split(|byte| *byte == b'/').any(|segment| {
        let end = segment.iter().position(|byte| *byte == b';').unwrap_or(segment.len());
        segment[..end] == b"."[..] || segment[..end] == b".."[..]
    })
}

/// ASCII written in more bytes than it needs.
fn is_lax_utf8(path: &[u8]) -> bool {
    path.windows(2).any(|pair| match pair[0] {
        0xe0 => (0x80..=0x9f).contains(&pair[1]),
        0xf0 => (0x80..=0x8f).contains(&pair[1]),
        _ => false,
    }) || path.iter().any(|byte| matches!(byte, 0xc0 | 0xc1))
}

fn carries_a_token(parameter: &str) -> bool {
    let name = parameter.split('=').next().unwrap().replace('+', " ");
    let once = unescape(name.as_bytes());
    let readings = [unescape(&once), once];
    readings.iter().any(|name| {
        let name = String::from_utf8_lossy(name);
        // What surrounds a name hides it from nobody who strips it.
        let name = name.trim_matches(|character: char| character.is_whitespace() || character.is_control());
        let name = name.to_ascii_lowercase();
        name == "access_token" || name == "token"
    })
}

/// Fields and their fate, apart from what `Connection` says of them.
pub(super) const FIELDS: [(&str, Fate); 63] = {
    use Fate::{Passes, Stops};
    [
        ("accept", Passes),
        ("accept-language", Passes),
        ("accept-encoding", Passes),
        ("content-type", Passes),
        ("content-encoding", Passes),
        ("if-none-match", Passes),
        ("if-modified-since", Passes),
        ("range", Passes),
        ("user-agent", Passes),
        ("x-unknown", Passes),
        ("x-unknown", Passes),
        ("x-mine", Passes),
        ("idempotency-key", Passes),
        ("x-request-id", Passes),
        ("cache-control", Passes),
        ("pragma", Passes),
        ("priority", Passes),
        ("last-event-id", Passes),
        ("x-whisk-feature", Passes),
        ("authorization", Stops),
        ("authorization", Stops),
        ("proxy-authorization", Stops),
        ("x-authorization", Stops),
        ("x-access-token", Stops),
        ("x-api-key", Stops),
        ("x-auth-token", Stops),
        ("x-whisk-token", Stops),
        ("x-whisk-client-secret", Stops),
        ("cookie2", Stops),
        ("remote-user", Stops),
        ("x-auth-request-user", Stops),
        ("client-cert", Stops),
        ("forwarded", Stops),
        ("x-forwarded-for", Stops),
        ("x-forwarded-host", Stops),
        ("x-forwarded-proto", Stops),
        ("x-forwarded-uri", Stops),
        ("x-forwarded-anything", Stops),
        ("x-real-ip", Stops),
        ("x-client-ip", Stops),
        ("true-client-ip", Stops),
        ("cf-connecting-ip", Stops),
        ("x-host", Stops),
        ("x-original-url", Stops),
        ("x-original-host", Stops),
        ("x-rewrite-url", Stops),
        ("x-http-method-override", Stops),
        ("x-http-method", Stops),
        ("x-method-override", Stops),
        ("referer", Stops),
        ("sec-fetch-user", Stops),
        ("x-csrf", Stops),
        ("x-whisk-bff-error", Stops),
        ("proxy-connection", Stops),
        ("keep-alive", Stops),
        ("te", Stops),
        ("trailer", Stops),
        ("proxy-authenticate", Stops),
        ("http2-settings", Stops),
        ("proxy", Stops),
        ("x-envoy-original-path", Stops),
        ("x-sub-system", Passes),
        ("sec-websocket-key", Stops),
    ]
};

/// What is the broker's own to write, besides the token and the body's framing.
const OURS: [(&str, &str); 6] = [
    ("via", "1.1 whisk-bff"),
    ("x-forwarded-for", "127.0.0.1"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "app.test"),
    ("forwarded", "for=127.0.0.1;host=app.test;proto=https"),
    ("accept", "*/*"),
];

/// Whether the API got this request, all of it and nothing besides.
pub(super) fn compare(case: &Case, got: &RawRequest, api: &str) -> Result<(), String> {
    let target = case.target.strip_prefix(b"https://app.test").unwrap_or(&case.target);
    let line = [case.method.as_bytes(), b" ", target, b" HTTP/1.1"].concat();
    let mut lines =
        got.head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    if lines.next() != Some(&line[..]) {
        return Err("another request line".to_owned());
    }
    if got.body != case.body {
        return Err("another body".to_owned());
    }
    let mut fields: Vec<(String, Vec<u8>)> = Vec::new();
    for line in lines.filter(|line| !line.is_empty()) {
        let at = line.iter().position(|byte| *byte == b':').ok_or("a line that is no field")?;
        let name = String::from_utf8_lossy(&line[..at]).to_ascii_lowercase();
        fields.push((name, line[at + 1..].trim_ascii().to_vec()));
    }
    let mut take = |name: &str| {
        let at = fields.iter().position(|(known, _)| known == name)?;
        Some(fields.remove(at).1)
    };
    let token = take("authorization").ok_or("no token")?;
    if !token.starts_with(b"Bearer ") || token.windows(4).any(|word| word == b"EVIL") {
        return Err("another token".to_owned());
    }
    if take("host").as_deref() != Some(api.as_bytes()) {
        return Err("another host".to_owned());
    }
    take("x-case").ok_or("no number")?;
    let length = (!case.body.is_empty()).then(|| case.body.len().to_string());
    match (take("content-length"), take("transfer-encoding")) {
        (None, Some(coding)) if coding == b"chunked" => {}
        (Some(told), None) if length.as_ref().is_some_and(|length| *length.as_bytes() == *told) => {}
        (Some(told), None) if length.is_none() && told == b"0" => {}
        (None, None) if length.is_none() => {}
        framing => return Err(format!("another framing: {framing:?}")),
    }
    // In their order: what passes, name by name.
    for (name, value) in expected(case) {
        let found = take(&name).ok_or(format!("{name} is missing"))?;
        if found != value.trim_ascii() {
            return Err(format!("{name} is {:?}", String::from_utf8_lossy(&found)));
        }
    }
    for (name, value) in OURS {
        match take(name) {
            Some(found) if found == value.as_bytes() => {}
            None if name == "accept" => {}
            found => return Err(format!("{name} is {found:?}")),
        }
    }
    if fields.is_empty() { Ok(()) } else { Err(format!("besides: {fields:?}")) }
}

fn expected(case: &Case) -> Vec<(String, Vec<u8>)> {
    let same = |one: &str, other: &str| {
        let folded = |name: &str| name.to_ascii_lowercase().replace(['_', '.'], "-");
        folded(one) == folded(other)
    };
    case.fields
        .iter()
        .filter(|(name, _, fate)| {
            *fate == Fate::Passes && !case.nominated.iter().any(|option| same(option.trim(), name))
        })
        .map(|(name, value, _)| (name.to_ascii_lowercase(), value.clone()))
        .collect()
}
