//! Anonymous users created.
#![allow(clippy::await_holding_lock, reason = "nobody else in a test asks for its Redis meanwhile")]

use std::time::Duration;

use futures_util::{StreamExt, stream};

use super::shared::long;
use super::{assert_limited, from};
use crate::anonymous::{VISITOR, offering, visitor};
use crate::support::{Browser, Call, World};

/// `POST /auth/anonymous` by a browser at that address.
async fn wish(browser: &Browser, client: &str) -> crate::support::Answer {
    browser.send(from(client, Call::post("/auth/anonymous"))).await
}

async fn keys(world: &World) -> usize {
    world.redis().keys().await.len()
}

/// W25, R121: however many visitors one address makes up, on however many instances, it gets as
/// many users as it may have, and Redis keeps nothing of the others. Another address gets its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_of_visitors_at_one_address_gets_few_users() {
    let world = &offering()
        .redis()
        .instances(2)
        .set("store.timeout", "10s")
        .set("server.trusted_proxies", "127.0.0.0/8")
        // One each five minutes: the wait is shorter than a visitor's life.
        .set("limits.anonymous_users", "4/20m")
        .spawn()
        .await;
    let crowd = if long() { 10_000 } else { 100 };
    let wishes = stream::iter(0..crowd).map(|n| async move {
        let browser = visitor(world).await;
        let answer = wish(browser.go_to(n % 2), "192.0.2.1").await;
        (browser, answer)
    });
    let mut wishes = wishes.buffer_unordered(8);
    let (mut made, mut refused, mut wait) = (Vec::new(), Vec::new(), Duration::ZERO);
    while let Some((browser, answer)) = wishes.next().await {
        if answer.status == 201 {
            made.push(browser);
            continue;
        }
        wait = assert_limited(&answer);
        assert!(browser.cookie(VISITOR).is_some(), "it may ask again");
        // Each browser is a connection.
        refused.truncate(1);
        refused.push(browser);
    }
    assert_eq!((made.len(), world.sandbox.anonymous_users_created()), (4, 4));
    // For each user a session, a visitor and at most a lease; the bucket; the layout's version.
    let known = keys(world).await;
    assert!(known <= 4 * 3 + 2, "{known} keys: {:?}", world.redis().keys().await);

    let neighbour = visitor(world).await;
    assert_eq!(wish(&neighbour, "192.0.2.2").await.status, 201);
    // Who has a session is answered, not charged.
    assert_eq!(wish(&made[0], "192.0.2.1").await.status, 200);
    assert_eq!(made[0].get("/v2/me").await.status, 200);

    world.advance(wait);
    assert_eq!(wish(&refused[0], "192.0.2.1").await.status, 201);
    assert_limited(&wish(&refused[1], "192.0.2.1").await);
    assert_eq!(world.sandbox.anonymous_users_created(), 6);
}
