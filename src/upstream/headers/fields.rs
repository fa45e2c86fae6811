//! Field names and lists as RFC 9110 section 5 has them, and the form of the two tables.

use std::borrow::Cow;

use http::header::{CONNECTION, HeaderMap, HeaderName};

/// One line of a table.
pub(super) struct Rule {
    pub(super) name: Match,
    pub(super) action: Action,
    pub(super) why: &'static str,
}

/// Which names a line is for; lower case, `-` for whatever is neither letter nor digit.
pub(super) enum Match {
    Exactly(&'static str),
    StartingWith(&'static str),
    EndingWith(&'static str),
}

/// What is done with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// It ends here.
    Strip,
    /// It is not copied: this server writes its own.
    Remake,
    /// It is put aside: what becomes of it, code says.
    Judge,
}

/// Shorthands for the tables.
pub(super) const fn strip(name: &'static str, why: &'static str) -> Rule {
    Rule { name: Match::Exactly(name), action: Action::Strip, why }
}

pub(super) const fn strip_all(prefix: &'static str, why: &'static str) -> Rule {
    Rule { name: Match::StartingWith(prefix), action: Action::Strip, why }
}

pub(super) const fn strip_ending(suffix: &'static str, why: &'static str) -> Rule {
    Rule { name: Match::EndingWith(suffix), action: Action::Strip, why }
}

pub(super) const fn remake(name: &'static str, why: &'static str) -> Rule {
    Rule { name: Match::Exactly(name), action: Action::Remake, why }
}

pub(super) const fn judge(name: &'static str, why: &'static str) -> Rule {
    Rule { name: Match::Exactly(name), action: Action::Judge, why }
}

/// What belongs to one connection, either way (RFC 9110 section 7.6.1), or to the framing of one
/// message (RFC 9112 section 6).
pub(super) const HOP_BY_HOP: &[Rule] = &[
    strip("connection", HOP),
    strip("keep-alive", HOP),
    strip("proxy-connection", HOP),
    strip("te", HOP),
    strip("trailer", "trailers are not carried across"),
    strip("transfer-encoding", FRAMING),
    strip("content-length", FRAMING),
    strip("upgrade", HOP),
    strip("http2-settings", "RFC 9113 section 3.1: part of an upgrade"),
    strip("proxy-authenticate", "RFC 9110 section 11.7: for the next hop alone"),
    strip("proxy-authorization", "RFC 9110 section 11.7: for the next hop alone"),
    strip("proxy-authentication-info", "RFC 9110 section 11.7: for the next hop alone"),
];

const HOP: &str = "RFC 9110 section 7.6.1: about one connection";
const FRAMING: &str = "the body decides its framing, so that two headers cannot contradict each other";

/// The lines of [`HOP_BY_HOP`] and one more table, found by name: every field of every message is
/// looked up.
pub(super) struct Index {
    /// Those for names that begin with one byte, under that byte. A line for one name stands
    /// before those for many.
    beginnings: Vec<Vec<&'static Rule>>,
    /// Those for the ends of names.
    endings: Vec<&'static Rule>,
}

impl Index {
    pub(super) fn new(table: &'static [Rule]) -> Self {
        let (mut beginnings, mut endings) = (vec![Vec::new(); 128], Vec::new());
        for rule in HOP_BY_HOP.iter().chain(table) {
            match rule.name {
                Match::Exactly(text) | Match::StartingWith(text) => {
                    let first = text.bytes().next().map_or(0, usize::from);
                    if let Some(bucket) = beginnings.get_mut(first) {
                        bucket.push(rule);
                    }
                }
                Match::EndingWith(_) => endings.push(rule),
            }
        }
        for bucket in &mut beginnings {
            bucket.sort_by_key(|rule: &&Rule| !matches!(rule.name, Match::Exactly(_)));
        }
        Self { beginnings, endings }
    }

    fn find(&self, folded: &str) -> Option<&'static Rule> {
        let first = folded.bytes().next().map(usize::from)?;
        let bucket = self.beginnings.get(first).map_or(&[][..], Vec::as_slice);
        bucket.iter().chain(&self.endings).find(|rule| rule.is_for(folded)).copied()
    }
}

/// Which fields of one message do not simply pass.
pub(super) struct Filter {
    index: &'static Index,
    nominated: Vec<String>,
}

/// What a [`Filter`] makes of a message's fields, each part in their order.
pub(super) struct Sifted {
    /// Those that no line names and `Connection` does not nominate.
    pub(super) passed: HeaderMap,
    /// Those of the lines with [`Action::Judge`], nominated or not.
    pub(super) judged: HeaderMap,
}

impl Filter {
    pub(super) fn new(index: &'static Index, inbound: &HeaderMap) -> Self {
        Self { index, nominated: nominated(inbound) }
    }

    /// Sifts the fields of a message, leaving room for so many more to be added.
    pub(super) fn sift(&self, inbound: HeaderMap, room: usize) -> Sifted {
        let mut sifted = Sifted::with_room(inbound.len() + room);
        let mut last = None;
        for (name, value) in inbound {
            // Only the first value of several comes with their name.
            if let Some(name) = name {
                last = Some((self.fate(&name), name));
            }
            if let Some((fate, name)) = &last
                && let Some(headers) = sifted.place(*fate)
            {
                headers.append(name, value);
            }
        }
        sifted
    }

    /// Whether `Connection` nominates the field.
    pub(super) fn nominates(&self, name: &HeaderName) -> bool {
        !self.nominated.is_empty() && self.nominates_folded(&fold(name.as_str()))
    }

    fn nominates_folded(&self, folded: &str) -> bool {
        self.nominated.iter().any(|nominated| *nominated == folded)
    }

    fn fate(&self, name: &HeaderName) -> Fate {
        let folded = fold(name.as_str());
        match self.index.find(&folded) {
            Some(Rule { action: Action::Strip, why, .. }) => {
                tracing::trace!(header = name.as_str(), why, "header stripped");
                Fate::Ends
            }
            Some(Rule { action: Action::Remake, .. }) => Fate::Ends,
            // Another spelling of it is no field that anybody here reads.
            Some(Rule { action: Action::Judge, .. }) if folded != name.as_str() => Fate::Ends,
            Some(Rule { action: Action::Judge, .. }) => Fate::IsJudged,
            None if self.nominates_folded(&folded) => Fate::Ends,
            None => Fate::Passes,
        }
    }
}

/// Where a field goes.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Ends,
    IsJudged,
    Passes,
}

impl Sifted {
    fn with_room(fields: usize) -> Self {
        Self { passed: HeaderMap::with_capacity(fields), judged: HeaderMap::new() }
    }

    fn place(&mut self, fate: Fate) -> Option<&mut HeaderMap> {
        match fate {
            Fate::Ends => None,
            Fate::IsJudged => Some(&mut self.judged),
            Fate::Passes => Some(&mut self.passed),
        }
    }
}

impl Rule {
    fn is_for(&self, folded: &str) -> bool {
        match self.name {
            Match::Exactly(name) => folded == name,
            Match::StartingWith(prefix) => folded.starts_with(prefix),
            Match::EndingWith(suffix) => folded.ends_with(suffix),
        }
    }
}

/// The options of `Connection`, folded. Options that name no field do no harm. The commonest is
/// left out: no field of that name passes in any case.
fn nominated(inbound: &HeaderMap) -> Vec<String> {
    let lines = inbound.get_all(CONNECTION);
    lines
        .iter()
        .flat_map(|value| elements(value.as_bytes()))
        .filter(|option| !option.eq_ignore_ascii_case(b"keep-alive"))
        .map(|option| fold(&String::from_utf8_lossy(option)).to_ascii_lowercase())
        .collect()
}

/// The name as the coarsest reader sees it: besides `_` for `-` there are servers that make one
/// character of whatever is neither letter nor digit (`X.Real!IP`).
fn fold(name: &str) -> Cow<'_, str> {
    let folds = |character: char| !character.is_ascii_alphanumeric() && character != '-';
    if is_plain(name.as_bytes()) { Cow::Borrowed(name) } else { Cow::Owned(name.replace(folds, "-")) }
}

/// Letters, digits and `-` alone. In pieces that a processor takes at once, the last one filled up.
fn is_plain(name: &[u8]) -> bool {
    let all = |piece: &[u8; 16]| {
        piece.iter().fold(true, |plain, byte| plain & (byte.is_ascii_alphanumeric() | (*byte == b'-')))
    };
    let (pieces, rest) = name.as_chunks();
    let mut last = [b'-'; 16];
    if let Some(last) = last.get_mut(..rest.len()) {
        last.copy_from_slice(rest);
    }
    pieces.iter().all(all) && all(&last)
}

/// The elements of a list (RFC 9110 section 5.6.1), without surrounding space; empty ones are left
/// out. A comma within a quoted string separates nothing.
pub(super) fn elements(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    let mut escaped = false;
    list.split(move |byte| {
        let separates = *byte == b',' && !quoted;
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
        separates
    })
    .map(<[u8]>::trim_ascii)
    .filter(|element| !element.is_empty())
}

/// Whether every quoted string of the list ends. Where one does not, two readers may see
/// different elements.
pub(super) fn has_balanced_quotes(list: &[u8]) -> bool {
    let (mut quoted, mut escaped) = (false, false);
    for byte in list {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
    }
    !quoted
}
