//! A set of scopes (RFC 6749 section 3.3).

use serde::{Deserialize, Serialize};

/// Scope names as granted: opaque to us, without repeats, in the order first seen.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scopes(Vec<String>);

impl Scopes {
    /// Collects names, dropping empty and repeated ones.
    pub fn collect<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        let mut seen: Vec<String> = Vec::new();
        for name in names {
            let name = name.into();
            if !name.is_empty() && !seen.contains(&name) {
                seen.push(name);
            }
        }
        Self(seen)
    }

    /// Splits a text at spaces and commas: Whisk has been seen to write both.
    pub fn split(text: &str) -> Self {
        Self::collect(text.split([' ', ',']))
    }

    /// The names.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// As the `scope` parameter writes it: separated by single spaces.
    pub fn to_parameter(&self) -> String {
        self.0.join(" ")
    }
}
