//! Reads typed values out of the layers and collects what is wrong.
//!
//! A method returns `None` when it has told a fault; a section first reads all its keys and
//! gives up only then, so that one run finds everything. What a parser says of a text is a
//! `&'static str`: a fixed sentence cannot hold the value.

mod secret;

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

pub(super) use secret::Source;

use super::fault::Fault;
use super::layer::{Layer, Origin, Raw};
use super::quantity::{bytes, duration, show_bytes, show_duration};

/// The layers, the keys that were asked for, and the faults so far.
pub(super) struct Reader<'a> {
    layers: &'a [Layer],
    known: BTreeSet<String>,
    faults: Vec<Fault>,
}

type Parse<T> = Result<T, &'static str>;

impl<'a> Reader<'a> {
    pub(super) fn new(layers: &'a [Layer], faults: Vec<Fault>) -> Self {
        Self { layers, known: BTreeSet::new(), faults }
    }

    /// All faults, those of keys that nobody asked for included.
    pub(super) fn finish(mut self) -> Vec<Fault> {
        let known_section = |name: &str| {
            self.known.iter().any(|key| key.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
        };
        // In a file that is not TOML, what looks like a key may be a piece of a secret.
        for layer in self.layers.iter().filter(|layer| !layer.broken) {
            let keys = layer.values.keys().filter(|key| !self.known.contains(*key));
            let empty = |name: &&String| !layer.values.keys().any(|key| key.starts_with(&format!("{name}.")));
            let sections = layer.sections.iter().filter(|name| !known_section(name)).filter(empty);
            self.faults.extend(keys.chain(sections).map(|key| layer.fault(key, "is not a setting")));
        }
        self.faults
    }

    /// Tells a fault of the layer that gave `key` its value.
    pub(super) fn fault(&mut self, key: &str, message: impl Into<String>) {
        let file_key = key.strip_suffix("_file").map_or_else(|| format!("{key}_file"), str::to_owned);
        let gives = |layer: &&Layer| layer.values.contains_key(key) || layer.values.contains_key(&file_key);
        let message = message.into();
        self.faults.push(match self.layers.iter().rev().find(gives) {
            Some(layer) => layer.fault(key, message),
            None => Fault { key: key.to_owned(), layer: String::new(), message },
        });
    }

    /// Whether nobody gave `key` another value than its default.
    pub(super) fn is_default(&self, key: &str) -> bool {
        self.find(key).is_none_or(|(layer, _)| layer.origin == Origin::Defaults)
    }

    /// A text in the form that `parse` asks for.
    pub(super) fn parse<T>(&mut self, key: &str, parse: impl FnOnce(&str) -> Parse<T>) -> Option<T> {
        let text = self.text(key)?;
        self.check(key, text, parse)
    }

    /// As [`Reader::parse`], but empty is none.
    pub(super) fn optional<T>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&str) -> Parse<T>,
    ) -> Option<Option<T>> {
        let text = self.text(key)?;
        if text.is_empty() { Some(None) } else { self.check(key, text, parse).map(Some) }
    }

    /// As [`Reader::parse`], of a setting that has no default.
    pub(super) fn required<T>(&mut self, key: &str, parse: impl FnOnce(&str) -> Parse<T>) -> Option<T> {
        let text = self.text(key)?;
        if !text.is_empty() {
            return self.check(key, text, parse);
        }
        // A file that could not be read may have held it.
        if !self.layers.iter().any(|layer| layer.broken) {
            self.fault(key, "is required");
        }
        None
    }

    /// Applies `parse` to a text that stands for `key`.
    pub(super) fn check<T>(
        &mut self,
        key: &str,
        text: &str,
        parse: impl FnOnce(&str) -> Parse<T>,
    ) -> Option<T> {
        parse(text).map_err(|rule| self.fault(key, rule)).ok()
    }

    /// One of several names.
    pub(super) fn choice<T: Copy>(&mut self, key: &str, names: &[(&str, T)]) -> Option<T> {
        let text = self.text(key)?;
        let found = names.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice);
        if found.is_none() {
            let names: Vec<_> = names.iter().map(|(name, _)| format!("`{name}`")).collect();
            self.fault(key, format!("must be {}", names.join(" or ")));
        }
        found
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, key: &str) -> Option<bool> {
        self.typed(key, "must be true or false", as_flag)
    }

    /// A flag of another section, which tells its fault.
    pub(super) fn peek_flag(&self, key: &str) -> bool {
        self.find(key).and_then(|(layer, raw)| as_flag(raw, layer)).unwrap_or(false)
    }

    /// A whole number.
    pub(super) fn integer(&mut self, key: &str, range: RangeInclusive<i64>) -> Option<i64> {
        let number = self.typed(key, "must be a whole number", |raw, layer| match raw {
            Raw::Integer(number) => Some(*number),
            Raw::Text(text) if layer.origin == Origin::Environment => text.parse().ok(),
            _ => None,
        })?;
        self.within(key, number, range, |bound| bound.to_string())
    }

    /// A duration.
    pub(super) fn duration(&mut self, key: &str, range: RangeInclusive<Duration>) -> Option<Duration> {
        let rule = "must be a duration: a whole number and `ms`, `s`, `m`, `h` or `d`, such as `30s`";
        let value = self.typed(key, rule, |raw, _| match raw {
            Raw::Text(text) => duration(text),
            Raw::Integer(0) => Some(Duration::ZERO),
            _ => None,
        })?;
        self.within(key, value, range, show_duration)
    }

    /// A size in bytes.
    pub(super) fn bytes(&mut self, key: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let rule =
            "must be a size: a whole number of bytes, or one and `KiB`, `MiB` or `GiB`, such as `64KiB`";
        let value = self.typed(key, rule, |raw, _| match raw {
            Raw::Text(text) => bytes(text),
            Raw::Integer(number) => u64::try_from(*number).ok(),
            _ => None,
        })?;
        self.within(key, value, range, show_bytes)
    }

    /// Texts, each in the form that `parse` asks for.
    pub(super) fn list<T>(&mut self, key: &str, parse: impl Fn(&str) -> Parse<T>) -> Option<Vec<T>> {
        let texts = self.typed(key, "must be a list of strings", |raw, layer| match raw {
            Raw::List(items) => items.iter().map(Option::as_deref).collect::<Option<Vec<_>>>(),
            Raw::Text(text) if layer.origin == Origin::Environment => Some(if text.trim().is_empty() {
                Vec::new()
            } else {
                text.split(',').map(str::trim).collect()
            }),
            _ => None,
        })?;
        self.items(key, "item", (1..).zip(texts), parse)
    }

    /// As [`Reader::list`], without repeats.
    pub(super) fn set<T: PartialEq>(
        &mut self,
        key: &str,
        parse: impl Fn(&str) -> Parse<T>,
    ) -> Option<Vec<T>> {
        let items = self.list(key, parse)?;
        let repeated = items.iter().enumerate().find(|(at, item)| items[..*at].contains(item));
        if let Some((at, _)) = repeated {
            self.fault(key, format!("item {}: is there already", at + 1));
            return None;
        }
        Some(items)
    }

    /// Numbered texts, each in the form that `parse` asks for; `noun` is what the number counts.
    pub(super) fn items<'t, T>(
        &mut self,
        key: &str,
        noun: &str,
        texts: impl IntoIterator<Item = (usize, &'t str)>,
        parse: impl Fn(&str) -> Parse<T>,
    ) -> Option<Vec<T>> {
        let mut items = Some(Vec::new());
        for (number, text) in texts {
            match (parse(text), &mut items) {
                (Ok(item), Some(items)) => items.push(item),
                (Ok(_), None) => {}
                (Err(rule), _) => {
                    self.fault(key, format!("{noun} {number}: {rule}"));
                    items = None;
                }
            }
        }
        items
    }

    fn find(&self, key: &str) -> Option<(&'a Layer, &'a Raw)> {
        self.layers.iter().rev().find_map(|layer| layer.values.get(key).map(|raw| (layer, raw)))
    }

    fn text(&mut self, key: &str) -> Option<&'a str> {
        self.typed(key, "must be a string", |raw, _| match raw {
            Raw::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    fn typed<T>(
        &mut self,
        key: &str,
        rule: &'static str,
        read: impl FnOnce(&'a Raw, &Layer) -> Option<T>,
    ) -> Option<T> {
        self.known.insert(key.to_owned());
        let value = self.find(key).and_then(|(layer, raw)| read(raw, layer));
        if value.is_none() {
            self.fault(key, rule);
        }
        value
    }

    fn within<T: PartialOrd + Copy>(
        &mut self,
        key: &str,
        value: T,
        range: RangeInclusive<T>,
        show: impl Fn(T) -> String,
    ) -> Option<T> {
        if range.contains(&value) {
            return Some(value);
        }
        self.fault(key, format!("must be from {} to {}", show(*range.start()), show(*range.end())));
        None
    }
}

fn as_flag(raw: &Raw, layer: &Layer) -> Option<bool> {
    match raw {
        Raw::Flag(flag) => Some(*flag),
        Raw::Text(text) if layer.origin == Origin::Environment => text.parse().ok(),
        _ => None,
    }
}
