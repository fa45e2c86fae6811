//! Sealing: encryption that also proves where a text belongs.
//!
//! The associated data names the key id and the place (which record, which version), so that a
//! record copied over another, or an old version put back over a new one's header, does not open
//! (requirement R29).

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::keyring::{KeyId, KeyRing, SealingKey};
use super::random_bytes;

const NONCE_LENGTH: usize = 24;

/// A sealed text: the key's name, and nonce and ciphertext as one run of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The key that opens it.
    pub key_id: KeyId,
    /// 24 bytes of nonce, then the ciphertext with its 16-byte tag.
    pub bytes: Vec<u8>,
}

/// Why a sealed text did not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The ring holds no key of that name.
    #[error("the record's key is not in the key ring")]
    UnknownKey,
    /// It was changed, cut, moved to another place, or sealed with another key of that name.
    #[error("the record is not authentic")]
    NotAuthentic,
}

impl KeyRing {
    /// Seals `plain` under the active key, bound to `place`.
    pub fn seal(&self, place: &[u8], plain: &[u8]) -> Sealed {
        let key = self.active();
        let nonce: [u8; NONCE_LENGTH] = random_bytes();
        let payload = Payload { msg: plain, aad: &associated_data(key.id(), place) };
        // XChaCha20-Poly1305 refuses only texts of more than 256 GiB.
        let ciphertext = cipher(key).encrypt(&XNonce::from(nonce), payload).unwrap_or_default();
        let mut bytes = Vec::with_capacity(NONCE_LENGTH + ciphertext.len());
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&ciphertext);
        Sealed { key_id: key.id().clone(), bytes }
    }

    /// Opens what was sealed for `place` under any key of the ring.
    ///
    /// # Errors
    /// [`OpenError`]; the two causes are told apart for the operator, never for the browser.
    pub fn open(&self, key_id: &str, place: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let key = self.get(key_id).ok_or(OpenError::UnknownKey)?;
        let (nonce, ciphertext) =
            sealed.split_first_chunk::<NONCE_LENGTH>().ok_or(OpenError::NotAuthentic)?;
        let payload = Payload { msg: ciphertext, aad: &associated_data(key.id(), place) };
        let plain =
            cipher(key).decrypt(&XNonce::from(*nonce), payload).map_err(|_| OpenError::NotAuthentic)?;
        Ok(Zeroizing::new(plain))
    }
}

fn cipher(key: &SealingKey) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.bytes().into())
}

fn associated_data(key_id: &KeyId, place: &[u8]) -> Vec<u8> {
    let mut data = Vec::with_capacity(KeyId::MAX_LENGTH + 1 + place.len());
    data.extend_from_slice(key_id.as_str().as_bytes());
    data.push(0);
    data.extend_from_slice(place);
    data
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ring(ids: &[(&str, u8)]) -> KeyRing {
        let keys = ids
            .iter()
            .map(|(id, byte)| SealingKey::new(KeyId::parse(id).unwrap(), Zeroizing::new([*byte; 32])));
        KeyRing::new(keys).unwrap()
    }

    #[test]
    fn a_retired_key_still_opens_and_no_longer_seals() {
        let old = ring(&[("old", 1)]).seal(b"place", b"text");
        let both = ring(&[("new", 2), ("old", 1)]);
        assert_eq!(&*both.open(old.key_id.as_str(), b"place", &old.bytes).unwrap(), b"text");
        assert_eq!(both.seal(b"place", b"text").key_id.as_str(), "new");
    }

    #[test]
    fn a_moved_cut_or_changed_text_does_not_open() {
        let ring = ring(&[("k", 1)]);
        let sealed = ring.seal(b"here", b"text");
        assert_eq!(ring.open("k", b"there", &sealed.bytes), Err(OpenError::NotAuthentic));
        assert_eq!(ring.open("gone", b"here", &sealed.bytes), Err(OpenError::UnknownKey));
        for length in 0..sealed.bytes.len() {
            assert_eq!(ring.open("k", b"here", &sealed.bytes[..length]), Err(OpenError::NotAuthentic));
        }
        for index in 0..sealed.bytes.len() {
            let mut changed = sealed.bytes.clone();
            changed[index] ^= 1;
            assert_eq!(ring.open("k", b"here", &changed), Err(OpenError::NotAuthentic));
        }
    }

    #[test]
    fn sealing_twice_gives_different_bytes() {
        let ring = ring(&[("k", 1)]);
        assert_ne!(ring.seal(b"here", b"text").bytes, ring.seal(b"here", b"text").bytes);
    }
}
