#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::*;

/// Reads chunks as RFC 9112 section 7.1 has them, and nothing else.
fn unchunked(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut data = Vec::new();
    loop {
        let end = bytes.windows(2).position(|two| two == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).ok()?, 16).ok()?;
        let (chunk, rest) = bytes.get(end + 2..)?.split_at_checked(size)?;
        data.extend_from_slice(chunk);
        bytes = rest.strip_prefix(b"\r\n")?;
        if size == 0 {
            return bytes.is_empty().then_some(data);
        }
    }
}

proptest! {
    /// RFC 9112 section 7.1: whatever the system takes at a time, and whenever pieces come, the body that goes out is
    /// the one that came.
    #[test]
    fn no_byte_is_lost_between_pieces(
        lengths in proptest::collection::vec(prop_oneof![0..10_usize, SMALL - 1..SMALL + 3, 9_000..9_002_usize], 0..9),
        steps in proptest::collection::vec((any::<bool>(), prop_oneof![1..4_usize, 4_000..5_000_usize]), 1..20),
        chunked in any::<bool>(),
    ) {
        let pieces: Vec<_> =
            lengths.iter().enumerate().map(|(at, length)| Bytes::from(vec![b'a' + at as u8; *length])).collect();
        let mut outbox = Outbox::new(BytesMut::from("head"), chunked);
        let (mut coming, mut ended, mut sent) = (pieces.iter(), false, Vec::new());
        for (comes, most) in steps.iter().cycle() {
            while (*comes || outbox.is_empty()) && !ended && outbox.takes_more() {
                match coming.next() {
                    Some(piece) => outbox.add(piece.clone()),
                    None => {
                        outbox.end();
                        ended = true;
                    }
                }
            }
            // All but a little is what leaves the end of a chunk behind.
            let all: Vec<u8> = outbox.parts().iter().flat_map(|part| part.to_vec()).collect();
            let taken = if *most < 4 { all.len().saturating_sub(*most).max(1) } else { *most }.min(all.len());
            sent.extend_from_slice(&all[..taken]);
            outbox.advance(taken);
            if ended && outbox.is_empty() {
                break;
            }
        }
        let body = sent.strip_prefix(b"head").unwrap();
        let body = if chunked { unchunked(body) } else { Some(body.to_vec()) };
        prop_assert_eq!(body, Some(pieces.concat()));
    }
}
