//! What keys are called in Redis.
//!
//! ```text
//! {prefix}:s:{HASH}    a session          {prefix}:l:{HASH}    a lease
//! {prefix}:t:{HASH}    a login            {prefix}:r:{HASH}    a limit's bucket
//! {prefix}:v:{HASH}    a visitor          {prefix}:schema      the layout's version
//! ```
//! and the channel `{prefix}:feed`. The braces around the hash stand in the key: they are a
//! Cluster's hash tag, so that a record and its lease live on one node.

use crate::model::Digest;
use crate::store::{Key, Place};

/// The names below one prefix.
#[derive(Debug, Clone)]
pub(super) struct Names {
    prefix: String,
}

impl Names {
    /// Names that begin with `prefix` and a colon.
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    pub(super) fn record(&self, key: &Key) -> String {
        format!("{}:{}:{{{}}}", self.prefix, key.place().letter(), key.hash_text())
    }

    pub(super) fn lease(&self, key: &Key) -> String {
        format!("{}:l:{{{}}}", self.prefix, key.hash_text())
    }

    pub(super) fn bucket(&self, digest: &Digest) -> String {
        format!("{}:r:{{{}}}", self.prefix, digest.text())
    }

    pub(super) fn schema(&self) -> String {
        format!("{}:schema", self.prefix)
    }

    /// What the names of all sessions begin with.
    pub(super) fn sessions(&self) -> String {
        format!("{}:{}:", self.prefix, Place::Session.letter())
    }

    /// The channel on which changes of sessions are told.
    pub(super) fn feed(&self) -> String {
        format!("{}:feed", self.prefix)
    }

    /// The channel and the name by which a change of this record is told; empty where it is not.
    pub(super) fn told(&self, key: &Key) -> (String, String) {
        match key.place() {
            Place::Session => (self.feed(), key.hash_text()),
            Place::Login | Place::Visitor => (String::new(), String::new()),
        }
    }

    /// A key that is never there, for a marker that shall visit the server of some slot.
    pub(super) fn nothing(&self, random: &str) -> String {
        format!("{}:l:{{{random}}}", self.prefix)
    }

    /// Matches the records of a place, or of all, in `SCAN`.
    pub(super) fn pattern(&self, place: Option<Place>) -> String {
        match place {
            Some(place) => format!("{}:{}:{{*}}", self.prefix, place.letter()),
            None => {
                let letters: String = Place::ALL.map(Place::letter).into_iter().collect();
                format!("{}:[{letters}]:{{*}}", self.prefix)
            }
        }
    }

    /// The key that [`Names::record`] wrote as `name`.
    pub(super) fn parse(&self, place: Place, name: &str) -> Option<Key> {
        let rest = name.strip_prefix(&self.prefix)?.strip_prefix(':')?.strip_prefix(place.letter())?;
        Key::from_hash_text(place, rest.strip_prefix(":{")?.strip_suffix('}')?)
    }
}
