//! What is remembered of a visitor: which session was made for it.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::crypto::KeyRing;
use crate::model::{Generation, SessionId, Timestamp, Visitor};
use crate::store::{FORMAT, Key, Record};

#[derive(Debug, Serialize, Deserialize)]
struct Content {
    /// The session's id, as its cookie has it; empty where there is to be none.
    session: String,
}

/// The record that names a visitor's session, or says that there will be none. It is there as long
/// as the visitor's name holds.
pub(super) fn seal(ring: &KeyRing, key: &Key, session: Option<&SessionId>, now: Timestamp) -> Record {
    let content = Content { session: session.map(SessionId::expose).unwrap_or_default() };
    // A plain string always serialises into memory.
    let plain = Zeroizing::new(postcard::to_stdvec(&content).unwrap_or_default());
    let end = now.plus(Visitor::MEMORY);
    Record {
        generation: Generation(1),
        expires_at: end,
        cookie_until: end,
        sealed: ring.seal(&place(key), &plain),
    }
}

/// The session in a record; `None` for one that is not ours, not of `key`, or too old.
pub(super) fn open(ring: &KeyRing, key: &Key, record: &Record, now: Timestamp) -> Option<SessionId> {
    let sealed = &record.sealed;
    let plain = ring.open(sealed.key_id.as_str(), &place(key), &sealed.bytes).ok()?;
    let content =
        (now < record.expires_at).then(|| postcard::from_bytes::<Content>(&plain).ok()).flatten()?;
    SessionId::parse(&Zeroizing::new(content.session))
}

/// What the sealed bytes are bound to.
fn place(key: &Key) -> Vec<u8> {
    let mut place = vec![FORMAT];
    place.extend_from_slice(&key.to_bytes());
    place
}
