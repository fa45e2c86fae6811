//! What other processes did to records, told as it happens.
//!
//! A process that keeps opened records must hear at once when another one ends a session or
//! writes a new generation, or when an operator changes or deletes a key by hand. (In Redis, the
//! connection that subscribes is therefore a RESP3 one with `CLIENT TRACKING ON BCAST PREFIX
//! {prefix}:s:` as well, except in a Cluster.) A store that several processes share tells its [`Listener`]; whether
//! it can be relied on at a given moment is [`Store::feed_is_alive`](super::Store::feed_is_alive).

use super::Key;

/// Is told what happens to records.
pub trait Listener: Send + Sync + 'static {
    /// Somebody ended or replaced this record. Told for our own changes too.
    fn changed(&self, key: &Key);

    /// Changes may have been missed: nothing that was read before is known to be current.
    fn interrupted(&self);
}
