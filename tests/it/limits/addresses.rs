//! Whose limit it is.

use super::{FEW, assert_limited, from, login, use_up, world};
use crate::support::World;

/// R77, R121: a client cannot choose its address.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_untrusted_peer_says_of_its_address_changes_nothing() {
    let world = World::builder().set("limits.logins", FEW).spawn().await;
    let browser = world.browser();
    let mut n = 0;
    let claims = ["x-forwarded-for", "forwarded", "x-real-ip", "cf-connecting-ip", "x-client-ip"];
    for claim in claims.into_iter().cycle().take(20) {
        n += 1;
        let value = if claim == "forwarded" { format!("for=6.6.6.{n}") } else { format!("6.6.6.{n}") };
        let answer = browser.send(login().header(claim, value)).await;
        if n <= 4 {
            assert_eq!(answer.status, 302, "{claim}");
        } else {
            assert_limited(&answer);
        }
    }
}

/// R77, R121: behind trusted proxies it is the nearest hop that is none of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_trusted_proxies_the_right_hop_counts() {
    let world = world("logins", FEW).set("server.trusted_proxies", "127.0.0.0/8,10.0.0.0/8").spawn().await;
    let browser = world.browser();
    for chain in [
        "192.0.2.7",
        "6.6.6.6, 192.0.2.7",
        "6.6.6.7, 192.0.2.7, 10.1.2.3",
        "192.0.2.8, ::ffff:192.0.2.7, 10.1.2.3, 10.1.2.4",
    ] {
        assert_eq!(browser.send(from(chain, login())).await.status, 302, "{chain}");
    }
    for chain in ["192.0.2.7", "192.0.2.9, 192.0.2.7", "192.0.2.7:4711", "192.0.2.7, 10.9.9.9"] {
        assert_limited(&browser.send(from(chain, login())).await);
    }
    let noted = login().header("forwarded", "for=192.0.2.9, for=\"192.0.2.7:80\"");
    assert_limited(&browser.send(noted).await);
    // Right of it stands another client.
    use_up(&browser, || from("192.0.2.7, 192.0.2.9", login()), 4, 302).await;
}

/// R121: whoever has an IPv6 address has 2⁶⁴ of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ipv6_network_counts_as_one_address() {
    let world = world("logins", FEW).spawn().await;
    let browser = world.browser();
    for client in
        ["2001:db8:0:7::1", "2001:db8:0:7::2", "[2001:db8:0:7:ffff:ffff:ffff:ffff]:443", "2001:DB8:0:7:1::"]
    {
        assert_eq!(browser.send(from(client, login())).await.status, 302, "{client}");
    }
    assert_limited(&browser.send(from("2001:db8:0:7:8::8", login())).await);
    use_up(&browser, || from("2001:db8:0:8::1", login()), 4, 302).await;
    use_up(&browser, || from("2001:db8:1:7::1", login()), 4, 302).await;
}
