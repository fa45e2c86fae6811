//! Keys, sealing and randomness.
//!
//! Records are sealed with XChaCha20-Poly1305: its 24-byte nonce may be drawn at random for any
//! number of records under one key, where AES-GCM's 12 bytes may not, and it is constant-time
//! without hardware support. The primitives are RustCrypto's; nothing is invented here but the
//! choice of what is bound to what.

mod keyring;
mod sealed;

pub use keyring::{InvalidKeyRing, KeyId, KeyRing, SealingKey};
pub use sealed::{OpenError, Sealed};

/// `N` bytes from the system's random source.
///
/// # Panics
/// Where the operating system has no randomness to give; nothing that needs a secret can go on.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    use chacha20poly1305::aead::Generate;
    <[u8; N]>::generate()
}
