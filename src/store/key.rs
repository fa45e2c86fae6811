//! Names of records. They are hashes, so that a look into the store gives nobody a session.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::model::{Digest, SessionId, VisitorId};

/// The kinds of record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// A browser's session.
    Session,
    /// A login in progress.
    Login,
    /// What became of a visitor who asked for an anonymous user.
    Visitor,
}

impl Place {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Session, Self::Login, Self::Visitor];

    /// The letter that stands for the place in a key's text.
    pub const fn letter(self) -> char {
        match self {
            Self::Session => 's',
            Self::Login => 't',
            Self::Visitor => 'v',
        }
    }
}

/// The name of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    place: Place,
    hash: Digest,
}

impl Key {
    /// The record of a session.
    pub fn session(id: &SessionId) -> Self {
        Self { place: Place::Session, hash: id.name() }
    }

    /// The record of a login in progress, named by its `state`.
    pub fn login(state: &str) -> Self {
        Self { place: Place::Login, hash: Digest::of("login", state.as_bytes()) }
    }

    /// The record of a visitor.
    pub fn visitor(id: &VisitorId) -> Self {
        Self { place: Place::Visitor, hash: id.digest() }
    }

    /// Reads the hash back from a key's text.
    pub fn from_hash_text(place: Place, text: &str) -> Option<Self> {
        let mut hash = [0; 32];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut hash) {
            Ok(32) => Some(Self { place, hash: Digest::from_bytes(hash) }),
            _ => None,
        }
    }

    /// The kind of record.
    pub const fn place(&self) -> Place {
        self.place
    }

    /// The hash as 43 base64url characters.
    pub fn hash_text(&self) -> String {
        self.hash.text()
    }

    /// The hash itself, by which logs name a session too.
    pub const fn digest(&self) -> Digest {
        self.hash
    }

    /// Reads what [`Key::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8; 33]) -> Option<Self> {
        let (&letter, hash) = bytes.split_first()?;
        let place = Place::ALL.into_iter().find(|place| place.letter() as u8 == letter)?;
        Some(Self { place, hash: Digest::from_bytes(hash.try_into().ok()?) })
    }

    /// The name as bytes: the place's letter and the hash. What a sealed record is bound to.
    pub fn to_bytes(self) -> [u8; 33] {
        let mut bytes = [0; 33];
        bytes[0] = self.place.letter() as u8;
        bytes[1..].copy_from_slice(self.hash.as_bytes());
        bytes
    }
}
