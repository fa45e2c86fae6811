//! Secrets: given as they are, or as the path of a file that holds them.

use std::path::PathBuf;

use zeroize::Zeroizing;

use super::super::layer::{Raw, read_file};
use super::Reader;

/// Where a secret comes from.
pub(in crate::settings) enum Source {
    /// From the setting itself.
    Inline,
    /// From the file that the setting `key` names.
    File { key: String, path: PathBuf, text: Zeroizing<String> },
}

impl Reader<'_> {
    /// Where the secret `key` comes from: the last layer that gives it or its `_file`.
    pub(in crate::settings) fn secret(&mut self, key: &str) -> Option<Source> {
        let file_key = format!("{key}_file");
        self.known.extend([key.to_owned(), file_key.clone()]);
        let mut last = None;
        let mut both = false;
        for layer in self.layers {
            match (layer.values.contains_key(key), layer.values.get(&file_key)) {
                (false, None) => {}
                (true, None) => last = Some(None),
                (false, Some(path)) => last = Some(Some(path)),
                (true, Some(_)) => {
                    both = true;
                    self.faults.push(layer.fault(key, format!("is given together with `{file_key}`")));
                }
            }
        }
        match last.filter(|_| !both)? {
            None => Some(Source::Inline),
            Some(path) => self.secret_file(file_key, path),
        }
    }

    /// Whether the secret `key` is given, in whatever form.
    pub(in crate::settings) fn is_given(&self, key: &str) -> bool {
        let file_key = format!("{key}_file");
        let last = self.layers.iter().rev().find_map(|layer| {
            let file = layer.values.get(&file_key).map(|_| true);
            let inline = layer.values.get(key).map(|raw| match raw {
                Raw::Text(text) => !text.is_empty(),
                Raw::List(items) => !items.is_empty(),
                _ => true,
            });
            file.or(inline)
        });
        last.unwrap_or(false)
    }

    fn secret_file(&mut self, key: String, path: &Raw) -> Option<Source> {
        let Raw::Text(path) = path else {
            self.fault(&key, "must be a string: the path of a file");
            return None;
        };
        // Not even the path is told: a secret may have been put here by mistake.
        let path = PathBuf::from(path);
        match read_file(&path) {
            Ok(text) => {
                let text = Zeroizing::new(text);
                let trimmed = text.strip_suffix('\n').map(|text| text.strip_suffix('\r').unwrap_or(text));
                let text = trimmed.map_or_else(|| text.clone(), |trimmed| Zeroizing::new(trimmed.to_owned()));
                Some(Source::File { key, path, text })
            }
            Err(error) => {
                self.fault(&key, format!("names a file that cannot be read: {}", error.kind()));
                None
            }
        }
    }
}
