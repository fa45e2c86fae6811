//! What is wrong with the settings, told all at once.

use std::fmt;

/// One fault. It says where it is and which rule it breaks, and holds nothing of the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The setting, as `section.key`; empty where a whole file is at fault.
    pub key: String,
    /// The file as it was named, or `environment` and the variable. Empty: nobody gave the
    /// setting a value.
    pub layer: String,
    /// The rule that is broken.
    pub message: String,
}

/// Every fault of the settings; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.key.as_str(), self.layer.as_str()) {
            ("", layer) => write!(f, "{layer}: {}", self.message),
            (key, "") => write!(f, "{key}: {}", self.message),
            (key, layer) => write!(f, "{key} ({layer}): {}", self.message),
        }
    }
}

impl fmt::Display for Faults {
    /// One fault a line, without a line break after the last.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fault) in self.0.iter().enumerate() {
            write!(f, "{}{fault}", if at == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}
