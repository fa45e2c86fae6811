#![allow(clippy::unwrap_used)]

use super::*;
use crate::model::{AccessToken, Generation, Principal, Scopes, SessionId, Timestamp, TokenSet};
use crate::tokens::SessionContent;

const GENEROUS: CacheLimits =
    CacheLimits { max_age: Duration::from_secs(60), outage_grace: Duration::from_secs(60) };

fn cache(limits: CacheLimits) -> SessionCache {
    SessionCache::new(limits, Metrics::new([]))
}

fn session(number: u8, token_length: usize) -> Arc<Session> {
    let at = Timestamp::from_millis(1);
    Arc::new(Session {
        key: Key::session(&SessionId::from_random([number; 32])),
        generation: Generation(1),
        expires_at: at,
        cookie_until: at,
        content: SessionContent {
            principal: Principal::User,
            user_id: None,
            scopes: Scopes::default(),
            created_at: at,
            ends_at: at,
            tokens: TokenSet {
                access: AccessToken::parse("a".repeat(token_length)).unwrap(),
                refresh: None,
                expires_at: None,
            },
            tokens_since: at,
            afterlife: Duration::from_secs(3600),
        },
    })
}

#[test]
fn a_session_is_served_until_a_change_of_it_is_told() {
    let (cache, session) = (cache(GENEROUS), session(1, 64));
    cache.put(cache.ticket(&session.key), &session);
    assert!(cache.current(&session.key).is_some());
    cache.changed(&session.key);
    assert!(cache.current(&session.key).is_none());
    assert!(cache.in_outage(&session.key).is_none(), "an ended session is not served in an outage either");
}

#[test]
fn a_read_under_way_while_a_change_is_told_leaves_nothing_behind() {
    let (cache, session) = (cache(GENEROUS), session(1, 64));
    let ticket = cache.ticket(&session.key);
    cache.changed(&session.key);
    cache.put(ticket, &session);
    assert!(cache.current(&session.key).is_none());

    let ticket = cache.ticket(&session.key);
    cache.interrupted();
    cache.put(ticket, &session);
    assert!(cache.current(&session.key).is_none());
}

#[test]
fn what_was_read_before_the_feed_broke_serves_in_an_outage_only() {
    let (cache, session) = (cache(GENEROUS), session(1, 64));
    cache.put(cache.ticket(&session.key), &session);
    cache.interrupted();
    assert!(cache.current(&session.key).is_none());
    assert!(cache.in_outage(&session.key).is_some());
    // The feed fails to come back, again and again: that tells nothing new.
    cache.interrupted();
    assert!(cache.in_outage(&session.key).is_some());
    // It came back, something was read, and it broke again.
    let other = self::session(2, 64);
    cache.put(cache.ticket(&other.key), &other);
    cache.interrupted();
    assert!(cache.in_outage(&session.key).is_some(), "a part of the store may have been away all the time");
    assert!(cache.in_outage(&other.key).is_some());
}

#[test]
fn age_and_grace_are_bounds() {
    let session = session(1, 64);
    let no_grace = cache(CacheLimits { outage_grace: Duration::ZERO, ..GENEROUS });
    no_grace.put(no_grace.ticket(&session.key), &session);
    no_grace.interrupted();
    assert!(no_grace.in_outage(&session.key).is_none());

    let off = cache(CacheLimits::NONE);
    off.put(off.ticket(&session.key), &session);
    assert!(off.current(&session.key).is_none());

    let short = cache(CacheLimits { max_age: Duration::from_nanos(1), outage_grace: Duration::ZERO });
    short.put(short.ticket(&session.key), &session);
    assert!(short.current(&session.key).is_none());
}

#[test]
fn memory_is_bounded_by_bytes() {
    let cache = cache(GENEROUS);
    for number in 0..=u8::MAX {
        for length in [16 * 1024, 300 * 1024] {
            let session = session(number, length);
            cache.put(cache.ticket(&session.key), &session);
        }
    }
    for shard in &cache.shards {
        let shard = shard.lock().unwrap();
        let kept: usize = shard.entries.iter().map(|(_, entry)| entry.session.weight()).sum();
        assert_eq!(kept, shard.bytes, "the account is right");
        assert!(kept <= MAX_BYTES);
    }
}

#[test]
fn a_slide_is_remembered_and_never_back() {
    let (cache, session) = (cache(GENEROUS), session(1, 64));
    cache.put(cache.ticket(&session.key), &session);
    let later = Timestamp::from_millis(9);
    cache.slid(&session.key, Deadlines { expires_at: later, cookie_until: later }, later);
    let earlier = Timestamp::from_millis(3);
    cache.slid(&session.key, Deadlines { expires_at: earlier, cookie_until: earlier }, earlier);
    let known = cache.current(&session.key).unwrap();
    assert_eq!((known.expires_at, known.cookie_until), (later, later));
}
