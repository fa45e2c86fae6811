//! A request's head, read strictly (RFC 9112 sections 2 to 6).
//!
//! The HTTP layers above read it once more and make a request of it. What is decided here is
//! where the request ends, and that nobody can read it in two ways: what is malformed or ambiguous
//! is a [`Fault`] and goes no further.

use std::mem::MaybeUninit;
use std::ops::Range;

use crate::server::bridge;

/// Most field lines. The layer above reads no more.
const MAX_LINES: usize = 96;
/// Longest target that is passed on, in bytes; what the envelope allows is a little less.
const MAX_TARGET: usize = 17 * 1024;
/// Largest head, in bytes: the longest target, the largest header section, and what is between.
pub(in crate::server) const MAX_HEAD: usize = 84 * 1024;
/// Longest field name. The layer above falls over one of 64 KiB.
const MAX_NAME: usize = 1024;
/// What no body is as long as, in bytes. The layers above have other meanings for the largest
/// numbers there are.
const MAX_LENGTH: u64 = 1 << 62;
/// Most empty lines before a request line (RFC 9112 section 2.2 wants one).
const MAX_EMPTY_LINES: usize = 4;

/// Why a head is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is no HTTP, or can be read in two ways.
    Malformed,
    /// The target is too long.
    TargetTooLong,
    /// The header section is too large.
    HeadersTooLarge,
    /// The body is longer than lengths are.
    BodyTooLarge,
    /// The body is in a transfer coding besides `chunked`.
    UnknownCoding,
    /// It is a version of HTTP that is not spoken here.
    UnknownVersion,
}

/// How a request's body is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// By its length, which may be 0.
    Length(u64),
    /// By chunks.
    Chunked,
}

/// What a head says of its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    /// Its own length, in bytes.
    pub(super) length: usize,
    /// Where in it the target stands.
    pub(super) target: Range<usize>,
    /// Its field lines.
    pub(super) lines: Vec<Line>,
    /// Its body.
    pub(super) framing: Framing,
    /// Whether the client is of HTTP/1.0, so that the connection ends with the answer.
    pub(super) old: bool,
}

/// Where in a head a field line's name and value stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) name: Range<u32>,
    pub(super) value: Range<u32>,
}

/// Looks for the end of a head while it arrives. However small the pieces are, each byte is
/// looked at a few times at most.
#[derive(Debug, Default)]
pub(super) struct Search {
    seen: usize,
    next_try: usize,
    empty_lines: usize,
}

impl Search {
    /// How many empty bytes stand before the request line, to be dropped.
    pub(super) fn skip(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        let mut skipped = 0;
        loop {
            skipped += match bytes.get(skipped..) {
                Some([b'\r', b'\n', ..]) => 2,
                Some([b'\n', ..]) => 1,
                _ => return Ok(skipped),
            };
            self.empty_lines += 1;
            if self.empty_lines > MAX_EMPTY_LINES {
                return Err(Fault::Malformed);
            }
        }
    }

    /// The head, once it is all there.
    pub(super) fn find(&mut self, bytes: &[u8]) -> Result<Option<Head>, Fault> {
        let from = self.seen.saturating_sub(3);
        let arrived = bytes.get(from..).unwrap_or_default();
        self.seen = bytes.len();
        if bytes.is_empty() || (bytes.len() < self.next_try && !has_empty_line(arrived)) {
            return Ok(None);
        }
        self.next_try = bytes.len().saturating_mul(2);
        let head = parse(bytes)?;
        match head {
            None if bytes.len() >= MAX_HEAD => Err(too_large(bytes)),
            // It came in one piece that was larger.
            Some(head) if head.length > MAX_HEAD => Err(too_large(bytes)),
            head => Ok(head),
        }
    }
}

fn has_empty_line(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| pair == b"\n\n") || bytes.windows(3).any(|three| three == b"\n\r\n")
}

/// What of a head without an end is too large.
fn too_large(bytes: &[u8]) -> Fault {
    match bytes.iter().position(|byte| *byte == b'\n') {
        Some(line) if line <= MAX_TARGET => Fault::HeadersTooLarge,
        _ => Fault::TargetTooLong,
    }
}

fn parse(bytes: &[u8]) -> Result<Option<Head>, Fault> {
    let mut lines = [const { MaybeUninit::uninit() }; MAX_LINES];
    let mut request = httparse::Request::new(&mut []);
    let length = match request.parse_with_uninit_headers(bytes, &mut lines) {
        Ok(httparse::Status::Partial) => return Ok(None),
        Ok(httparse::Status::Complete(length)) => length,
        Err(httparse::Error::TooManyHeaders) => return Err(Fault::HeadersTooLarge),
        Err(httparse::Error::Version) if other_version(bytes) => return Err(Fault::UnknownVersion),
        Err(_) => return Err(Fault::Malformed),
    };
    let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version) else {
        return Err(Fault::Malformed);
    };
    check_target(target)?;
    let old = version == 0;
    let framing = framing(method, old, request.headers)?;
    // A method, one space, the target.
    let begin = method.len() + 1;
    let lines = request
        .headers
        .iter()
        .map(|line| Line { name: place(bytes, line.name.as_bytes()), value: place(bytes, line.value) });
    Ok(Some(Head { length, target: begin..begin + target.len(), lines: lines.collect(), framing, old }))
}

/// Where in the whole a part of it stands. A head is shorter than 4 GiB.
fn place(whole: &[u8], part: &[u8]) -> Range<u32> {
    let begin = (part.as_ptr().addr() - whole.as_ptr().addr()) as u32;
    begin..begin + part.len() as u32
}

/// What the layer above cannot read as a target must not come to it.
fn check_target(target: &str) -> Result<(), Fault> {
    if target.len() > MAX_TARGET {
        return Err(Fault::TargetTooLong);
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~%?=&+:,@!$'()*;".contains(&byte);
    if target.starts_with('/') && target.bytes().all(plain) {
        return Ok(());
    }
    // The layer above would drop a fragment unseen; another server may not (RFC 9112 section 3.2).
    if target.contains('#') {
        return Err(Fault::Malformed);
    }
    if bridge::is_target(target) { Ok(()) } else { Err(Fault::Malformed) }
}

/// Whether the first line is a request line of a version of HTTP that [`httparse`] does not know.
fn other_version(bytes: &[u8]) -> bool {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let words: Vec<&[u8]> = line.splitn(4, |byte| *byte == b' ').collect();
    let [_, _, version] = words.as_slice() else { return false };
    let Some([major, b'.', minor]) = version.strip_prefix(b"HTTP/") else { return false };
    major.is_ascii_digit() && minor.is_ascii_digit()
}

/// Where the body ends, by the only field that says so (RFC 9112 section 6.3); and what must be
/// there once.
fn framing(method: &str, old: bool, headers: &[httparse::Header<'_>]) -> Result<Framing, Fault> {
    let (mut length, mut coding, mut hosts, mut repeated) = (None, None, 0_usize, false);
    for header in headers {
        if header.name.len() > MAX_NAME {
            return Err(Fault::HeadersTooLarge);
        }
        let named = |name: &str| header.name.eq_ignore_ascii_case(name);
        match header.name.len() {
            4 if named("host") => hosts += 1,
            14 if named("content-length") => {
                repeated |= length.replace(digits(header.value)?).is_some();
            }
            17 if named("transfer-encoding") => repeated |= coding.replace(header.value).is_some(),
            _ => {}
        }
    }
    if repeated || hosts > 1 || (hosts == 0 && !old) {
        return Err(Fault::Malformed);
    }
    match (coding, length) {
        (None, None) if old && method == "POST" => Err(Fault::Malformed),
        (None, length) => Ok(Framing::Length(length.unwrap_or(0))),
        (Some(_), Some(_)) => Err(Fault::Malformed),
        (Some(_), None) if old => Err(Fault::Malformed),
        (Some(coding), None) => chunked(coding).map(|()| Framing::Chunked),
    }
}

/// `1*DIGIT`, and nothing else.
fn digits(value: &[u8]) -> Result<u64, Fault> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Fault::Malformed);
    }
    let length = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
    match length.ok_or(Fault::Malformed)? {
        MAX_LENGTH.. => Err(Fault::BodyTooLarge),
        length => Ok(length),
    }
}

/// `chunked`, alone. A list that ends with it, once, says where the body ends, but not what it is.
fn chunked(value: &[u8]) -> Result<(), Fault> {
    if value.eq_ignore_ascii_case(b"chunked") {
        return Ok(());
    }
    let mut codings = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).rev();
    let last = codings.next().unwrap_or_default();
    let token = |coding: &[u8]| {
        !coding.is_empty()
            && coding.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
            && !coding.eq_ignore_ascii_case(b"chunked")
    };
    let mut others = codings.peekable();
    if last.eq_ignore_ascii_case(b"chunked") && others.peek().is_some() && others.all(token) {
        Err(Fault::UnknownCoding)
    } else {
        Err(Fault::Malformed)
    }
}

#[cfg(test)]
mod tests;
