//! Trace Context (W3C Recommendation, sections 3.2 to 3.4): carried where valid, begun anew where
//! a sender spoilt it. A call without a trace stays without.

use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::fields::Filter;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Carries the trace across. `tracestate` goes with a valid `traceparent` only, whole.
pub(super) fn carry(judged: &HeaderMap, filter: &Filter, outbound: &mut HeaderMap) {
    let mut parents = judged.get_all(TRACEPARENT).iter();
    let Some(parent) = parents.next().filter(|_| !filter.nominates(&TRACEPARENT)) else {
        return;
    };
    if parents.next().is_none() && is_valid(parent.as_bytes()) {
        outbound.insert(TRACEPARENT, parent.clone());
        if !filter.nominates(&TRACESTATE) {
            for state in judged.get_all(TRACESTATE) {
                outbound.append(TRACESTATE, state.clone());
            }
        }
    } else if let Ok(parent) = HeaderValue::from_str(&begin()) {
        outbound.insert(TRACEPARENT, parent);
    }
}

/// `version "-" trace-id "-" parent-id "-" trace-flags`, in lower case. A version above ours may
/// go on after another `-`, in letters that any reader takes.
fn is_valid(value: &[u8]) -> bool {
    let Some((known, rest)) = value.split_at_checked(LENGTH) else { return false };
    let mut parts = known.split(|byte| *byte == b'-');
    let mut part =
        |length: usize| parts.next().filter(|part| part.len() == length && part.iter().all(is_hex));
    let (Some(version), Some(trace), Some(parent), Some(_flags)) = (part(2), part(32), part(16), part(2))
    else {
        return false;
    };
    let ends = if version == b"00" { rest.is_empty() } else { matches!(rest.first(), None | Some(b'-')) };
    ends && rest.iter().all(u8::is_ascii_graphic) && version != b"ff" && !is_zero(trace) && !is_zero(parent)
}

fn is_hex(byte: &u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

fn is_zero(digits: &[u8]) -> bool {
    digits.iter().all(|digit| *digit == b'0')
}

/// A new trace, not sampled: whether it is recorded is not for a browser to say.
fn begin() -> String {
    // Never all zero.
    let trace = rand::random::<u128>().max(1);
    let parent = rand::random::<u64>().max(1);
    format!("00-{trace:032x}-{parent:016x}-00")
}

/// Of a `traceparent` of version 00.
const LENGTH: usize = 55;
