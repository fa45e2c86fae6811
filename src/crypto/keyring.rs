//! The ring of sealing keys: the first seals, all open.
//!
//! Rotation without a logout: a new key goes in front, records written from then on carry its
//! id, and the old key is taken out when nothing is sealed under it any more (OWASP ASVS 5.0,
//! 11.2.2).

use std::fmt;

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

/// The name of a sealing key, written in front of each record: 1 to 16 characters of
/// `A-Z a-z 0-9 _ -`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyId(String);

impl KeyId {
    /// Longest name, in bytes.
    pub const MAX_LENGTH: usize = 16;

    /// Accepts a well-formed name.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=Self::MAX_LENGTH).contains(&text.len());
        let clean = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        (fits && clean).then(|| Self(text.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One key of 256 bits and its name.
#[derive(Clone)]
pub struct SealingKey {
    id: KeyId,
    key: Zeroizing<[u8; 32]>,
}

impl SealingKey {
    /// Names a key.
    pub fn new(id: KeyId, key: Zeroizing<[u8; 32]>) -> Self {
        Self { id, key }
    }

    /// The key's name.
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.key
    }

    /// A key of 64 bytes for another use, which tells nothing of this one (RFC 5869).
    pub fn derive(&self, purpose: &str) -> Zeroizing<[u8; 64]> {
        let mut derived = Zeroizing::new([0; 64]);
        // 64 bytes are far below HKDF's limit of 255 hashes, so this cannot fail.
        let _ = Hkdf::<Sha256>::new(Some(b"whisk-bff"), &*self.key).expand(purpose.as_bytes(), &mut *derived);
        derived
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKey({}, [redacted])", self.id.0)
    }
}

/// Why keys make no ring.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeyRing {
    /// There is no key at all.
    #[error("no sealing key is given")]
    Empty,
    /// Two keys have one name.
    #[error("the key id {0:?} stands twice")]
    Repeated(String),
}

/// One active key and any number of retired ones.
#[derive(Debug, Clone)]
pub struct KeyRing {
    active: SealingKey,
    retired: Vec<SealingKey>,
}

impl KeyRing {
    /// Makes a ring in which the first key seals.
    ///
    /// # Errors
    /// [`InvalidKeyRing`] without keys, or where a name stands twice.
    pub fn new(keys: impl IntoIterator<Item = SealingKey>) -> Result<Self, InvalidKeyRing> {
        let mut keys = keys.into_iter();
        let active = keys.next().ok_or(InvalidKeyRing::Empty)?;
        let mut retired: Vec<SealingKey> = Vec::new();
        for key in keys {
            if key.id == active.id || retired.iter().any(|other| other.id == key.id) {
                return Err(InvalidKeyRing::Repeated(key.id.0));
            }
            retired.push(key);
        }
        Ok(Self { active, retired })
    }

    /// The key that seals.
    pub fn active(&self) -> &SealingKey {
        &self.active
    }

    /// The keys that only open.
    pub fn retired(&self) -> &[SealingKey] {
        &self.retired
    }

    /// The names of all keys.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.active).chain(&self.retired).map(|key| key.id.as_str())
    }

    /// The key of that name, active or retired.
    pub fn get(&self, id: &str) -> Option<&SealingKey> {
        std::iter::once(&self.active).chain(&self.retired).find(|key| key.id.0 == id)
    }
}
