//! Big and long bodies.

use std::time::{Duration, Instant};

use reqwest::{StatusCode, header};
use serde_json::Value;
use whisk_sandbox::download_byte;

use crate::client::{World, text};

async fn signed_in() -> (World, String) {
    let world = World::new().await;
    let token = text(&world.log_in("a").await, "access_token");
    (world, token)
}

fn expected(from: u64, until: u64) -> Vec<u8> {
    (from..until).map(download_byte).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_has_a_length_and_known_content() {
    let (world, token) = signed_in().await;
    let size = 1_000_003;
    let path = format!("/v2/download?bytes={size}");
    let answer = world.api(&path, &token).send().await.unwrap();
    assert_eq!(answer.content_length(), Some(size));
    assert!(answer.bytes().await.unwrap() == expected(0, size));

    let chunked = world.api(&format!("{path}&chunked=1"), &token).send().await.unwrap();
    assert_eq!(chunked.headers()[header::TRANSFER_ENCODING], "chunked");
    assert!(chunked.bytes().await.unwrap() == expected(0, size));

    let head = world.http.head(world.at(&path)).bearer_auth(&token).send().await.unwrap();
    assert_eq!(head.headers()[header::CONTENT_LENGTH], size.to_string());
    assert_eq!(world.verdict(&token).await, "ok");
    assert!(world.sandbox.journal().api().iter().all(|entry| !entry.answer_cut));
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_are_answered() {
    let (world, token) = signed_in().await;
    let get = async |range: &str, condition: &str| {
        let request = world.api("/v2/download?bytes=1000", &token).header("range", range);
        let request = if condition.is_empty() { request } else { request.header("if-range", condition) };
        request.send().await.unwrap()
    };
    for (range, from, until) in [
        ("bytes=0-0", 0, 1),
        ("bytes=990-2000", 990, 1000),
        ("bytes=500-", 500, 1000),
        ("bytes=-7", 993, 1000),
    ] {
        let answer = get(range, "\"download-1000\"").await;
        assert_eq!(answer.status(), StatusCode::PARTIAL_CONTENT, "{range}");
        let told = format!("bytes {from}-{}/1000", until - 1);
        assert_eq!(answer.headers()[header::CONTENT_RANGE], told);
        assert_eq!(answer.content_length(), Some(until - from));
        assert_eq!(answer.bytes().await.unwrap(), expected(from, until));
    }
    let outside = get("bytes=1000-", "").await;
    assert_eq!(outside.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(outside.headers()[header::CONTENT_RANGE], "bytes */1000");
    for (range, condition) in
        [("bytes=0-1,4-5", ""), ("bytes=5-4", ""), ("lines=1-2", ""), ("bytes=0-1", "\"x\"")]
    {
        let whole = get(range, condition).await;
        assert_eq!((whole.status().as_u16(), whole.content_length()), (200, Some(1000)), "{range}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_comes_piece_by_piece() {
    let (world, token) = signed_in().await;
    let mut answer = world.api("/v2/stream?interval_ms=150", &token).send().await.unwrap();
    let begun = Instant::now();
    for number in 0..3 {
        let piece = answer.chunk().await.unwrap().unwrap();
        assert_eq!(piece, format!("{{\"line\":{number}}}\n"));
    }
    assert!(begun.elapsed() >= Duration::from_millis(290), "the pieces came together");
    drop(answer);
    let deadline = Instant::now() + Duration::from_secs(5);
    while !world.sandbox.journal().api()[0].answer_cut {
        assert!(Instant::now() < deadline, "the hang-up was not noticed");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    let events = world.api("/v2/stream?interval_ms=1&lines=2", &token);
    let events = events.header("accept", "text/event-stream").send().await.unwrap();
    assert_eq!(events.headers()[header::CONTENT_TYPE], "text/event-stream");
    let text = events.text().await.unwrap();
    assert_eq!(text, "id: 0\ndata: {\"line\":0}\n\nid: 1\ndata: {\"line\":1}\n\n");
    assert!(!world.sandbox.journal().api()[1].answer_cut);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_digested_as_it_comes() {
    let (world, token) = signed_in().await;
    let upload = |method: reqwest::Method, query: &str, body: Vec<u8>| {
        let url = world.at(&format!("/v2/upload{query}"));
        world.http.request(method, url).bearer_auth(&token).body(body)
    };
    let put = upload(reqwest::Method::PUT, "", b"abc".to_vec()).send().await.unwrap();
    let digest: Value = put.json().await.unwrap();
    assert_eq!(digest["bytes"], 3);
    assert_eq!(digest["sha256"], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    let size = 5_000_000;
    let post = upload(reqwest::Method::POST, "", vec![7; size]).send().await.unwrap();
    assert_eq!(post.json::<Value>().await.unwrap()["bytes"], size);
    let entry = world.sandbox.journal().api().pop().unwrap();
    assert_eq!((entry.body.len(), entry.body_length), (64 * 1024, size as u64));
    let refused = upload(reqwest::Method::POST, "?refuse_after=2&pause_ms=1", b"abc".to_vec());
    assert_eq!(refused.send().await.unwrap().status(), 413);
}
