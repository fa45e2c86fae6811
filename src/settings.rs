//! The settings: read once, from layers, into types, before a port is bound.
//!
//! Three layers, the later wins: `config/default.toml` (embedded; it holds every key), each
//! `--config` file, and the environment (`WHISK_BFF__SECTION__KEY`). A secret `x` may be given
//! as `x_file`, the path of a file that holds it. Whatever is wrong (unknown or duplicate keys,
//! wrong types, impossible combinations) is collected and refused in one go; a fault names its
//! key and its layer and never its value, for the value may be a secret.
//!
//! A section is a file here: a plain struct, a `read` that checks, a `write` that shows. A new
//! one is that file, its keys in `config/default.toml`, and its line in `sections!` below.

mod address;
mod anonymous;
mod csrf;
mod fault;
mod forward;
mod layer;
mod limits;
mod quantity;
mod reader;
mod sealing;
mod server;
mod session;
mod store;
mod whisk;
mod writer;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

pub use crate::model::Secret;
pub use address::PublicUrl;
pub use anonymous::{Anonymous, BodyTemplate};
pub use csrf::Csrf;
pub use fault::{Fault, Faults};
pub use forward::{Forward, RoutePattern};
pub use layer::environment;
pub use limits::Limits;
pub use sealing::{Sealing, SealingKey, parse_keys};
pub use server::Server;
pub use session::{SameSite, Session};
pub use store::{Node, RedisUrl, Store, StoreUrl, Tls, Topology};
pub use whisk::{ClientAuth, TokenEncoding, Whisk};

use layer::Layer;
use reader::Reader;
use writer::Writer;

macro_rules! sections {
    ($($(#[$doc:meta])* $name:ident: $section:ident,)*) => {
        /// All settings, checked.
        #[derive(Debug, Clone, PartialEq)]
        pub struct Settings {
            $($(#[$doc])* pub $name: $section,)*
        }

        /// Reads every section, so that the faults of all are found before any is told.
        fn read(reader: &mut Reader<'_>) -> Option<Settings> {
            $(let $name = $section::read(reader);)*
            Some(Settings { $($name: $name?,)* })
        }

        fn write(settings: &Settings, writer: &mut Writer) {
            $(writer.section(stringify!($name)); settings.$name.write(writer);)*
        }
    };
}

sections! {
    /// The listeners and the life of the process.
    server: Server,
    /// The authorization server, the API, and this client of theirs.
    whisk: Whisk,
    /// How long a browser's session lasts.
    session: Session,
    /// The keys under which records are sealed.
    sealing: Sealing,
    /// Where the sealed records are kept.
    store: Store,
    /// Which calls are forwarded, and their limits.
    forward: Forward,
    /// The gate against requests that another site forged.
    csrf: Csrf,
    /// Users that Whisk makes for an app without a login.
    anonymous: Anonymous,
    /// How often one address, or one session, may do what costs others.
    limits: Limits,
}

impl Settings {
    /// Reads the embedded defaults, then `files` in their order, then `environment`: pairs of a
    /// name and a value, of which those not beginning with `WHISK_BFF__` are passed over.
    ///
    /// # Errors
    /// Every fault of every layer at once.
    pub fn load(
        files: &[PathBuf],
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Faults> {
        let mut faults = Vec::new();
        let mut layers = vec![Layer::defaults(&mut faults)];
        layers.extend(files.iter().map(|file| Layer::file(file, &mut faults)));
        layers.push(Layer::environment(environment, &mut faults));

        let mut reader = Reader::new(&layers, faults);
        let settings = read(&mut reader);
        let faults = reader.finish();
        match settings {
            Some(settings) if faults.is_empty() => Ok(settings),
            _ => Err(Faults(faults)),
        }
    }

    /// The settings in force, as TOML that can be read again, but for its secrets: they are
    /// written `[redacted]`.
    pub fn effective(&self) -> String {
        let mut writer = Writer::default();
        write(self, &mut writer);
        writer.finish()
    }

    /// What is permitted but should be said loudly at start. No secret in it.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        self.server.warn(&mut warnings);
        self.whisk.warn(&mut warnings);
        self.anonymous.warn(&mut warnings);
        warnings
    }
}
