//! `[sealing]`: the keys under which records are sealed.

use std::fmt;
use std::path::PathBuf;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use super::reader::{Reader, Source};
use super::writer::{REDACTED, Writer};

/// The keys as given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealing {
    /// The first seals, all open. Names do not repeat. Never empty with a Redis store; empty
    /// with another one that is to make its own.
    pub keys: Vec<SealingKey>,
    /// The file they came from, if they did, to be read again when keys are rotated.
    pub keys_file: Option<PathBuf>,
}

/// One key of 256 bits and its name.
#[derive(Clone, PartialEq, Eq)]
pub struct SealingKey {
    /// 1 to 16 characters of `A-Z a-z 0-9 _ -`.
    pub id: String,
    /// The key; never all zeros.
    pub key: Zeroizing<[u8; 32]>,
}

impl Sealing {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let source = reader.secret("sealing.keys")?;
        let mut keys_file = None;
        let keys = match source {
            Source::Inline => reader.list("sealing.keys", key)?,
            Source::File { key: file_key, path, text } => {
                let keys = reader.items(&file_key, "line", key_lines(&text), key)?;
                if keys.is_empty() {
                    reader.fault(&file_key, "names a file that holds no key");
                }
                keys_file = Some(path);
                keys
            }
        };
        let repeats = |(at, key): (usize, &SealingKey)| keys[..at].iter().any(|other| other.id == key.id);
        if keys.iter().enumerate().any(repeats) {
            reader.fault("sealing.keys", "two keys have one id");
        }
        Some(Self { keys, keys_file })
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.list("keys", self.keys.iter().map(|key| format!("{}:{REDACTED}", key.id)));
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKey({}, {REDACTED})", self.id)
    }
}

/// Reads the text of a key file.
///
/// # Errors
/// The rule that the first faulty line broke, without anything of the line.
pub fn parse_keys(text: &str) -> Result<Vec<SealingKey>, &'static str> {
    key_lines(text).map(|(_, line)| key(line)).collect()
}

/// The lines of a key file that hold a key, with their numbers.
fn key_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    numbered.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

/// `id:base64-of-32-bytes`.
fn key(text: &str) -> Result<SealingKey, &'static str> {
    const BASE64: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let (id, encoded) = text.split_once(':').ok_or("must be `id:base64-of-32-bytes`")?;
    let clean = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if !clean || !(1..=16).contains(&id.len()) {
        return Err("the id before `:` must be 1 to 16 characters of `A-Z a-z 0-9 _ -`");
    }
    let decoded = Zeroizing::new(BASE64.decode(encoded).map_err(|_| "what follows the `:` is not base64")?);
    let mut key = Zeroizing::new([0; 32]);
    if decoded.len() != key.len() {
        return Err("the key is not 32 bytes long");
    }
    key.copy_from_slice(&decoded);
    if key.iter().all(|byte| *byte == 0) {
        return Err("a key of zeros protects nothing");
    }
    Ok(SealingKey { id: id.to_owned(), key })
}
