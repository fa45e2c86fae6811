//! The settings' promises, each in a table.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod defaults;
mod faults;
mod layers;
mod redis_urls;
mod sections;

use std::path::PathBuf;

use tempfile::TempDir;

use super::{Faults, Settings};

/// What `serve` cannot do without.
const REQUIRED: &[(&str, &str)] = &[
    ("WHISK_BFF__SERVER__PUBLIC_URL", "https://app.example.com"),
    ("WHISK_BFF__WHISK__CLIENT_ID", "client"),
    ("WHISK_BFF__WHISK__CLIENT_SECRET", "SEC_MARK_CLIENT"),
];

/// 32 bytes, none of them zero, as base64.
const KEY: &str = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";

/// Settings from the environment alone: what is required, and `more`.
fn from_environment(more: &[(&str, &str)]) -> Result<Settings, Faults> {
    load(&[], &[REQUIRED, more].concat())
}

/// As [`from_environment`], naming settings as `section.key`.
fn with(more: &[(&str, &str)]) -> Result<Settings, Faults> {
    let names: Vec<_> = more.iter().map(|(key, _)| variable(key)).collect();
    let given: Vec<_> = names.iter().map(String::as_str).zip(more.iter().map(|(_, value)| *value)).collect();
    let required = REQUIRED.iter().filter(|(name, _)| !names.iter().any(|other| other == name)).copied();
    load(&[], &required.chain(given.iter().copied()).collect::<Vec<_>>())
}

/// Settings from a file with `text`, what is required from the environment.
fn from_file(text: &str) -> Result<Settings, Faults> {
    let folder = TempDir::new().unwrap();
    load(&[file(&folder, "site.toml", text)], REQUIRED)
}

fn load(files: &[PathBuf], environment: &[(&str, &str)]) -> Result<Settings, Faults> {
    Settings::load(files, environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

fn file(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn variable(key: &str) -> String {
    format!("WHISK_BFF__{}", key.replace('.', "__").to_ascii_uppercase())
}

/// The faults of settings that must not load, checked to hold nothing secret.
fn faults(result: Result<Settings, Faults>) -> Faults {
    let faults = result.expect_err("these settings were taken");
    let told = format!("{faults} {faults:?}");
    assert!(!told.contains("SEC_MARK"), "a value was told: {told}");
    faults
}
