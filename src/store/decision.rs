//! What an operation does to one record: the rules of [`super::Store`] as functions of the stored
//! bytes, for the stores that decide in this process. `redis/*.lua` say the same in Lua, and one
//! suite runs against all.
//!
//! Bytes that are no record of ours are never changed or removed. A record whose end has come is
//! treated as absent, whether or not it has been swept yet.

use super::{Created, Deadlines, Record, RecordError, Replaced};
use crate::model::{Generation, Timestamp};

/// What to do with the stored bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing.
    Keep,
    /// Write this record, or nothing where its end has come already.
    Put(Record),
    /// Remove what is there.
    Remove,
}

/// The stored record, if there is one and its end has not come.
pub(super) fn live(stored: Option<&[u8]>, now: Timestamp) -> Result<Option<Record>, RecordError> {
    let record = stored.map(Record::decode).transpose()?;
    Ok(record.filter(|record| record.expires_at > now))
}

/// [`super::Store::create`].
pub(super) fn create(stored: Option<&[u8]>, record: &Record, now: Timestamp) -> (Created, Change) {
    match live(stored, now) {
        Ok(None) => (Created::Done, put(record, now)),
        Ok(Some(other)) if other.has_content_of(record) => (Created::Done, Change::Keep),
        Ok(Some(_)) | Err(_) => (Created::Exists, Change::Keep),
    }
}

/// [`super::Store::replace`].
pub(super) fn replace(
    stored: Option<&[u8]>,
    expected: Generation,
    record: &Record,
    now: Timestamp,
) -> Result<(Replaced, Change), RecordError> {
    Ok(match live(stored, now)? {
        None => (Replaced::Gone, Change::Keep),
        Some(found) if found.generation == expected => (Replaced::Done, put(record, now)),
        Some(found) if found.has_content_of(record) => (Replaced::Done, Change::Keep),
        Some(found) => (Replaced::Moved(found.generation), Change::Keep),
    })
}

/// [`super::Store::touch`].
pub(super) fn touch(
    stored: Option<&[u8]>,
    deadlines: Deadlines,
    now: Timestamp,
) -> Result<(bool, Change), RecordError> {
    let Some(mut record) = live(stored, now)? else { return Ok((false, Change::Keep)) };
    let expires_at = record.expires_at.max(deadlines.expires_at);
    let cookie_until = record.cookie_until.max(deadlines.cookie_until);
    if (expires_at, cookie_until) == (record.expires_at, record.cookie_until) {
        return Ok((true, Change::Keep));
    }
    record.expires_at = expires_at;
    record.cookie_until = cookie_until;
    Ok((true, Change::Put(record)))
}

/// [`super::Store::take`].
pub(super) fn take(stored: Option<&[u8]>, now: Timestamp) -> Result<(Option<Record>, Change), RecordError> {
    Ok(match live(stored, now)? {
        Some(record) => (Some(record), Change::Remove),
        None => (None, Change::Keep),
    })
}

/// [`super::Store::remove`].
pub(super) fn remove(
    stored: Option<&[u8]>,
    expected: Generation,
    now: Timestamp,
) -> Result<(Replaced, Change), RecordError> {
    Ok(match live(stored, now)? {
        None => (Replaced::Gone, Change::Keep),
        Some(found) if found.generation > expected => (Replaced::Moved(found.generation), Change::Keep),
        Some(_) => (Replaced::Done, Change::Remove),
    })
}

/// A record that has ended already counts as written and ended.
fn put(record: &Record, now: Timestamp) -> Change {
    if record.expires_at > now { Change::Put(record.clone()) } else { Change::Remove }
}
