//! Holds `docs/THREAT_MODEL.md` to the tests: whatever it names is there, and no row is without.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::fs;
use std::path::Path;

/// The heading of the column in which tests are named.
const COLUMN: &str = "Shown by";

#[test]
fn every_test_that_the_threat_model_names_is_there() {
    let text = fs::read_to_string("docs/THREAT_MODEL.md").unwrap();
    let named = references(&text);
    assert!(named.len() > 100, "only {} tests are named", named.len());
    let missing: Vec<_> = named.iter().filter(|name| !is_there(name)).collect();
    assert!(missing.is_empty(), "no such test: {missing:#?}");
}

#[test]
fn every_row_of_the_threat_model_names_what_shows_it() {
    let text = fs::read_to_string("docs/THREAT_MODEL.md").unwrap();
    let cells = shown_by(&text);
    assert!(cells.len() > 80, "only {} rows were found", cells.len());
    // What no test of Rust's shows is a check of `scripts/test`, or a module named as a whole.
    let named = |cell: &str| {
        !references(cell).is_empty() || cell.contains("`scripts/test`") || cell.starts_with("module `")
    };
    let bare: Vec<_> = cells.iter().filter(|cell| !named(cell)).collect();
    assert!(bare.is_empty(), "nothing is shown by: {bare:#?}");
}

#[test]
fn what_is_not_there_is_found() {
    for name in [
        "callback/once::a_test_that_nobody_wrote",
        "callback/nowhere::of_twenty_equal_callbacks_one_logs_in",
        // A function that is no test.
        "callback::assert_fault_page",
        "nowhere::*",
        "fuzz::nothing",
        "src/crypto/sealed.rs::seal",
    ] {
        assert!(!is_there(name), "{name}");
    }
    for name in [
        "callback/once::of_twenty_equal_callbacks_one_logs_in",
        "balancers::*",
        "src/crypto/sealed.rs::a_moved_cut_or_changed_text_does_not_open",
        "fuzz::return_path",
    ] {
        assert!(is_there(name), "{name}");
    }
    let table = "| a | Shown by |\n|---|---|\n| b | `c::d` |\n\n| e | f |\n|---|---|\n| g | h |\n";
    assert_eq!(shown_by(table), ["`c::d`"]);
    assert_eq!(references(table), ["c::d"]);
}

/// What stands between backticks and is a place, `::` and a name.
fn references(text: &str) -> Vec<&str> {
    let quoted = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    quoted.filter(|word| is_reference(word)).collect()
}

fn is_reference(word: &str) -> bool {
    word.split_once("::").is_some_and(|(place, name)| {
        let letters = |text: &str, more: &str| {
            !text.is_empty()
                && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || more.contains(c))
        };
        letters(place, "_/.") && letters(name, "_*")
    })
}

fn is_there(reference: &str) -> bool {
    let (place, name) = reference.rsplit_once("::").unwrap();
    if place == "fuzz" {
        return Path::new("fuzz/corpus").join(name).is_dir();
    }
    let path = if place.ends_with(".rs") { place.to_owned() } else { format!("tests/it/{place}.rs") };
    let Ok(code) = fs::read_to_string(path) else { return false };
    name == "*" || tests(&code).any(|test| test == name)
}

/// The names of the functions that are tests.
fn tests(code: &str) -> impl Iterator<Item = &str> {
    let mut marked = false;
    code.lines().filter_map(move |line| {
        let line = line.trim();
        let signature = line.strip_prefix("async fn ").or_else(|| line.strip_prefix("fn "));
        match signature {
            Some(signature) => std::mem::take(&mut marked).then(|| signature.split('(').next().unwrap()),
            None => {
                marked |= line.starts_with("#[") && line.contains("test]") || line.contains("::test(");
                None
            }
        }
    })
}

/// The last cells of the rows of every table with that column.
fn shown_by(text: &str) -> Vec<&str> {
    let mut within = false;
    let mut cells = Vec::new();
    for line in text.lines() {
        let row: Vec<&str> = line.split('|').map(str::trim).collect();
        match row.as_slice() {
            [_, .., last, ""] if *last == COLUMN => within = true,
            [_, .., last, ""] if within && !last.starts_with("---") => cells.push(*last),
            [_, _, .., _] => {}
            _ => within = false,
        }
    }
    cells
}
