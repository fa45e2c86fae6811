//! What an operator sees of it.

use serde_json::Value;

use super::{FEW, KINDS, Kind, MINUTE, assert_limited, from, use_up, world};
use crate::support::World;
use crate::support::world::logs;

fn refusals(world: &World, limit: &str) -> f64 {
    world.metric(0, &format!("whisk_bff_rate_limited_total{{limit=\"{limit}\"}}"))
}

/// The security records of a client's refusals: level and reason.
fn told(client: &str) -> Vec<(String, String)> {
    let lines = logs();
    let records = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    records
        .filter(|record| record["event"] == "rate_limited" && record["client"] == client)
        .map(|record| {
            let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
            (text("level"), text("reason"))
        })
        .collect()
}

/// R113, R121: each refusal counts; the log gets one record a minute for each limit and address,
/// so that a flood does not become one of lines.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_refusal_is_counted_and_each_address_is_told_of_once_a_minute() {
    for (n, Kind { limit, call, status }) in KINDS.into_iter().enumerate() {
        let client = &format!("203.0.113.{n}");
        let world = world(limit, FEW).spawn().await;
        let browser = world.browser();
        let call = || from(client, call());
        assert!(refusals(&world, limit).abs() < f64::EPSILON);
        use_up(&browser, call, 4, status).await;
        for _ in 0..19 {
            assert_limited(&browser.send(call()).await);
        }
        assert!((refusals(&world, limit) - 20.0).abs() < f64::EPSILON, "{limit}");
        let known = world.metric(0, &format!("whisk_bff_rate_limit_addresses{{limit=\"{limit}\"}}"));
        assert!((known - 1.0).abs() < f64::EPSILON, "{limit}: {known}");
        assert_eq!(told(client), [("WARN".to_owned(), limit.to_owned())]);
        world.advance(MINUTE);
        for _ in 0..5 {
            assert_limited(&browser.send(call()).await);
        }
        assert_eq!(told(client).len(), 2, "{limit}");
        world.advance(40 * MINUTE);
        let known = world.metric(0, &format!("whisk_bff_rate_limit_addresses{{limit=\"{limit}\"}}"));
        assert!(known.abs() < f64::EPSILON, "{limit}: {known} after all debts have run off");
    }
}

/// R113, R121: a session that asks for too much is told of by its digest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_asks_for_too_much_is_counted_and_told_of() {
    let world = World::builder().set("limits.session_calls_per_second", "1").spawn().await;
    let browser = world.logged_in().await;
    let answers = futures_util::future::join_all((0..30).map(|_| browser.get("/v2/me"))).await;
    let refused = answers.iter().filter(|answer| answer.status == 429).count();
    assert!(refused > 0);
    let counted = refusals(&world, "session_calls_per_second");
    assert!((counted - refused as f64).abs() < f64::EPSILON, "{counted}, {refused}");
    let id = crate::support::records::session_id(&browser);
    let id = whisk_bff::model::SessionId::parse(&id).unwrap();
    let digest = whisk_bff::telemetry::session_digest(&id).short();
    let lines = logs();
    let records: Vec<&str> = lines
        .lines()
        .filter(|line| {
            line.contains("\"rate_limited\"") && line.contains(&digest) && line.contains("\"security\"")
        })
        .collect();
    assert_eq!(records.len(), 1, "{records:?}");
    assert!(records[0].contains("session_calls_per_second"));
    world.advance(MINUTE);
}
