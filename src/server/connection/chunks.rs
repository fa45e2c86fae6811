//! A chunked body, read strictly (RFC 9112 section 7.1), and handed on without its trimmings.
//!
//! The layer above reads chunks too, but counts neither the bytes of a chunk's extension nor those
//! of the trailer section. So it gets each chunk with its size and its data, and an empty trailer
//! section; extensions and trailers end here.

use bytes::{Buf, BytesMut};
use tokio::io::ReadBuf;

/// Longest line of a chunk's size with its extension, in bytes.
const MAX_LINE: usize = 1024;
/// Longest trailer section, in bytes.
const MAX_TRAILERS: usize = 8 * 1024;
/// Most bytes of extensions in a body, besides one a byte of data: a chunk of a byte needs none.
const MAX_EXTENSIONS: u64 = 16 * 1024;
/// Most that is written for a chunk's size: 16 digits and the line's end.
const SIZE_LINE: usize = 18;

/// A body whose chunks are broken, or too much trimmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken;

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Something was handed on, or there is no room for more.
    HandedOn,
    /// More must be read first.
    Hungry,
    /// The body is over.
    End,
}

/// Where in the body we are.
#[derive(Debug, Clone, Copy)]
enum At {
    Size,
    Data(u64),
    DataEnd,
    Trailers { read: usize },
    End,
    Broken,
}

/// Reads one body.
#[derive(Debug)]
pub(super) struct Chunks {
    at: At,
    extensions: u64,
    data: u64,
}

impl Default for Chunks {
    fn default() -> Self {
        Self { at: At::Size, extensions: 0, data: 0 }
    }
}

impl Chunks {
    /// Whether the whole body has been handed on.
    pub(super) const fn is_over(&self) -> bool {
        matches!(self.at, At::End)
    }

    /// Hands on what there is room for.
    ///
    /// # Errors
    /// [`Broken`], now and ever after; what was handed on before is right.
    pub(super) fn step(&mut self, unread: &mut BytesMut, into: &mut ReadBuf<'_>) -> Result<Step, Broken> {
        let before = into.filled().len();
        loop {
            let still = if self.is_over() {
                Step::End
            } else if into.remaining() < SIZE_LINE {
                Step::HandedOn
            } else {
                match self.advance(unread, into) {
                    Ok(true) => continue,
                    Ok(false) => Step::Hungry,
                    Err(broken) => {
                        self.at = At::Broken;
                        return Err(broken);
                    }
                }
            };
            return Ok(if into.filled().len() > before { Step::HandedOn } else { still });
        }
    }

    /// One step; `false`: more must be read.
    fn advance(&mut self, unread: &mut BytesMut, into: &mut ReadBuf<'_>) -> Result<bool, Broken> {
        match self.at {
            At::Size => {
                let Some(line) = line(unread, MAX_LINE)? else { return Ok(false) };
                let (size, extension) = size(&line)?;
                self.extensions += extension as u64;
                if self.extensions > MAX_EXTENSIONS.saturating_add(self.data) {
                    return Err(Broken);
                }
                if size == 0 {
                    self.at = At::Trailers { read: 0 };
                } else {
                    into.put_slice(format!("{size:x}\r\n").as_bytes());
                    self.at = At::Data(size);
                }
            }
            At::Data(left) => {
                let most = into.remaining().min(unread.len());
                let taken = usize::try_from(left).map_or(most, |left| left.min(most));
                if taken == 0 {
                    return Ok(false);
                }
                into.put_slice(unread.get(..taken).unwrap_or_default());
                unread.advance(taken);
                self.data = self.data.saturating_add(taken as u64);
                self.at = match left - taken as u64 {
                    0 => At::DataEnd,
                    left => At::Data(left),
                };
            }
            At::DataEnd => match unread.get(..2) {
                Some(b"\r\n") => {
                    unread.advance(2);
                    into.put_slice(b"\r\n");
                    self.at = At::Size;
                }
                None if matches!(unread.first(), None | Some(b'\r')) => return Ok(false),
                _ => return Err(Broken),
            },
            At::Trailers { read } => {
                let Some(field) = line(unread, MAX_TRAILERS - read)? else { return Ok(false) };
                if field.is_empty() {
                    into.put_slice(b"0\r\n\r\n");
                    self.at = At::End;
                } else if is_field(&field) {
                    let read = read + field.len() + 2;
                    self.at = At::Trailers { read: read.min(MAX_TRAILERS) };
                } else {
                    return Err(Broken);
                }
            }
            At::End => return Ok(false),
            At::Broken => return Err(Broken),
        }
        Ok(true)
    }
}

/// The next line, without its CRLF. A CR or LF of its own is no part of one.
fn line(unread: &mut BytesMut, most: usize) -> Result<Option<BytesMut>, Broken> {
    let end = unread.iter().take(most.saturating_add(1)).position(|byte| matches!(byte, b'\r' | b'\n'));
    let Some(end) = end else {
        return if unread.len() > most { Err(Broken) } else { Ok(None) };
    };
    match unread.get(end..) {
        Some([b'\r', b'\n', ..]) => {
            let line = unread.split_to(end);
            unread.advance(2);
            Ok(Some(line))
        }
        Some([b'\r']) => Ok(None),
        _ => Err(Broken),
    }
}

/// A chunk's size, and how long its extension is.
fn size(line: &[u8]) -> Result<(u64, usize), Broken> {
    let digits = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
    let (size, rest) = line.split_at(digits);
    // `BWS` may stand before an extension, and where one could stand.
    let extension = rest.trim_ascii_start();
    let well_formed = extension.is_empty() || extension.starts_with(b";");
    let text = extension.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~' | 0x80..=0xff));
    if !well_formed || !text || size.iter().skip_while(|digit| **digit == b'0').count() > 16 {
        return Err(Broken);
    }
    let size = std::str::from_utf8(size).ok().and_then(|size| u64::from_str_radix(size, 16).ok());
    size.map(|size| (size, rest.len())).ok_or(Broken)
}

/// `field-name ":" field-value` (RFC 9110 section 5).
fn is_field(line: &[u8]) -> bool {
    let Some(colon) = line.iter().position(|byte| *byte == b':') else { return false };
    let (name, value) = line.split_at(colon);
    let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !name.is_empty()
        && name.iter().all(token)
        && value.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~' | 0x80..=0xff))
}

#[cfg(test)]
mod tests;
