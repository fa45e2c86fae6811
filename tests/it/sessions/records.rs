//! Records that this version cannot read: written by a later one, or never a record.

use super::with_cookie;
use crate::support::World;
use crate::support::records::{Records, record_name};

/// Contract §7, §5 `store_unavailable`: a newer format is 503, and the record is kept, whatever is
/// asked. Once the record is one of ours again, the session is as before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_of_a_newer_format_is_503_and_kept() {
    let world = World::builder().redis().instances(2).spawn().await;
    let browser = world.logged_in().await;
    let (name, cookie) = (record_name(&browser), browser.cookie_line());
    let mut records = Records::of(&world).await;
    let ours = records.bytes(&name).await.unwrap();
    let mut newer = ours.clone();
    newer[0] += 1;
    records.overwrite(&name, &newer).await;

    browser.go_to(1);
    for call in [
        with_cookie("/v2/me", &cookie),
        with_cookie("/auth/session", &cookie),
        crate::support::Call::post("/auth/logout").no_cookies().header("cookie", &cookie),
    ] {
        let answer = browser.send(call).await;
        answer.assert_problem(503, "store_unavailable");
        assert!(answer.set_cookies().is_empty(), "{answer:?}");
        assert_eq!(records.bytes(&name).await.as_ref(), Some(&newer));
    }
    records.overwrite(&name, &ours).await;
    assert_eq!(browser.get("/v2/me").await.status, 200);
}

/// Bytes that never were a record are no session, and stay where they are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_of_garbage_is_401_and_kept() {
    let world = World::builder().redis().instances(2).spawn().await;
    for garbage in [&b"garbage"[..], b"\x00", b"\x01", b"\x01\x02k1", b""] {
        let browser = world.logged_in().await;
        browser.expect_ended();
        let mut records = Records::of(&world).await;
        let (name, cookie) = (record_name(&browser), browser.cookie_line());
        records.overwrite(&name, garbage).await;
        browser.go_to(1);
        let answer = browser.send(with_cookie("/v2/me", &cookie)).await;
        let expected = if garbage.first().is_some_and(|format| *format > 1) { 503 } else { 401 };
        assert_eq!(answer.status, expected, "{garbage:?}: {answer:?}");
        assert_eq!(records.bytes(&name).await.as_deref(), Some(garbage), "{garbage:?}");
        browser.go_to(0);
    }
}

/// R29: a record with any one bit changed opens no longer. (The deadlines, which a script in the
/// store may move, are the exception: docs/adr/0001.)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_was_tampered_with_is_401() {
    let world = World::builder().redis().instances(2).spawn().await;
    let browser = world.logged_in().await;
    let (name, cookie) = (record_name(&browser), browser.cookie_line());
    let mut records = Records::of(&world).await;
    let ours = records.bytes(&name).await.unwrap();
    browser.go_to(1);
    let key_id = 2..2 + usize::from(ours[1]);
    let generation = key_id.end + 7;
    for at in [key_id.start, generation, key_id.end + 24, ours.len() / 2, ours.len() - 1] {
        let mut changed = ours.clone();
        changed[at] ^= 1;
        records.overwrite(&name, &changed).await;
        let answer = browser.send(with_cookie("/v2/me", &cookie)).await;
        assert_eq!(answer.status, 401, "byte {at}: {answer:?}");
        assert_eq!(records.bytes(&name).await, Some(changed), "byte {at}: another key may open it");
    }
    records.overwrite(&name, &ours).await;
    assert_eq!(browser.get("/v2/me").await.status, 200);
}
