//! The token endpoint is down for ten minutes, of the brokers' time.

use std::time::Duration;

use whisk_sandbox::TokenFault;

use crate::support::{Browser, World};

const MINUTE: Duration = Duration::from_secs(60);
const STEP: Duration = Duration::from_secs(5);
const OUTAGE: Duration = Duration::from_secs(600);
/// The longest pause of the circuit breaker.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// R38, R40, contract §6.3: whoever has a live token notices nothing; when it has expired he gets
/// 503 with his cookie untouched; the endpoint is asked seldom, however many ask us; and when it is
/// back everyone is served again without a login.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_minutes_without_a_token_endpoint_log_nobody_out() {
    let world = World::builder().spawn().await;
    let whisk = &world.sandbox;
    let mut browsers = Vec::new();
    // Some tokens outlive the outage, some expire in its middle, some at its beginning.
    for (lives, number) in [(60 * MINUTE, 10), (5 * MINUTE, 10), (2 * STEP, 10)] {
        whisk.behaviour(|whisk| whisk.access_token_lifetime = lives);
        for _ in 0..number {
            browsers.push((world.logged_in().await, lives));
        }
    }
    whisk.behaviour(|whisk| {
        whisk.access_token_lifetime = 60 * MINUTE;
        whisk.token_faults = [
            TokenFault::Status(503, String::new(), String::new()),
            TokenFault::Status(500, "<html>".to_owned(), "text/html".to_owned()),
            TokenFault::Status(429, "{}".to_owned(), "application/json".to_owned()),
            TokenFault::Garbage("{".to_owned()),
            TokenFault::DropBeforeAnswer,
        ]
        .into_iter()
        .cycle()
        .take(100_000)
        .collect();
    });
    whisk.journal().clear();

    let (mut served, mut refused) = (0, 0);
    let mut gone = Duration::ZERO;
    while gone < OUTAGE {
        world.advance(STEP);
        gone += STEP;
        for (browser, lives) in &browsers {
            let answer = browser.get("/v2/me").await;
            assert_eq!(answer.set_cookies(), [""; 0]);
            // A token's life is told in whole seconds, and real time passes as well.
            if gone + 2 * STEP < *lives {
                assert_eq!(answer.status, 200, "after {gone:?} of {lives:?}: {answer:?}");
                served += 1;
            } else if gone > *lives {
                answer.assert_problem(503, "login_server_unavailable");
                let again = answer.header("retry-after").parse().map(Duration::from_secs).unwrap();
                assert!(again <= LONGEST_PAUSE, "{again:?}");
                refused += 1;
            }
        }
    }
    assert!(served > 10 * 120 && refused > 10 * 100, "{served} {refused}");
    let asked = whisk.journal().grants("refresh_token");
    // Thirty sessions in 120 rounds, of which the breaker lets one ask now and then.
    println!("the token endpoint was asked {asked} times in ten minutes");
    assert!((10..=120).contains(&asked), "{asked}");

    whisk.behaviour(|whisk| whisk.token_faults.clear());
    world.advance(LONGEST_PAUSE);
    let logins = whisk.journal().grants("authorization_code");
    for round in 0.. {
        let mut healed = 0;
        for (browser, _) in &browsers {
            healed += usize::from(heals(browser).await);
        }
        if healed == browsers.len() {
            break;
        }
        assert!(round < 30, "{healed} of {} are served again", browsers.len());
        // A session that failed a moment ago has a pause of its own, by the store's clock.
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(whisk.journal().grants("authorization_code"), logins);
    assert_eq!(whisk.journal().granted("refresh_token"), 20, "each expired session once");
}

async fn heals(browser: &Browser) -> bool {
    let answer = browser.get("/v2/me").await;
    assert_eq!(answer.set_cookies(), [""; 0]);
    if answer.status != 200 {
        answer.assert_problem(503, "login_server_unavailable");
    }
    answer.status == 200
}
