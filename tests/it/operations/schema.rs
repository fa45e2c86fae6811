//! A layout in Redis that a newer version has made.

use super::{environment, process, world};
use crate::support::process::{Process, run};

/// Contract §7: an instance that does not know the layout does not serve, and says why.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serve_refuses_a_newer_layout() {
    let world = world().spawn().await;
    let _: String = world.redis().ask(&["SET", "whisk-bff:schema", "99", "PX", "3600000"]).await;
    let output = run(&["serve"], &environment(&world, &[])).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!out.contains("\"listening\""), "{out}");
    assert!(err.contains("99") && err.contains("newer build"), "{err}");
    for command in [&["migrate"][..], &["migrate", "--dry-run"]] {
        assert_eq!(run(command, &environment(&world, &[])).await.status.code(), Some(1), "{command:?}");
    }
    let kept: String = world.redis().ask(&["GET", "whisk-bff:schema"]).await;
    assert_eq!(kept, "99");
    let _: i64 = world.redis().ask(&["DEL", "whisk-bff:schema"]).await;
    process(&world, &[]).await;
}

/// Contract §7: the same where Redis was away at the start, as soon as it is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serve_ends_where_the_layout_turns_out_to_be_newer() {
    let world = world().spawn().await;
    let _: String = world.redis().ask(&["SET", "whisk-bff:schema", "99", "PX", "3600000"]).await;
    world.redis().stop();
    let mut process = Process::serve(environment(&world, &[])).await;
    assert_eq!(process.ask_admin("/readyz").0, 503);
    world.redis().restart().await;
    let status = process.wait().await;
    assert_eq!(status.code(), Some(1), "{}", process.logs());
    assert!(process.logs().contains("99"), "{}", process.logs());
}
