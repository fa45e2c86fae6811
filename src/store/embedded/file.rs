//! The file: opening it, its tables, and what one transaction does.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use redb::{
    Builder, Database, DatabaseError, ReadableDatabase, ReadableTable, StorageError, Table, TableDefinition,
    WriteTransaction,
};

use crate::model::Timestamp;
use crate::store::decision::Change;
use crate::store::{Key, Place, StoreError};

/// A record's bytes by its key's.
const RECORDS: TableDefinition<&[u8; 33], &[u8]> = TableDefinition::new("records");

/// The same keys in the order in which the records end (milliseconds since the epoch).
const ENDS: TableDefinition<(u64, &[u8; 33]), ()> = TableDefinition::new("ends");

/// When each record ends, to find it in [`ENDS`] without reading its bytes.
const END_OF: TableDefinition<&[u8; 33], u64> = TableDefinition::new("end_of");

/// Facts about the file: `layout`.
const ABOUT: TableDefinition<&str, u64> = TableDefinition::new("about");

/// The arrangement of tables that this build writes and reads.
const LAYOUT: u64 = 1;

/// Memory for pages of the file.
const CACHE_BYTES: usize = 8 * 1024 * 1024;

/// Opens the file, or makes it, readable for nobody else. Every page is checked, so that a
/// damaged file is told here and not in the middle of a call; it is left as it is.
pub(super) fn open(path: &Path) -> Result<Database, StoreError> {
    let refused = |why: &str| StoreError::Unavailable(format!("{}: {why}", path.display()));
    prepare(path).map_err(|error| refused(&error.to_string()))?;
    let database = Builder::new()
        .set_cache_size(CACHE_BYTES)
        .set_check_integrity_on_open(true)
        .create(path)
        .map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => refused("already in use by another process"),
            DatabaseError::Storage(StorageError::Corrupted(_)) => {
                refused("the file is damaged; it is left as it is")
            }
            DatabaseError::Storage(StorageError::Io(error)) if error.kind() == io::ErrorKind::InvalidData => {
                refused("not a file of this store; it is left as it is")
            }
            error => refused(&error.to_string()),
        })?;
    let layout = tables(&database).map_err(|error| refused(&error.to_string()))?;
    if layout == LAYOUT {
        Ok(database)
    } else {
        Err(refused(&format!("the file has layout {layout}, this build knows {LAYOUT}; it is left as it is")))
    }
}

fn prepare(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    }
    let file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    if file.metadata()?.permissions().mode() & 0o777 != 0o600 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}

/// Makes the tables of a new file; the layout of a file that has them.
fn tables(database: &Database) -> Result<u64, redb::Error> {
    let transaction = database.begin_write()?;
    let layout = {
        let mut about = transaction.open_table(ABOUT)?;
        let known = about.get("layout")?.map(|layout| layout.value());
        match known {
            Some(layout) => layout,
            None => {
                about.insert("layout", LAYOUT)?;
                transaction.open_table(RECORDS)?;
                transaction.open_table(ENDS)?;
                transaction.open_table(END_OF)?;
                LAYOUT
            }
        }
    };
    transaction.commit()?;
    Ok(layout)
}

/// One record's bytes.
pub(super) fn read(database: &Database, key: &Key) -> Result<Option<Vec<u8>>, redb::Error> {
    let records = database.begin_read()?.open_table(RECORDS)?;
    Ok(records.get(&key.to_bytes())?.map(|bytes| bytes.value().to_vec()))
}

/// The keys of a place.
pub(super) fn keys(database: &Database, place: Place) -> Result<Vec<Key>, redb::Error> {
    let records = database.begin_read()?.open_table(RECORDS)?;
    let (mut first, mut last) = ([0; 33], [u8::MAX; 33]);
    first[0] = place.letter() as u8;
    last[0] = place.letter() as u8;
    let mut keys = Vec::new();
    for entry in records.range::<&[u8; 33]>(&first..=&last)? {
        keys.extend(Key::from_bytes(entry?.0.value()));
    }
    Ok(keys)
}

/// Whether a record's end has come.
pub(super) fn has_ended(database: &Database, now: Timestamp) -> Result<bool, redb::Error> {
    let ends = database.begin_read()?.open_table(ENDS)?;
    Ok(ends.first()?.is_some_and(|(end, _)| end.value().0 <= now.as_millis()))
}

/// The tables within one write transaction.
pub(super) struct Pages<'a> {
    records: Table<'a, &'static [u8; 33], &'static [u8]>,
    ends: Table<'a, (u64, &'static [u8; 33]), ()>,
    end_of: Table<'a, &'static [u8; 33], u64>,
}

impl<'a> Pages<'a> {
    pub(super) fn open(transaction: &'a WriteTransaction) -> Result<Self, redb::Error> {
        Ok(Self {
            records: transaction.open_table(RECORDS)?,
            ends: transaction.open_table(ENDS)?,
            end_of: transaction.open_table(END_OF)?,
        })
    }

    pub(super) fn get(&self, key: &[u8; 33]) -> Result<Option<Vec<u8>>, redb::Error> {
        Ok(self.records.get(key)?.map(|bytes| bytes.value().to_vec()))
    }

    pub(super) fn apply(&mut self, key: &[u8; 33], change: Change) -> Result<(), redb::Error> {
        match change {
            Change::Keep => {}
            Change::Put(record) => {
                let end = record.expires_at.as_millis();
                self.records.insert(key, record.encode().as_slice())?;
                let before = self.end_of.insert(key, end)?.map(|end| end.value());
                if let Some(before) = before {
                    self.ends.remove((before, key))?;
                }
                self.ends.insert((end, key), ())?;
            }
            Change::Remove => {
                self.records.remove(key)?;
                let before = self.end_of.remove(key)?.map(|end| end.value());
                if let Some(before) = before {
                    self.ends.remove((before, key))?;
                }
            }
        }
        Ok(())
    }

    /// Removes up to `most` records whose end has come; how many it were.
    pub(super) fn sweep(&mut self, now: Timestamp, most: usize) -> Result<usize, redb::Error> {
        let mut ended = Vec::new();
        for entry in self.ends.range(..(now.as_millis().saturating_add(1), &[0; 33]))?.take(most) {
            ended.push(*entry?.0.value().1);
        }
        for key in &ended {
            self.apply(key, Change::Remove)?;
        }
        Ok(ended.len())
    }
}
