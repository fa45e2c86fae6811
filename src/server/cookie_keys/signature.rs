//! Opening the session cookie of a call.
//!
//! The cookie has the form of the `cookie` crate's `SignedJar`: the value's HMAC-SHA256 in base64,
//! then the value, all of it percent-encoded. That crate copies the cookie several times and
//! begins each HMAC from the key. Here the HMAC that has taken in the key is kept, and nothing is
//! put on the heap. What is accepted is the same, to the letter: the tests compare.

use actix_web::cookie::Key;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::model::SessionId;

/// Characters of the HMAC in front of the value.
const MAC: usize = 44;
/// Characters of a session id ([`SessionId::parse`]).
const ID: usize = 43;

/// Opens cookies that were signed under one key. Prints nothing of it.
#[derive(Clone)]
pub(super) struct Signature(Hmac<Sha256>);

impl Signature {
    pub(super) fn new(key: &Key) -> Self {
        // RFC 2104: a key shorter than a block is filled up with zeros.
        let mut block = Zeroizing::new([0; 64]);
        block.iter_mut().zip(key.signing()).for_each(|(to, from)| *to = *from);
        Self(Hmac::new(&(*block).into()))
    }

    /// The session id in a cookie's value, as a `Cookie` line has it: without `;`, and without
    /// white space around it.
    pub(super) fn open(&self, written: &str) -> Option<SessionId> {
        let cookie = decoded(unquoted(written).as_bytes())?;
        let (mac, id) = cookie.split_at_checked(MAC)?;
        // A little more room than the 32 bytes need: base64 is asked for whole groups of three.
        let mut tag = [0; 33];
        let length = STANDARD.decode_slice(mac, &mut tag).ok()?;
        let mut hmac = self.0.clone();
        hmac.update(id);
        // In constant time. A tag of another length is none.
        hmac.verify_slice(tag.get(..length)?).ok()?;
        SessionId::parse(std::str::from_utf8(id).ok()?)
    }
}

/// The value between a pair of double quotes (RFC 6265 section 4.1.1), if there is one; and then
/// without white space in them.
fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).map_or(value, str::trim)
}

/// Percent-decodes what has exactly the length of a signed session id; `None` for all else. An
/// incomplete escape would stay as it is, and is then no character of either part.
fn decoded(text: &[u8]) -> Option<[u8; MAC + ID]> {
    let mut decoded = [0; MAC + ID];
    let mut rest = text.iter();
    for place in &mut decoded {
        *place = match rest.next()? {
            b'%' => digit(*rest.next()?)? << 4 | digit(*rest.next()?)?,
            byte => *byte,
        };
    }
    rest.next().is_none().then_some(decoded)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use actix_web::cookie::Cookie;
    use proptest::prelude::*;

    use super::super::{sign, signed_value, verify};
    use super::*;

    /// What the `cookie` crate makes of it.
    fn reference(written: &str, key: &Key) -> Option<SessionId> {
        let cookie = Cookie::parse_encoded(format!("whisk={written}")).ok()?.into_owned();
        SessionId::parse(verify(cookie, key)?.value())
    }

    fn key(seed: u8) -> Key {
        Key::from(&[seed; 64])
    }

    /// One change to a genuine cookie, of those that an attacker or a broken client makes.
    fn altered(genuine: String) -> impl Strategy<Value = String> {
        let bytes = genuine.len();
        let text = genuine.clone();
        let replaced = (0..bytes, "[ -:<-~]").prop_map(move |(at, with)| {
            let mut text = genuine.clone();
            text.replace_range(at..=at, &with);
            text
        });
        let (cut, doubled, cased, dressed) = (text.clone(), text.clone(), text.clone(), text);
        prop_oneof![
            replaced,
            (0..bytes).prop_map(move |at| cut[..at].to_owned()),
            (0..bytes).prop_map(move |at| format!("{}{}", doubled, &doubled[at..])),
            // Escapes in lower case, and characters escaped that need not be.
            (0..bytes).prop_map(move |at| {
                let byte = cased.as_bytes()[at];
                match byte {
                    b'%' => cased.to_ascii_lowercase(),
                    _ => format!("{}%{byte:02x}{}", &cased[..at], &cased[at + 1..]),
                }
            }),
            ("[ \t\"]{0,2}", "[ \t\"]{0,2}")
                .prop_map(move |(before, after)| format!("{before}{dressed}{after}")),
        ]
    }

    proptest! {
        #[test]
        fn it_opens_what_the_cookie_crate_opens_and_nothing_else(
            (id, value, text, (seed, other)) in (any::<[u8; 32]>(), "[ -:<-~]{0,60}").prop_flat_map(|(id, text)| {
                let id = SessionId::from_random(id);
                let genuine = sign(Cookie::new("whisk", id.expose()), &key(1));
                (Just(id), altered(genuine), Just(text), (1..3_u8, any::<u8>()))
            })
        ) {
            let genuine = sign(Cookie::new("whisk", id.expose()), &key(seed));
            let raw = signed_value(Cookie::new("whisk", id.expose()), &key(seed));
            let foreign = sign(Cookie::new("whisk", text.clone()), &key(1));
            let signature = Signature::new(&key(1));
            for written in [&genuine, &raw, &value, &text, &foreign] {
                let written = written.trim();
                prop_assert_eq!(signature.open(written), reference(written, &key(1)), "{}", written);
            }
            prop_assert_eq!(signature.open(&genuine).is_some(), seed == 1);
            prop_assert_eq!(Signature::new(&key(other)).open(&genuine).is_some(), other == seed);
        }
    }

    #[test]
    fn a_changed_id_or_mac_of_the_right_length_does_not_open() {
        let id = SessionId::from_random([7; 32]);
        let raw = signed_value(Cookie::new("whisk", id.expose()), &key(1));
        let signature = Signature::new(&key(1));
        assert_eq!(signature.open(&raw), Some(id));
        for at in 0..raw.len() {
            let mut changed = raw.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(signature.open(&changed), None, "{at}");
            assert_eq!(reference(&changed, &key(1)), None, "{at}");
        }
    }
}
