//! Records as they come back from a store that somebody else can write to (R29).
//!
//! The first byte says what the rest is: the record's bytes; changes made to a genuine record; or
//! the content of a record that is authentic and not of our making.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use whisk_bff::clock::{Clock, SystemClock};
use whisk_bff::crypto::{KeyId, KeyRing, SealingKey};
use whisk_bff::model::{
    AccessToken, Generation, Principal, RefreshToken, Scopes, SessionId, Timestamp, TokenSet,
};
use whisk_bff::store::{FORMAT, Key, MemoryStore, Record, Store};
use whisk_bff::telemetry::Metrics;
use whisk_bff::tokens::{CacheLimits, Lifetimes, Session, SessionContent, TokenVault};
use zeroize::Zeroizing;

struct World {
    keys: KeyRing,
    store: Arc<MemoryStore>,
    vault: TokenVault,
    key: Key,
    neighbour: Key,
    genuine: Record,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let key = |id: &str, byte| SealingKey::new(KeyId::parse(id).unwrap(), Zeroizing::new([byte; 32]));
    let keys = KeyRing::new([key("new", 1), key("old", 2)]).unwrap();
    let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
    let lifetimes = Lifetimes { idle: Duration::from_secs(1 << 30), absolute: Duration::from_secs(1 << 30) };
    let vault = TokenVault::new(
        Arc::clone(&store) as Arc<dyn Store>,
        Arc::new(ArcSwap::from_pointee(keys.clone())),
        Arc::new(SystemClock),
        lifetimes,
        CacheLimits::NONE,
        Metrics::new([]),
    );
    let (id, session) = vault.create(&content()).now_or_never().unwrap().unwrap();
    let genuine = store.take(&session.key).now_or_never().unwrap().unwrap().unwrap();
    let neighbour = Key::session(&SessionId::from_random([9; 32]));
    World { keys, store, vault, key: Key::session(&id), neighbour, genuine }
});

fn content() -> SessionContent {
    let now = SystemClock.now();
    SessionContent {
        principal: Principal::User,
        user_id: Some("user".to_owned()),
        scopes: Scopes::split("offline_access recipes:read"),
        created_at: now,
        ends_at: now.plus(Duration::from_secs(1 << 30)),
        tokens: TokenSet {
            access: AccessToken::parse("access".to_owned()).unwrap(),
            refresh: Some(RefreshToken::parse("refresh".to_owned()).unwrap()),
            expires_at: Some(now),
        },
        tokens_since: now,
        afterlife: Duration::from_secs(7),
    }
}

pub(crate) fn run(input: &[u8]) {
    match input.split_first() {
        Some((b'r', bytes)) => raw(bytes),
        Some((b'c', changes)) => changed(changes),
        Some((b'p', plain)) => foreign(plain),
        _ => {}
    }
}

/// Any bytes: what is read as a record is written as the same bytes, and never opens.
fn raw(bytes: &[u8]) {
    let Ok(record) = Record::decode(bytes) else { return };
    // Moments are cut at the year 9999.
    let again = record.encode();
    assert_eq!(Record::decode(&again).as_ref(), Ok(&record));
    assert_eq!(again.len(), bytes.len());
    assert!(load(&WORLD.key, &record).is_none(), "a forged record opens");
}

/// The genuine record, changed: each change is a place (two bytes) and what is put there. It opens
/// only where nothing but its deadlines has changed.
fn changed(changes: &[u8]) {
    let world = &*WORLD;
    let mut bytes = world.genuine.encode();
    let (length, changes) = changes.split_at_checked(1).unwrap_or_default();
    for change in changes.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([change[0], change[1]])) % bytes.len();
        bytes[at] = change[2];
    }
    // Cut short, or lengthened by what is there.
    let length = usize::from(length.first().copied().unwrap_or_default());
    match length {
        128.. => bytes.extend_from_within(..(length - 128).min(bytes.len())),
        _ => bytes.truncate(bytes.len() - length.min(bytes.len())),
    }
    let Ok(record) = Record::decode(&bytes) else { return };
    let same = Record {
        expires_at: world.genuine.expires_at,
        cookie_until: world.genuine.cookie_until,
        ..record.clone()
    } == world.genuine;
    match load(&world.key, &record) {
        Some(session) => {
            assert!(same, "a changed record opens");
            assert_eq!(session.generation, world.genuine.generation);
            assert_eq!(session.expires_at, record.expires_at.minus(session.content.afterlife));
        }
        None => assert!(!same || record.expires_at <= SystemClock.now(), "an unchanged record does not open"),
    }
    assert!(load(&world.neighbour, &record).is_none(), "a record opens in another's place");
}

/// Content that was sealed under our key, by a build that is not this one.
fn foreign(plain: &[u8]) {
    let world = &*WORLD;
    let generation = Generation(3);
    let place = [&[FORMAT][..], &world.key.to_bytes(), &generation.0.to_be_bytes()].concat();
    let far = SystemClock.now().plus(Duration::from_secs(1 << 30));
    let sealed = world.keys.seal(&place, plain);
    let record = Record { generation, expires_at: far, cookie_until: far, sealed };
    let Some(session) = load(&world.key, &record) else { return };
    let written = postcard::to_stdvec(&session.content).unwrap();
    assert_eq!(postcard::from_bytes::<SessionContent>(&written).as_ref(), Ok(&session.content));
    assert!(session.expires_at <= far);
    // What `/auth/session` shows, and what a call asks.
    for moment in [session.content.created_at, session.content.ends_at, session.expires_at] {
        assert!(moment.to_rfc3339().ends_with('Z'));
    }
    let _ = world.vault.due(&session, SystemClock.now());
    let _ = session.content.tokens.expires_at.map(Timestamp::to_rfc3339);
    http::HeaderValue::from_str(session.content.tokens.access.expose()).expect("a token fits into a header");
}

/// The record as the vault reads it.
fn load(key: &Key, record: &Record) -> Option<Arc<Session>> {
    let world = &*WORLD;
    world.store.create(key, record).now_or_never().unwrap().unwrap();
    let loaded = world.vault.load(key).now_or_never().unwrap().unwrap();
    world.store.take(key).now_or_never().unwrap().unwrap();
    loaded
}
