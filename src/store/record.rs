//! The bytes of one record, as every store keeps them.
//!
//! ```text
//! offset      length  field
//! 0           1       format version
//! 1           1       length of the key id (k)
//! 2           k       key id
//! 2 + k       8       generation, big-endian
//! 10 + k      8       expires_at, milliseconds since the epoch, big-endian
//! 18 + k      8       cookie_until, the same
//! 26 + k      …       nonce and ciphertext
//! ```
//!
//! The header stands in the clear so that a script in the store can compare the generation and
//! move the deadlines without a key. Format, key id and generation are bound to the ciphertext as
//! associated data. The deadlines are not: a warm session slides without being sealed anew. They
//! can only be made later that way, and never later than the session's absolute end, which is
//! sealed.

use crate::crypto::{KeyId, Sealed};
use crate::model::{Generation, Timestamp};

/// The format this build writes, and the newest it reads.
pub const FORMAT: u8 = 1;

/// A sealed record and what the store may know about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its version.
    pub generation: Generation,
    /// When the store may forget it. A session is told ended a little before: see the vault.
    pub expires_at: Timestamp,
    /// When the cookie that names it runs out in the browser.
    pub cookie_until: Timestamp,
    /// The content.
    pub sealed: Sealed,
}

/// Why bytes are no record of ours. They are kept: another version may know them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Written by a later version.
    #[error("the record has format {0}, which is newer than this build knows")]
    NewerFormat(u8),
    /// Cut short, or never a record.
    #[error("the record is malformed")]
    Malformed,
}

impl Record {
    /// Whether both are one writing: the same generation and sealed content, wherever their
    /// deadlines have moved to since. (A content sealed anew has another nonce.)
    pub fn has_content_of(&self, other: &Self) -> bool {
        self.generation == other.generation && self.sealed == other.sealed
    }

    /// The record's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let id = self.sealed.key_id.as_str().as_bytes();
        let mut bytes = Vec::with_capacity(26 + id.len() + self.sealed.bytes.len());
        bytes.push(FORMAT);
        bytes.push(u8::try_from(id.len()).unwrap_or(u8::MAX));
        bytes.extend_from_slice(id);
        bytes.extend_from_slice(&self.generation.0.to_be_bytes());
        bytes.extend_from_slice(&self.expires_at.as_millis().to_be_bytes());
        bytes.extend_from_slice(&self.cookie_until.as_millis().to_be_bytes());
        bytes.extend_from_slice(&self.sealed.bytes);
        bytes
    }

    /// Reads a record's bytes.
    ///
    /// # Errors
    /// [`RecordError`], from the header alone: whether the content opens is not known yet.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let (&format, rest) = bytes.split_first().ok_or(RecordError::Malformed)?;
        match format {
            FORMAT => {}
            0 => return Err(RecordError::Malformed),
            newer => return Err(RecordError::NewerFormat(newer)),
        }
        let (&length, rest) = rest.split_first().ok_or(RecordError::Malformed)?;
        let (id, rest) = rest.split_at_checked(usize::from(length)).ok_or(RecordError::Malformed)?;
        let key_id = std::str::from_utf8(id).ok().and_then(KeyId::parse).ok_or(RecordError::Malformed)?;
        let (generation, rest) = read_u64(rest)?;
        let (expires_at, rest) = read_u64(rest)?;
        let (cookie_until, rest) = read_u64(rest)?;
        Ok(Self {
            generation: Generation(generation),
            expires_at: Timestamp::from_millis(expires_at),
            cookie_until: Timestamp::from_millis(cookie_until),
            sealed: Sealed { key_id, bytes: rest.to_vec() },
        })
    }
}

fn read_u64(bytes: &[u8]) -> Result<(u64, &[u8]), RecordError> {
    let (number, rest) = bytes.split_first_chunk::<8>().ok_or(RecordError::Malformed)?;
    Ok((u64::from_be_bytes(*number), rest))
}
