//! How a token request writes its parameters and its client credentials.

use bytes::Bytes;
use url::form_urlencoded;
use zeroize::Zeroizing;

use crate::crypto::random_bytes;
use crate::settings::TokenEncoding;

/// A request's parameters, in order.
pub(super) type Parameters<'a> = [(&'static str, &'a str)];

/// A request body: its media type, and its bytes, which hold secrets and are wiped when the
/// connection has let go of them.
#[derive(Debug)]
pub(super) struct Encoded {
    pub(super) content_type: String,
    pub(super) body: Bytes,
}

pub(super) fn encode(encoding: TokenEncoding, parameters: &Parameters<'_>) -> Encoded {
    let (content_type, body) = match encoding {
        TokenEncoding::Form => ("application/x-www-form-urlencoded".to_owned(), form(parameters)),
        TokenEncoding::Multipart => {
            // 128 random bits: not in any value, whatever the values are.
            let boundary = format!("{:032x}", u128::from_ne_bytes(random_bytes()));
            (format!("multipart/form-data; boundary={boundary}"), multipart(parameters, &boundary))
        }
    };
    Encoded { content_type, body: Bytes::from_owner(Zeroizing::new(body.into_bytes())) }
}

/// RFC 6749 appendix B.
fn form(parameters: &Parameters<'_>) -> String {
    // Room for the worst case: growing would leave copies of secrets behind.
    let room = parameters.iter().map(|(name, value)| name.len() + 3 * value.len() + 2).sum();
    form_urlencoded::Serializer::new(String::with_capacity(room)).extend_pairs(parameters).finish()
}

/// RFC 7578. Values go in as they are; the names are ours and need no quoting.
fn multipart(parameters: &Parameters<'_>, boundary: &str) -> String {
    const HEAD: &str = "Content-Disposition: form-data; name=";
    let frame = HEAD.len() + boundary.len() + 16;
    let room = parameters.iter().map(|(name, value)| name.len() + value.len() + frame).sum::<usize>() + frame;
    let mut text = String::with_capacity(room);
    for (name, value) in parameters {
        for piece in ["--", boundary, "\r\n", HEAD, "\"", name, "\"\r\n\r\n", value, "\r\n"] {
            text.push_str(piece);
        }
    }
    for piece in ["--", boundary, "--\r\n"] {
        text.push_str(piece);
    }
    text
}

/// One half of `Authorization: Basic`: each is form-encoded first (RFC 6749 section 2.3.1), so
/// that a `:` or a letter beyond ASCII arrives as it is.
pub(super) fn credential(text: &str) -> Zeroizing<String> {
    Zeroizing::new(form_urlencoded::byte_serialize(text.as_bytes()).collect())
}
