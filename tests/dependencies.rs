//! What `Cargo.lock` may hold (R124), without a network and without cargo-deny.
//!
//! `deny.toml` says which crates may not come in at all; the list here says how old those that
//! stand between a stranger and a token may not be. A line is added when an advisory is read.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::fs;

/// A crate, the first version without the hole, and the hole.
const FLOORS: [(&str, [u64; 3], &str); 8] = [
    ("actix-http", [3, 20, 0], "does not drain bodies that nobody reads"),
    ("hyper", [1, 10, 2], "keeps Content-Length beside Transfer-Encoding (hyperium/hyper#4124)"),
    ("h2", [0, 4, 16], "empty DATA frames without bound (RUSTSEC-2026-0258)"),
    ("rustls", [0, 23, 5], "`complete_io` can loop for ever (RUSTSEC-2024-0336)"),
    ("idna", [1, 0, 0], "takes Punycode that stands for ASCII (RUSTSEC-2024-0421)"),
    ("tracing-subscriber", [0, 3, 20], "escape sequences reach the terminal (RUSTSEC-2025-0055)"),
    ("slab", [0, 4, 11], "`get_disjoint_mut` reads out of bounds (RUSTSEC-2025-0047)"),
    ("tokio", [1, 44, 2], "broadcast channels clone without `Sync` (RUSTSEC-2025-0023)"),
];

/// The one place that code comes from, besides this repository.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

#[test]
fn no_crate_is_older_than_the_version_in_which_a_hole_was_closed() {
    let lock = fs::read_to_string("Cargo.lock").unwrap();
    assert!(packages(&lock).any(|package| package.name == "hyper"), "no package was read");
    assert_eq!(too_old(&lock), Vec::<String>::new());
}

#[test]
fn every_crate_comes_from_the_registry_with_its_sum() {
    let lock = fs::read_to_string("Cargo.lock").unwrap();
    let ours = ["whisk-bff", "whisk-bff-fuzz", "whisk-sandbox"];
    let strange: Vec<_> = packages(&lock)
        .filter(|package| !ours.contains(&package.name))
        .filter(|package| package.source != Some(REGISTRY) || package.checksum.is_none())
        .map(|package| package.name)
        .collect();
    assert_eq!(strange, Vec::<&str>::new());
}

#[test]
fn a_crate_that_is_too_old_is_found() {
    for (version, old) in [("1.10.1", true), ("0.14.32", true), ("1.10.2", false), ("2.0.0-rc.1", false)] {
        let lock = format!("[[package]]\nname = \"hyper\"\nversion = \"{version}\"\n");
        assert_eq!(too_old(&lock).len(), usize::from(old), "{version}");
    }
}

struct Package<'a> {
    name: &'a str,
    version: &'a str,
    source: Option<&'a str>,
    checksum: Option<&'a str>,
}

fn packages(lock: &str) -> impl Iterator<Item = Package<'_>> {
    lock.split("[[package]]").skip(1).map(|text| {
        let member = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = \""));
            line.and_then(|rest| rest.strip_suffix('"'))
        };
        Package {
            name: member("name").unwrap(),
            version: member("version").unwrap(),
            source: member("source"),
            checksum: member("checksum"),
        }
    })
}

fn too_old(lock: &str) -> Vec<String> {
    packages(lock)
        .flat_map(|package| {
            let floors = FLOORS.iter().filter(move |(name, ..)| *name == package.name);
            floors
                .filter(move |(_, floor, _)| number(package.version) < *floor)
                .map(move |(name, _, hole)| format!("{name} {}: {hole}", package.version))
        })
        .collect()
}

fn number(version: &str) -> [u64; 3] {
    let mut parts = version.split(['.', '-', '+']).map(|part| part.parse().unwrap_or(0));
    std::array::from_fn(|_| parts.next().unwrap_or(0))
}
