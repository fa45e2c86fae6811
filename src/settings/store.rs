//! `[store]`: where the sealed records are kept.

mod percent;
mod redis_url;

use std::path::PathBuf;
use std::time::Duration;

pub use redis_url::{Node, RedisUrl, Tls, Topology};

use super::reader::{Reader, Source};
use super::writer::Writer;

/// Which store, and how long it may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// The store.
    pub url: StoreUrl,
    /// What every Redis key begins with, before a `:`. 1 to 64 visible ASCII characters, none
    /// of them special to Redis (`{ } * ? [ ] \ ^`).
    pub key_prefix: String,
    /// For one operation, in all, reconnecting included.
    pub timeout: Duration,
    /// The oldest record served from the process without asking the store, while changes that
    /// others make are known to be heard. Zero: no cache.
    pub cache_max_age: Duration,
    /// How long a known session is served while the store is away. Zero: not at all.
    pub outage_grace: Duration,
}

/// The kinds of store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// In this process; gone with it. For tests.
    Memory,
    /// In a file on this machine, for one process.
    Embedded {
        /// The file. Relative to the working directory unless absolute.
        path: PathBuf,
    },
    /// In Redis, for any number of processes.
    Redis(RedisUrl),
}

impl Store {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let url = match reader.secret("store.url") {
            Some(Source::Inline) => reader.parse("store.url", StoreUrl::parse),
            Some(Source::File { key, text, .. }) => reader.check(&key, &text, StoreUrl::parse),
            None => None,
        };
        let key_prefix = reader.parse("store.key_prefix", key_prefix);
        let timeout = reader.duration("store.timeout", Duration::from_millis(1)..=Duration::from_secs(60));
        let any = Duration::ZERO..=Duration::from_secs(3600);
        let cache_max_age = reader.duration("store.cache_max_age", any.clone());
        let outage_grace = reader.duration("store.outage_grace", any);

        if matches!(url, Some(StoreUrl::Redis(_))) && !reader.is_given("sealing.keys") {
            reader.fault("sealing.keys", "is required with a Redis store; or `sealing.keys_file`");
        }
        Some(Self {
            url: url?,
            key_prefix: key_prefix?,
            timeout: timeout?,
            cache_max_age: cache_max_age?,
            outage_grace: outage_grace?,
        })
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.put("url", self.url.redacted());
        writer.put("key_prefix", self.key_prefix.as_str());
        writer.duration("timeout", self.timeout);
        writer.duration("cache_max_age", self.cache_max_age);
        writer.duration("outage_grace", self.outage_grace);
    }
}

impl StoreUrl {
    /// Reads `memory:`, `embedded:PATH`, or a Redis URL as [`RedisUrl::parse`] does.
    ///
    /// # Errors
    /// The rule that was broken, without anything of the text.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text == "memory:" {
            return Ok(Self::Memory);
        }
        match text.strip_prefix("embedded:") {
            Some(path) if path.is_empty() || path.contains('\0') => {
                Err("`embedded:` must be followed by a path")
            }
            Some(path) => Ok(Self::Embedded { path: PathBuf::from(path) }),
            None => RedisUrl::parse(text).map(Self::Redis),
        }
    }

    /// The URL with its password as `[redacted]`.
    pub fn redacted(&self) -> String {
        match self {
            Self::Memory => "memory:".to_owned(),
            Self::Embedded { path } => format!("embedded:{}", path.display()),
            Self::Redis(url) => url.redacted(),
        }
    }
}

fn key_prefix(text: &str) -> Result<String, &'static str> {
    let clean = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"{}*?[]\\^".contains(&byte));
    if clean && (1..=64).contains(&text.len()) {
        Ok(text.to_owned())
    } else {
        Err("must be 1 to 64 visible ASCII characters without `{ } * ? [ ] \\ ^`")
    }
}
