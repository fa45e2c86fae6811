//! Percent-encoding of the parts of a URL (RFC 3986 section 2.1).

use std::fmt::Write;

/// Decodes `%XX`, strictly. Control characters are refused: none belongs in a name, a password
/// or a path, and most come from a file's stray line break.
pub(super) fn decode(text: &str) -> Result<String, &'static str> {
    const RULE: &str = "holds a `%` that is not followed by two hexadecimal digits";
    let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16)).ok_or(RULE);
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
                u8::try_from(high * 16 + low).unwrap_or_default()
            }
            other => other,
        });
    }
    match String::from_utf8(decoded) {
        Ok(decoded) if !decoded.chars().any(char::is_control) => Ok(decoded),
        _ => Err("holds a control character, or percent-encoded bytes that are not UTF-8"),
    }
}

/// Encodes all but unreserved characters and `/`.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}
