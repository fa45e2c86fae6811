//! Layers: the embedded defaults, a file, the environment. Each becomes a flat map from
//! `section.key` to a raw value; what the keys mean is none of its business.

mod document;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::fault::{Fault, Faults};

/// A value before its type is known.
#[derive(Clone, PartialEq)]
pub(super) enum Raw {
    Text(String),
    Integer(i64),
    Flag(bool),
    /// `None` stands for an item that is not a string.
    List(Vec<Option<String>>),
    /// A kind of value that no setting has.
    Other,
}

/// Where a layer comes from.
#[derive(Clone, PartialEq)]
pub(super) enum Origin {
    Defaults,
    File(String),
    Environment,
}

/// One layer.
pub(super) struct Layer {
    pub(super) origin: Origin,
    pub(super) values: BTreeMap<String, Raw>,
    /// Sections it opens, be they empty.
    pub(super) sections: Vec<String>,
    /// It could not be read in full, so that a setting may be missing only by that.
    pub(super) broken: bool,
}

const DEFAULTS: &str = include_str!("../../config/default.toml");
const PREFIX: &str = "WHISK_BFF__";
/// A settings file or a secret's file is never larger, in bytes; a mistaken path may be.
const LARGEST_FILE: u64 = 1 << 20;

impl Layer {
    fn new(origin: Origin) -> Self {
        Self { origin, values: BTreeMap::new(), sections: Vec::new(), broken: false }
    }

    /// `config/default.toml` as it was when the program was built.
    pub(super) fn defaults(faults: &mut Vec<Fault>) -> Self {
        let mut layer = Self::new(Origin::Defaults);
        document::read(DEFAULTS, &mut layer, faults);
        layer
    }

    /// A `--config` file.
    pub(super) fn file(path: &Path, faults: &mut Vec<Fault>) -> Self {
        let mut layer = Self::new(Origin::File(printable(&path.to_string_lossy())));
        match read_file(path) {
            Ok(text) => document::read(&text, &mut layer, faults),
            Err(error) => {
                layer.broken = true;
                faults.push(layer.fault("", format!("cannot be read: {}", error.kind())));
            }
        }
        layer
    }

    /// `WHISK_BFF__SECTION__KEY`. Names with one underscore after `WHISK_BFF` are no settings:
    /// an orchestrator makes such names for a service called `whisk-bff`.
    pub(super) fn environment(
        variables: impl IntoIterator<Item = (String, String)>,
        faults: &mut Vec<Fault>,
    ) -> Self {
        let mut layer = Self::new(Origin::Environment);
        for (name, value) in variables {
            let Some(rest) = name.strip_prefix(PREFIX) else { continue };
            // Lower-case names could make two variables mean one key.
            let upper = rest.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
            if !upper || !rest.contains("__") {
                faults.push(Fault {
                    key: printable(&name),
                    layer: "environment".to_owned(),
                    message: format!("is not a setting; the form is `{PREFIX}SECTION__KEY`"),
                });
                continue;
            }
            let key = rest.replace("__", ".").to_ascii_lowercase();
            if layer.values.insert(key.clone(), Raw::Text(value)).is_some() {
                faults.push(layer.fault(&key, "is given twice"));
            }
        }
        layer
    }

    /// A fault of one of this layer's keys; of the layer itself where `key` is empty.
    pub(super) fn fault(&self, key: &str, message: impl Into<String>) -> Fault {
        let layer = match &self.origin {
            Origin::Defaults => String::new(),
            Origin::File(name) => name.clone(),
            Origin::Environment => {
                format!("environment {PREFIX}{}", printable(key).replace('.', "__").to_ascii_uppercase())
            }
        };
        Fault { key: printable(key), layer, message: message.into() }
    }
}

/// This process's environment, for [`super::Settings::load`]: the variables that are settings.
///
/// # Errors
/// A fault for each of them that is not UTF-8.
pub fn environment() -> Result<Vec<(String, String)>, Faults> {
    let mut variables = Vec::new();
    let mut faults = Vec::new();
    for (name, value) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if !name.starts_with(PREFIX) {
            continue;
        }
        match value.into_string() {
            Ok(value) => variables.push((name.into_owned(), value)),
            Err(_) => faults.push(Fault {
                key: printable(&name),
                layer: "environment".to_owned(),
                message: "is not UTF-8".to_owned(),
            }),
        }
    }
    if faults.is_empty() { Ok(variables) } else { Err(Faults(faults)) }
}

/// Reads a text file of a sensible size.
pub(super) fn read_file(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(LARGEST_FILE + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST_FILE { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(text) }
}

/// A name from outside, safe to print on one line.
fn printable(name: &str) -> String {
    const LONGEST: usize = 200;
    let text: String = name.chars().flat_map(char::escape_debug).take(LONGEST).collect();
    text.replace("\\'", "'").replace("\\\"", "\"")
}
