//! Settings from files and the environment (R116, R118): read or refused, no value told.
//!
//! The first line is `raw`, and the rest a settings file; or it is `marked`, and each line after it
//! is `section.key` and a value, in which `<nl>` stands for a line's end. Each value is then made to
//! end in a mark that no message may hold, and is given in a file as well as in the environment.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use whisk_bff::settings::{Faults, Settings, StoreUrl};

const MARK: &str = "SEC_MARK";

/// What `serve` cannot do without.
const REQUIRED: [(&str, &str); 3] = [
    ("server.public_url", "https://app.example.com"),
    ("whisk.client_id", "client"),
    ("whisk.client_secret", "s"),
];

static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());

pub(crate) fn run(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    // A device may keep its reader waiting; that is its operator's affair.
    if text.contains("/dev") || text.contains("/proc") {
        return;
    }
    match text.split_once('\n') {
        Some(("raw", text)) => {
            if let Ok(settings) = load(Some(text), &variables(&[])) {
                shown(&settings);
            }
        }
        Some(("marked", lines)) => marked(lines),
        _ => {}
    }
}

fn marked(lines: &str) {
    // A name may be told, so no name may hold the mark.
    if lines.to_ascii_uppercase().contains(MARK) {
        return;
    }
    let pairs: Vec<(&str, String)> = lines
        .lines()
        .take(8)
        .filter_map(|line| line.split_once(' '))
        .map(|(key, value)| (key, format!("{}{MARK}", value.replace("<nl>", "\n"))))
        .collect();
    let given: Vec<(&str, &str)> = pairs.iter().map(|(key, value)| (*key, value.as_str())).collect();
    silent(load(None, &variables(&given)));

    let mut sections: BTreeMap<&str, String> = BTreeMap::new();
    for (key, value) in &pairs {
        let Some((section, name)) = key.split_once('.') else { continue };
        *sections.entry(section).or_default() += &format!("{name} = \"{value}\"\n");
    }
    let file: String = sections.iter().map(|(name, keys)| format!("[{name}]\n{keys}")).collect();
    silent(load(Some(&file), &variables(&[])));
}

/// No fault tells a value; nothing that shows settings shows a secret.
fn silent(loaded: Result<Settings, Faults>) {
    match loaded {
        Err(faults) => {
            assert!(!faults.0.is_empty());
            let told = format!("{faults}{faults:?}");
            assert!(!told.contains(MARK), "{told}");
            assert_eq!(faults.to_string().lines().count(), faults.0.len(), "{told}");
        }
        Ok(settings) => {
            let secret = settings.whisk.client_secret.expose();
            assert!(!secret.contains(MARK) || !format!("{:?}", settings.whisk).contains(secret));
            shown(&settings);
        }
    }
}

/// What is shown of settings is read again as the same, its secrets put back.
fn shown(settings: &Settings) {
    let shown = settings.effective();
    let keys = settings.sealing.keys.iter().map(|key| format!("{}:{}", key.id, STANDARD.encode(*key.key)));
    let keys = keys.collect::<Vec<_>>().join(",");
    let secrets = [("whisk.client_secret", settings.whisk.client_secret.expose()), ("sealing.keys", &keys)];
    let with_password = matches!(&settings.store.url, StoreUrl::Redis(url) if url.password.is_some());
    let environment: Vec<_> = secrets.iter().map(|(key, value)| variable(key, value)).collect();
    if !with_password {
        let again = load(Some(&shown), &environment).unwrap_or_else(|faults| panic!("{faults}\n{shown}"));
        assert_eq!(again.effective(), shown);
    }
}

fn load(file: Option<&str>, environment: &[(String, String)]) -> Result<Settings, Faults> {
    let file = file.map(|text| written(FOLDER.path(), text));
    Settings::load(file.as_slice(), environment.iter().cloned())
}

fn written(folder: &Path, text: &str) -> PathBuf {
    // Tests run several targets at once, but each only in one thread.
    let path = folder.join("site.toml");
    fs::write(&path, text).unwrap();
    path
}

/// The environment: what is required, unless it is given, and what is given.
fn variables(given: &[(&str, &str)]) -> Vec<(String, String)> {
    let required = REQUIRED.iter().filter(|(key, _)| !given.iter().any(|(other, _)| other.starts_with(key)));
    required.chain(given).map(|(key, value)| variable(key, value)).collect()
}

fn variable(key: &str, value: &str) -> (String, String) {
    (format!("WHISK_BFF__{}", key.replace('.', "__").to_ascii_uppercase()), value.to_owned())
}
