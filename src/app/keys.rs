//! The sealing keys: those of the settings, or one of our own beside the embedded store.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::crypto::{InvalidKeyRing, KeyId, KeyRing, SealingKey, random_bytes};
use crate::settings::{self, Settings, StoreUrl};
use crate::telemetry::Metrics;

/// How often a key file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Why there are no sealing keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The key file beside the embedded store cannot be read or made.
    #[error("the key file {} cannot be used", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The key file holds something else.
    #[error("the key file {} is malformed: {fault}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The rule that was broken.
        fault: &'static str,
    },
    /// The keys make no ring.
    #[error(transparent)]
    Ring(#[from] InvalidKeyRing),
}

/// The key ring of these settings. Without keys, an embedded store gets a key file beside it, and
/// memory a key that nobody keeps.
///
/// # Errors
/// [`KeyError`].
pub fn ring(settings: &Settings) -> Result<KeyRing, KeyError> {
    let keys = match (&settings.store.url, settings.sealing.keys.is_empty()) {
        (_, false) => settings.sealing.keys.clone(),
        (StoreUrl::Embedded { path }, true) => beside(path)?,
        (_, true) => vec![random_key("memory")],
    };
    of(keys)
}

/// The key file of an embedded store, made at first start with mode 0600.
fn beside(store: &Path) -> Result<Vec<settings::SealingKey>, KeyError> {
    let path = store.with_extension("key");
    let failed = |cause| KeyError::File { path: path.clone(), cause };
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(failed)?;
    }
    if !path.try_exists().map_err(failed)? {
        make(&path).map_err(failed)?;
    }
    let text = Zeroizing::new(std::fs::read_to_string(&path).map_err(failed)?);
    let keys =
        settings::parse_keys(&text).map_err(|fault| KeyError::Malformed { path: path.clone(), fault })?;
    if keys.is_empty() {
        return Err(KeyError::Malformed { path, fault: "it holds no key" });
    }
    Ok(keys)
}

/// Makes a key file that is there in full or not at all: a crash half-way must not leave one that
/// no later start can use. A file that another start has made meanwhile stays.
fn make(path: &Path) -> io::Result<()> {
    let draft = path.with_extension(format!("key.{}", std::process::id()));
    let line = Zeroizing::new(key_line("local"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    let written = file
        .write_all(line.as_bytes())
        .and_then(|()| file.write_all(b"\n"))
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::hard_link(&draft, path));
    std::fs::remove_file(&draft)?;
    match written {
        Ok(()) => {
            tracing::info!(target: "settings", path = %path.display(), "a sealing key was made; keep it with the store");
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Reads the key file again at each SIGHUP and whenever it has changed, and puts the new ring in
/// the place of the old. A file that holds no ring leaves the old one in place.
pub(super) async fn follow(file: PathBuf, ring: Arc<ArcSwap<KeyRing>>, metrics: Metrics) {
    let Ok(mut hang_up) = signal(SignalKind::hangup()) else {
        tracing::error!(target: "settings", "SIGHUP cannot be heard: keys are not read again");
        return;
    };
    let mut seen = stamp(&file);
    loop {
        let asked = timeout(LOOK_EVERY, hang_up.recv()).await.is_ok();
        let now = stamp(&file);
        if !asked && now == seen {
            continue;
        }
        seen = now;
        match read(&file) {
            Ok(new) => {
                metrics.know_keys(new.ids());
                tracing::info!(target: "settings", active = new.active().id().as_str(), "the sealing keys were read again");
                ring.store(Arc::new(new));
            }
            Err(error) => {
                tracing::error!(target: "settings", %error, "the sealing keys in use stay: the file cannot be used");
            }
        }
    }
}

/// Without a key file there is nothing to read at SIGHUP, and no reason to die of it.
pub(super) async fn ignore_hang_ups() {
    if let Ok(mut hang_up) = signal(SignalKind::hangup()) {
        while hang_up.recv().await.is_some() {
            tracing::info!(target: "settings", "SIGHUP: there is no sealing.keys_file to read again");
        }
    }
}

fn read(path: &Path) -> Result<KeyRing, KeyError> {
    let failed = |cause| KeyError::File { path: path.to_owned(), cause };
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(failed)?);
    let malformed = |fault| KeyError::Malformed { path: path.to_owned(), fault };
    of(settings::parse_keys(&text).map_err(malformed)?)
}

/// What changes when a file is written or put in the place of another.
fn stamp(file: &Path) -> Option<(SystemTime, u64, u64)> {
    let metadata = std::fs::metadata(file).ok()?;
    Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
}

fn of(keys: Vec<settings::SealingKey>) -> Result<KeyRing, KeyError> {
    let keys = keys.into_iter().filter_map(|key| Some(SealingKey::new(KeyId::parse(&key.id)?, key.key)));
    Ok(KeyRing::new(keys)?)
}

fn random_key(id: &str) -> settings::SealingKey {
    settings::SealingKey { id: id.to_owned(), key: Zeroizing::new(random_bytes()) }
}

/// A new line for `sealing.keys_file`.
pub fn key_line(id: &str) -> String {
    let key: Zeroizing<[u8; 32]> = Zeroizing::new(random_bytes());
    format!("{id}:{}", STANDARD.encode(*key))
}
