//! Replays what the search has found worth keeping, and a moment of chance besides.
//!
//! A second a target here, twenty under `WHISK_BFF_LONG_TESTS=1`; for the search itself, led by
//! coverage, see `docs/FUZZING.md`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs
)]

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::ThreadRng;
use whisk_bff_fuzz::{TARGETS, target};

/// The most that all corpora may weigh, in bytes.
const LARGEST: u64 = 1 << 20;
/// Inputs made by chance are no longer.
const LONGEST: usize = 4096;

macro_rules! replays {
    ($($name:ident,)*) => {
        $(
            #[test]
            fn $name() {
                replay(stringify!($name));
            }
        )*
        const REPLAYED: &[&str] = &[$(stringify!($name),)*];
    };
}

replays! {
    client_address,
    cookies,
    request_headers,
    response_headers,
    return_path,
    sealed_record,
    settings,
    token_response,
    upstream_path,
}

#[test]
fn every_target_has_a_corpus_that_is_replayed_and_small() {
    let names: BTreeSet<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, REPLAYED.iter().copied().collect());
    let folders = fs::read_dir(root().join("corpus")).unwrap();
    let folders: Vec<String> =
        folders.map(|folder| folder.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(names, folders.iter().map(String::as_str).collect());
    let weight: u64 = names.iter().flat_map(|name| inputs(name)).map(|input| input.len() as u64).sum();
    assert!(weight < LARGEST, "the corpora weigh {weight} bytes");
}

fn replay(name: &str) {
    let corpus = inputs(name);
    assert!(!corpus.is_empty());
    for input in &corpus {
        run(name, input);
    }
    let words = dictionary(name);
    let mut random = rand::rng();
    let time = match std::env::var("WHISK_BFF_LONG_TESTS") {
        Ok(long) if long == "1" => Duration::from_secs(20),
        _ => Duration::from_secs(1),
    };
    let mut tried = 0;
    let begun = Instant::now();
    while begun.elapsed() < time {
        run(name, &changed(&corpus, &words, &mut random));
        tried += 1;
    }
    println!("{name}: {} inputs replayed, {tried} tried", corpus.len());
}

/// One input; where it breaks the target, it is told in a form that `printf` understands.
fn run(name: &str, input: &[u8]) {
    let target = target(name).unwrap();
    assert!(catch_unwind(|| target(input)).is_ok(), "{name} breaks on '{}'", input.escape_ascii());
}

/// An input of the corpus, with up to four changes of the kinds that parsers trip over.
fn changed(corpus: &[Vec<u8>], words: &[Vec<u8>], random: &mut ThreadRng) -> Vec<u8> {
    let mut input = corpus[random.random_range(..corpus.len())].clone();
    for _ in 0..random.random_range(1..=4) {
        let at = random.random_range(..=input.len());
        let to = random.random_range(at..=input.len().min(at + 16));
        let piece: Vec<u8> = match random.random_range(0..5) {
            0 => vec![random.random()],
            1 => vec![random.random_range(b' '..=b'~')],
            2 if !words.is_empty() => words[random.random_range(..words.len())].clone(),
            3 => {
                let other = &corpus[random.random_range(..corpus.len())];
                let from = random.random_range(..=other.len());
                other[from..].iter().take(64).copied().collect()
            }
            _ => Vec::new(),
        };
        let to = if random.random() { at } else { to };
        input.splice(at..to, piece);
    }
    input.truncate(LONGEST);
    input
}

fn inputs(name: &str) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(root().join("corpus").join(name)).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// The words of the target's dictionary, of which each is a line, in quotes.
fn dictionary(name: &str) -> Vec<Vec<u8>> {
    let text = fs::read_to_string(root().join("dictionaries").join(name)).unwrap_or_default();
    text.lines().filter_map(|line| line.strip_prefix('"')?.strip_suffix('"')).map(unescaped).collect()
}

/// libFuzzer writes `\\`, `\"` and `\xAB`.
fn unescaped(word: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = word.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'\\', [b'x', digits @ ..]) => {
                bytes.push(u8::from_str_radix(str::from_utf8(&digits[..2]).unwrap(), 16).unwrap());
                rest = &digits[2..];
            }
            (b'\\', [escaped, tail @ ..]) => {
                bytes.push(*escaped);
                rest = tail;
            }
            _ => bytes.push(*first),
        }
    }
    bytes
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
