//! A TOML document as a layer. The parser goes on after a fault, so that the rest of the file
//! is judged in the same run; its own messages are not used, for they quote the text.
//!
//! Where the text is not TOML, what the parser takes for a name may be a piece of a value (a
//! key pasted without its quotes): then no name is told but those of `config/default.toml`.

use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

use super::{DEFAULTS, Fault, Layer, Raw};

/// Adds what `text` holds to `layer`, and what is wrong with it to `faults`.
pub(super) fn read(text: &str, layer: &mut Layer, faults: &mut Vec<Fault>) {
    let (document, errors) = DeTable::parse_recoverable(text);
    layer.broken = !errors.iter().all(is_repetition);
    faults.extend(errors.iter().map(|error| syntax(text, error, layer)));
    for (name, value) in document.into_inner() {
        let name = name.into_inner();
        match value.into_inner() {
            DeValue::Table(section) => {
                for (key, value) in section {
                    layer.values.insert(format!("{name}.{}", key.into_inner()), raw(value.into_inner()));
                }
                layer.sections.push(name.into_owned());
            }
            _ if layer.broken => {}
            _ => faults.push(
                layer.fault(&name, "is not a setting; each stands in a section, as in `server.listen`"),
            ),
        }
    }
}

fn raw(value: DeValue<'_>) -> Raw {
    match value {
        DeValue::String(text) => Raw::Text(text.into_owned()),
        DeValue::Boolean(flag) => Raw::Flag(flag),
        DeValue::Integer(integer) => {
            i64::from_str_radix(integer.as_str(), integer.radix()).map_or(Raw::Other, Raw::Integer)
        }
        DeValue::Array(items) => {
            let text = |item: Spanned<DeValue<'_>>| match item.into_inner() {
                DeValue::String(text) => Some(text.into_owned()),
                _ => None,
            };
            Raw::List(items.into_iter().map(text).collect())
        }
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Table(_) => Raw::Other,
    }
}

fn is_repetition(error: &Error) -> bool {
    error.message() == "duplicate key"
}

/// Where the text is not TOML, or says something twice.
fn syntax(text: &str, error: &Error, layer: &Layer) -> Fault {
    let span = error.span().unwrap_or(0..0);
    let before = text.get(..span.start).unwrap_or(text);
    let number = before.matches('\n').count() + 1;
    let line = text.lines().nth(number - 1).unwrap_or_default().trim();
    let section = text.lines().take(number - 1).filter_map(header).last();

    if !is_repetition(error) {
        let key = line.split_once('=').map_or("", |(key, _)| key.trim());
        let key = qualified(section, key).filter(|key| is_ours(key)).unwrap_or_default();
        return layer.fault(&key, format!("is not TOML in line {number}"));
    }
    let key = match header(line) {
        Some(name) => Some(name.to_owned()),
        None => qualified(section, text.get(span).unwrap_or_default().trim().trim_matches(['"', '\''])),
    };
    let key = key.filter(|key| !layer.broken || is_ours(key)).unwrap_or_default();
    layer.fault(&key, format!("is given twice; again in line {number}"))
}

/// `[name]`, if it is a section of ours: a line of a value may look like a header.
fn header(line: &str) -> Option<&str> {
    let (name, _) = line.trim().strip_prefix('[')?.split_once(']')?;
    let name = name.trim_matches(['[', ' ', '"', '\'']);
    is_section(name).then_some(name)
}

fn qualified(section: Option<&str>, key: &str) -> Option<String> {
    (!key.is_empty()).then(|| section.map_or_else(|| key.to_owned(), |section| format!("{section}.{key}")))
}

/// Whether it is a setting of ours, or a section.
fn is_ours(key: &str) -> bool {
    let Some((section, name)) = key.split_once('.') else { return is_section(key) };
    let name = name.strip_suffix("_file").unwrap_or(name);
    is_section(section) && is_word(name) && DEFAULTS.contains(&format!("\n{name} = "))
}

fn is_section(name: &str) -> bool {
    is_word(name) && DEFAULTS.contains(&format!("\n[{name}]\n"))
}

/// Whether the text consists of what the names in `config/default.toml` consist of.
fn is_word(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}
