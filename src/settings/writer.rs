//! Writes the settings in force as TOML.

use std::fmt::{Display, Write};
use std::time::Duration;

use toml::Value;

use super::quantity::{show_bytes, show_duration};

/// What stands for a secret.
pub(super) const REDACTED: &str = "[redacted]";

/// Collects sections and their keys, in the order in which they are put.
#[derive(Default)]
pub(super) struct Writer {
    text: String,
}

impl Writer {
    pub(super) fn section(&mut self, name: &str) {
        let before = if self.text.is_empty() { "" } else { "\n" };
        let _ = writeln!(self.text, "{before}[{name}]");
    }

    pub(super) fn put(&mut self, key: &str, value: impl Into<Value>) {
        let _ = writeln!(self.text, "{key} = {}", value.into());
    }

    pub(super) fn list<T: Display>(&mut self, key: &str, items: impl IntoIterator<Item = T>) {
        self.put(key, items.into_iter().map(|item| Value::from(item.to_string())).collect::<Vec<_>>());
    }

    pub(super) fn duration(&mut self, key: &str, duration: Duration) {
        self.put(key, show_duration(duration));
    }

    pub(super) fn bytes(&mut self, key: &str, bytes: u64) {
        self.put(key, show_bytes(bytes));
    }

    pub(super) fn choice<T: Copy + PartialEq>(&mut self, key: &str, value: T, names: &[(&str, T)]) {
        let name = names.iter().find(|(_, choice)| *choice == value).map_or("", |(name, _)| name);
        self.put(key, name);
    }

    pub(super) fn finish(self) -> String {
        self.text
    }
}
