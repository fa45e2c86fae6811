//! Making text safe for one line of a log.
//!
//! A path or a `User-Agent` is the client's text. A line end in it would forge a record, an
//! escape sequence would command the reader's terminal, a bidirectional control would show him
//! another text than the one that came (requirement R113).

use std::fmt::{self, Write};

/// Longest value written, in characters; the rest is cut off and `…` tells so.
const LONGEST: usize = 4096;

/// Writes through to a log line, escaping as it goes.
pub(super) struct Escaping<'a> {
    out: &'a mut dyn Write,
    style: Style,
    left: usize,
}

/// How an escaped character is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// As inside a JSON string (RFC 8259 section 7): `\n`, `\u001b`, `\"`, `\\`.
    Json,
    /// For a reader: `\n`, `\u{1b}`.
    Plain,
    /// [`Self::Plain`], between double quotes.
    Quoted,
}

impl<'a> Escaping<'a> {
    pub(super) fn new(out: &'a mut dyn Write, style: Style) -> Self {
        Self { out, style, left: LONGEST }
    }

    fn escape(&mut self, c: char) -> fmt::Result {
        match (self.style, c) {
            (_, '\n') => self.out.write_str("\\n"),
            (_, '\r') => self.out.write_str("\\r"),
            (_, '\t') => self.out.write_str("\\t"),
            (Style::Json | Style::Quoted, '"') => self.out.write_str("\\\""),
            (Style::Json, '\\') => self.out.write_str("\\\\"),
            // All of these stand in the basic plane, so four digits do.
            (Style::Json, c) if is_unsafe(c) => write!(self.out, "\\u{:04x}", u32::from(c)),
            (_, c) if is_unsafe(c) => write!(self.out, "{}", c.escape_unicode()),
            (_, c) => self.out.write_char(c),
        }
    }
}

impl Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Nearly all of what is logged: nothing to escape, and nothing to cut off.
        if text.len() < self.left && all_plain(text.as_bytes()) {
            self.left -= text.len();
            return self.out.write_str(text);
        }
        for c in text.chars() {
            match self.left {
                0 => return Ok(()),
                1 => self.out.write_char('…')?,
                _ => self.escape(c)?,
            }
            self.left -= 1;
        }
        Ok(())
    }
}

/// In pieces that a processor takes at once, which it could not if it had to stop at any byte.
fn all_plain(text: &[u8]) -> bool {
    let plain = |piece: &[u8]| piece.iter().fold(true, |plain, byte| plain & is_plain(*byte));
    let (pieces, rest) = text.as_chunks::<16>();
    pieces.iter().all(|piece| plain(piece)) && plain(rest)
}

/// What no style escapes.
const fn is_plain(byte: u8) -> bool {
    (byte >= b' ') & (byte <= b'~') & (byte != b'"') & (byte != b'\\')
}

/// C0, DEL and C1 controls, line and paragraph separators, and bidirectional controls.
pub(super) fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn escaped(style: Style, text: &str) -> String {
        let mut out = String::new();
        Escaping::new(&mut out, style).write_str(text).unwrap();
        out
    }

    #[test]
    fn no_style_lets_a_control_character_through() {
        for code in (0..0x20).chain(0x7f..0xa0).chain([0x2028, 0x2029, 0x202e, 0x2066]) {
            let text = char::from_u32(code).unwrap().to_string();
            for style in [Style::Json, Style::Plain, Style::Quoted] {
                let out = escaped(style, &text);
                assert!(out.starts_with('\\') && !out.chars().any(is_unsafe), "{code:x}: {out:?}");
            }
        }
    }

    #[test]
    fn what_json_escapes_json_reads_back() {
        let text: String =
            (0..0x2100).filter_map(char::from_u32).chain(['𝄞', '"', '\\']).take(4000).collect();
        let read: String = serde_json::from_str(&format!("\"{}\"", escaped(Style::Json, &text))).unwrap();
        assert_eq!(read, text);
    }

    #[test]
    fn a_value_too_long_is_cut_and_says_so() {
        let out = escaped(Style::Plain, &"a".repeat(LONGEST + 1));
        assert_eq!(out.chars().count(), LONGEST);
        assert!(out.ends_with('…'));
    }
}
