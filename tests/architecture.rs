//! Holds the house to its plan: floors, rooms and names (`docs/ARCHITECTURE.md`).
//!
//! Reads the sources as text. A rule that runs beats a rule that is written.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::fs;
use std::path::Path;

/// Every module of the crate's root and its floor. A module knows itself and the floors below.
const FLOORS: [(&str, u8); 16] = [
    ("main", 5),
    ("cli", 5),
    ("app", 5),
    ("routes", 5),
    ("server", 4),
    ("login", 3),
    ("tokens", 2),
    ("migrate", 2),
    ("oauth", 1),
    ("store", 1),
    ("upstream", 1),
    ("model", 0),
    ("crypto", 0),
    ("clock", 0),
    ("settings", 0),
    ("telemetry", 0),
];

/// Neighbours on one floor that may know each other: the wiring calls downwards, and the ground
/// floor speaks in the model's words.
const ALLOWED: [(&str, &str); 9] = [
    ("main", "cli"),
    ("cli", "app"),
    ("cli", "routes"),
    ("app", "routes"),
    ("settings", "model"),
    ("clock", "model"),
    ("crypto", "model"),
    ("telemetry", "model"),
    ("settings", "crypto"),
];

/// Where actix's types may appear.
const KNOWS_ACTIX: [&str; 3] = ["server", "app", "routes"];

/// The one file with actix's `http` 0.2 types and the `http` 1 types of reqwest.
const BRIDGE: &str = "src/server/bridge.rs";

/// Names that say nothing of what is inside.
const EMPTY_NAMES: [&str; 6] = ["utils", "helpers", "common", "types", "manager", "service"];

const MOST_LINES: usize = 400;

#[test]
fn every_source_file_keeps_to_the_plan_of_the_house() {
    let files: Vec<_> =
        ["src", "sandbox", "tests"].into_iter().flat_map(|folder| sources(Path::new(folder))).collect();
    let faults: Vec<String> = files.iter().flat_map(|(path, text)| faults(path, text)).collect();
    assert!(files.iter().any(|(path, _)| path == "src/lib.rs"), "no source was read");
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn the_sandbox_stands_alone() {
    let manifest = fs::read_to_string("sandbox/Cargo.toml").unwrap();
    assert!(!manifest.contains("whisk-bff"), "the sandbox must not depend on what it tests");
}

#[test]
fn a_fault_of_each_kind_is_found() {
    for (path, text, found) in [
        ("src/store/redis.rs", "use crate::tokens::TokenVault;", "`tokens`"),
        (
            "src/store/redis.rs",
            "use crate::{\n    model::Timestamp,\n    oauth::{Client, Error},\n};",
            "`oauth`",
        ),
        ("src/store.rs", "fn f(x: &crate::upstream::Forwarder) {}", "`upstream`"),
        ("src/store/redis/script.rs", "use super::super::super::login::Flow;", "`login`"),
        ("src/tokens/broker.rs", "use crate::migrate as m;", "`migrate`"),
        ("src/crypto.rs", "use crate::settings::Settings;", "`settings`"),
        ("src/model.rs", "use crate::telemetry::Metrics;", "`telemetry`"),
        ("src/attic.rs", "", "stands on no floor"),
        ("src/login/flow.rs", "use actix_web::web;", "actix"),
        ("src/app.rs", "use actix_web::web;\nuse http::Uri;", "src/server/bridge.rs"),
        ("src/server/forward.rs", "fn f(a: actix_web::Error, b: http::Uri) {}", "src/server/bridge.rs"),
        ("src/server/utils.rs", "", "`utils`"),
        ("src/store/service/redis.rs", "", "`service`"),
        ("sandbox/src/api.rs", "use whisk_bff::model::Scopes;", "whisk_bff"),
        ("tests/it/long.rs", &"\n".repeat(401), "401 lines"),
    ] {
        let faults = faults(path, text);
        assert!(matches!(faults.as_slice(), [one] if one.contains(found)), "{path}: {text}: {faults:?}");
    }
}

#[test]
fn what_the_plan_allows_is_no_fault() {
    for (path, text) in [
        (
            "src/login/flow.rs",
            "use crate::{model::Timestamp, tokens::TokenVault};\n// crate::server, actix_web",
        ),
        ("src/settings/store.rs", "use crate::model::Secret;\nuse super::server::Server;"),
        ("src/server/forward.rs", "use actix_web::{http::{StatusCode, header}, web};"),
        ("src/server/csrf.rs", "use actix_web::http;\nfn f() -> http::StatusCode { todo() }"),
        ("src/server/bridge.rs", "use actix_web::web;\nuse http::Uri;"),
        ("src/lib.rs", "pub mod app;"),
        ("src/cli/serve.rs", "use crate::app::Application;"),
    ] {
        assert_eq!(faults(path, text), Vec::<String>::new(), "{path}");
    }
}

/// What is wrong with one file.
fn faults(path: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let lines = text.lines().count();
    if lines > MOST_LINES {
        faults.push(format!("{path}: {lines} lines, {MOST_LINES} at most"));
    }
    let rooms: Vec<&str> = path.trim_end_matches(".rs").split('/').skip(1).collect();
    for name in rooms.iter().filter(|room| EMPTY_NAMES.contains(room)) {
        faults.push(format!("{path}: the name `{name}` says nothing"));
    }
    let code = without_comments(text);
    if path.starts_with("sandbox/") && code.contains("whisk_bff") {
        faults.push(format!("{path}: the sandbox must not know whisk_bff"));
    }
    if let Some(room) = path.strip_prefix("src/").and(rooms.first()).filter(|room| **room != "lib") {
        faults.extend(floor_faults(room, &rooms, &code).into_iter().map(|fault| format!("{path}: {fault}")));
        let paths = used_paths(&code);
        let actix = code.contains("actix_");
        if actix && !KNOWS_ACTIX.contains(room) {
            faults.push(format!("{path}: `{room}` must not know actix"));
        }
        let renamed = paths.iter().any(|path| path == "actix_web::http");
        let http = paths.iter().any(|path| path.starts_with("http::") && !renamed);
        if actix && http && path != BRIDGE {
            faults.push(format!("{path}: both actix and `http` 1, which only {BRIDGE} may know"));
        }
    }
    faults
}

fn floor_faults(room: &str, rooms: &[&str], code: &str) -> Vec<String> {
    let floor_of = |name: &str| FLOORS.iter().find(|(room, _)| *room == name).map(|(_, floor)| *floor);
    let Some(floor) = floor_of(room) else { return vec![format!("`{room}` stands on no floor")] };
    let to_root = "super::".repeat(rooms.len());
    let known = used_paths(code).into_iter().filter_map(|path| {
        let rest = ["crate::", "whisk_bff::", &to_root].iter().find_map(|root| path.strip_prefix(*root))?;
        rest.split("::").next().map(str::to_owned)
    });
    let mut above: Vec<String> = known
        .filter(|other| other != room && !ALLOWED.contains(&(room, other)))
        .filter(|other| floor_of(other).is_some_and(|others| others >= floor))
        .map(|other| format!("`{room}` (floor {floor}) must not know `{other}`"))
        .collect();
    above.sort();
    above.dedup();
    above
}

/// Every path in the code, those of `use` groups written out.
fn used_paths(code: &str) -> Vec<String> {
    let mut paths = Vec::new();
    let mut lines = code.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let imported = match line.split_once("use ") {
            Some(("" | "pub " | "pub(crate) " | "pub(super) ", tree)) => tree,
            _ => {
                paths.extend(plain_paths(line));
                continue;
            }
        };
        let mut tree = imported.to_owned();
        while !tree.ends_with(';') {
            tree.push_str(lines.next().unwrap_or(";"));
        }
        write_out("", tree.trim_end_matches(';'), &mut paths);
    }
    paths
}

fn plain_paths(code: &str) -> Vec<String> {
    let words = code.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
    words.filter(|word| word.contains("::")).map(str::to_owned).collect()
}

/// `a::{b, c::{d, e}}` as `a::b`, `a::c::d`, `a::c::e`.
fn write_out(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    let (mut depth, mut start) = (0, 0);
    for (at, c) in tree.char_indices().chain([(tree.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let branch = tree[start..at].trim();
                match branch.split_once('{') {
                    Some((stem, group)) => {
                        let group = group.strip_suffix('}').expect("a group is closed");
                        write_out(&format!("{prefix}{stem}"), group, paths);
                    }
                    None => {
                        let (path, _renamed) = branch.split_once(" as ").unwrap_or((branch, ""));
                        paths.push(format!("{prefix}{path}"));
                    }
                }
                start = at + 1;
            }
            _ => {}
        }
    }
}

fn without_comments(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Every Rust file below a folder, with its path from the package's root.
fn sources(folder: &Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| match path.extension() {
            _ if path.is_dir() => sources(&path),
            Some(extension) if extension == "rs" => {
                vec![(path.to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap())]
            }
            _ => Vec::new(),
        })
        .collect()
}
