//! The token endpoint's answers, as they are written.
//!
//! Every member may have any shape here: what a wrong one means is decided in `grant`, member
//! by member, so that a nonsensical `scope` does not cost a login. Unknown members, `id_token`
//! among them, are passed over unread, however deep.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use zeroize::Zeroizing;

#[cfg(test)]
mod tests;

/// RFC 6749 section 5.1.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct TokenResponse {
    pub(super) access_token: Loose,
    pub(super) token_type: Loose,
    pub(super) expires_in: Loose,
    pub(super) refresh_token: Loose,
    pub(super) scope: Loose,
}

/// RFC 6749 section 5.2. `error_description` and `error_uri` are free text, and not read.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct ErrorResponse {
    pub(super) error: Loose,
}

/// Reads one JSON object; `None` for anything else, or if a member that matters comes twice.
pub(super) fn object<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Option<T> {
    // Serde would read a struct from an array, too.
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    if first == Some(&b'{') { serde_json::from_slice(body).ok() } else { None }
}

/// A member's value, of whatever shape.
#[derive(Default)]
pub(super) enum Loose {
    /// Missing, or `null`.
    #[default]
    Absent,
    Integer(i128),
    Float(f64),
    Text(Zeroizing<String>),
    /// Of an array, its texts.
    Texts(Vec<String>),
    /// A boolean or an object.
    Other,
}

impl Loose {
    /// Longest array kept; the rest is passed over.
    pub(super) const MAX_TEXTS: usize = 256;
}

/// By shape alone: a text may be a token.
impl fmt::Debug for Loose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "absent",
            Self::Integer(_) => "integer",
            Self::Float(_) => "float",
            Self::Text(_) => "text",
            Self::Texts(_) => "array",
            Self::Other => "other",
        })
    }
}

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Descent { within_array: false }.deserialize(deserializer)
    }
}

/// Goes one array deep. What lies deeper is skipped rather than descended into, as the parser
/// bounds its depth and would refuse the whole answer.
struct Descent {
    within_array: bool,
}

impl<'de> DeserializeSeed<'de> for Descent {
    type Value = Loose;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Loose, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Descent {
    type Value = Loose;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Loose, E> {
        Ok(Loose::Absent)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Loose, E> {
        Ok(Loose::Other)
    }

    fn visit_i64<E>(self, value: i64) -> Result<Loose, E> {
        Ok(Loose::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Loose, E> {
        Ok(Loose::Integer(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Loose, E> {
        Ok(Loose::Float(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Loose, E> {
        Ok(Loose::Text(Zeroizing::new(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Loose, A::Error> {
        let mut texts = Vec::new();
        if !self.within_array {
            while texts.len() < Loose::MAX_TEXTS
                && let Some(item) = items.next_element_seed(Self { within_array: true })?
            {
                if let Loose::Text(mut text) = item {
                    texts.push(std::mem::take(&mut *text));
                }
            }
        }
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Loose::Texts(texts))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Loose, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Loose::Other)
    }
}
