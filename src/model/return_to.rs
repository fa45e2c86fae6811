//! Where a browser goes after login.
//!
//! An open redirector is the classic fault of this parameter (RFC 9700 section 4.11.1): a
//! browser drops tabs and line ends, and reads `\` as `/`, so `/\evil` and `/<TAB>/evil` leave
//! the origin. The text is therefore parsed twice: by a list of what a path of ours may begin
//! with, and by the URL parser that browsers use, against an origin that must come out the same.

use serde::{Deserialize, Serialize};
use url::Url;

/// The text is no path on our own origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a path on this origin")]
pub struct InvalidReturnTo;

/// A path, with query and fragment if any, on the origin that the browser sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReturnTo(String);

impl ReturnTo {
    /// Longest text accepted, in bytes: it is kept in the store for the time of a login.
    pub const MAX_LENGTH: usize = 2048;

    /// The start page.
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// Parses as a browser would, and keeps the browser's reading.
    ///
    /// # Errors
    /// [`InvalidReturnTo`] for anything a browser would not resolve to a path on our origin, for
    /// control characters, for `\`, and for texts beyond [`Self::MAX_LENGTH`].
    #[expect(clippy::disallowed_methods, reason = "joins as a browser does, and checks the origin behind it")]
    pub fn parse(text: &str) -> Result<Self, InvalidReturnTo> {
        if text.len() > Self::MAX_LENGTH
            || !text.starts_with('/')
            || text.starts_with("//")
            || text.chars().any(|c| c.is_control() || c == '\\')
        {
            return Err(InvalidReturnTo);
        }
        let origin = Url::parse("https://origin.invalid/").map_err(|_| InvalidReturnTo)?;
        let url = origin.join(text).map_err(|_| InvalidReturnTo)?;
        if url.origin() != origin.origin() || !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidReturnTo);
        }
        let kept = url.as_str().get(origin.as_str().len() - 1..).ok_or(InvalidReturnTo)?;
        // `/.//evil` resolves to the path `//evil`, which a browser would read as a host.
        if !kept.starts_with('/') || kept.starts_with("//") {
            return Err(InvalidReturnTo);
        }
        Ok(Self(kept.to_owned()))
    }

    /// The path as the `Location` header carries it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
