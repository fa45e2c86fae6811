//! Query parameters in which each name stands once.

use std::borrow::Cow;

/// The parameters of a query string, form-decoded.
pub(super) struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

/// A parameter stands twice. RFC 6749 section 3.1 forbids it, and which one is meant is a guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Repeated;

impl<'a> Query<'a> {
    pub(super) fn parse(text: &'a str) -> Self {
        Self(url::form_urlencoded::parse(text.as_bytes()).collect())
    }

    /// The value of `name`, if it stands once.
    pub(super) fn single(&self, name: &str) -> Result<Option<&str>, Repeated> {
        let mut values = self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| &**value);
        let value = values.next();
        if values.next().is_some() { Err(Repeated) } else { Ok(value) }
    }
}
