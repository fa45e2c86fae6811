//! What a script on a record answers.

use redis::{Value, from_redis_value};

use crate::model::Generation;
use crate::store::{Record, RecordError, StoreError};

/// A word, and for some words bytes.
pub(super) enum Answer {
    Done(Option<Vec<u8>>),
    Exists,
    Gone,
    Moved(Generation),
}

impl Answer {
    pub(super) fn read(value: Value) -> Result<Self, StoreError> {
        let unexpected = || StoreError::Unavailable("an unexpected answer of Redis".to_owned());
        let parts: Vec<Vec<u8>> = from_redis_value(value).map_err(|_| unexpected())?;
        let mut parts = parts.into_iter();
        let word = parts.next().unwrap_or_default();
        let bytes = parts.next();
        match (word.as_slice(), bytes) {
            (b"done", bytes) => Ok(Self::Done(bytes)),
            (b"exists", None) => Ok(Self::Exists),
            (b"gone", None) => Ok(Self::Gone),
            (b"moved", Some(bytes)) => {
                let number = <[u8; 8]>::try_from(bytes.as_slice()).map_err(|_| unexpected())?;
                Ok(Self::Moved(Generation(u64::from_be_bytes(number))))
            }
            (b"unreadable", Some(bytes)) => {
                Err(StoreError::Record(Record::decode(&bytes).err().unwrap_or(RecordError::Malformed)))
            }
            _ => Err(unexpected()),
        }
    }

    pub(super) fn unexpected(self) -> StoreError {
        StoreError::Unavailable("an unexpected answer of Redis".to_owned())
    }
}
