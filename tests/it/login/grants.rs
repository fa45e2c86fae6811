//! What the token endpoint grants, in all the shapes it is told in.

use serde_json::{Value, json};
use whisk_sandbox::{RefreshTokenPolicy, ScopeShape};

use super::*;

/// W2, R17: no shape of `scope` costs a login, and each is read for what it says; where it says
/// nothing, what was asked for was granted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_shape_of_scope_logs_in() {
    let world = World::builder().set("whisk.scopes", "a:b,c.d,offline_access").spawn().await;
    let all = json!(["a:b", "c.d", "offline_access"]);
    for (shape, expected) in [
        (ScopeShape::Array, all.clone()),
        (ScopeShape::SpaceString, all.clone()),
        (ScopeShape::CommaString, all.clone()),
        (ScopeShape::Raw(json!("a:b, c.d,offline_access")), all.clone()),
        (ScopeShape::EmptyString, json!([])),
        (ScopeShape::Raw(json!([])), json!([])),
        (ScopeShape::Null, all.clone()),
        (ScopeShape::Absent, all.clone()),
        (ScopeShape::Raw(json!([1, {}])), json!([])),
        (ScopeShape::Raw(json!([1, {}, "a:b", null, [["deep"]]])), json!(["a:b"])),
        (ScopeShape::Raw(json!("a:b a:b")), json!(["a:b"])),
        (ScopeShape::Raw(json!({"a:b": true})), all.clone()),
        (ScopeShape::Raw(json!(7)), all.clone()),
    ] {
        world.sandbox.behaviour(|behaviour| {
            behaviour.scope_shape = shape.clone();
            behaviour.issue_refresh_token = RefreshTokenPolicy::Always;
        });
        let browser = world.logged_in().await;
        assert_eq!(sorted(&session(&browser).await["scopes"]), sorted(&expected), "{shape:?}");
        assert_eq!(browser.get("/v2/me").await.status, 200, "{shape:?}");
    }
}

/// R17: a narrower grant than was asked for is accepted, and shown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_narrower_grant_is_accepted_and_shown() {
    let world = World::builder().set("whisk.scopes", "a:b,c.d,offline_access").spawn().await;
    let browser = world.browser();
    let callback = browser.decide("/auth/login", "allow", Some(&["a:b"])).await;
    assert_eq!(browser.come_back(&callback).await.status, 303);
    assert_eq!(session(&browser).await["scopes"], json!(["a:b"]));
    assert_eq!(browser.get("/v2/me").await.status, 200);
    browser.expect_alive();
}

/// R23, R128, W29, W30: unknown members, nested ones too, an `id_token` and a token of any length
/// or look change nothing: who is logged in is not read from any of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_members_and_odd_tokens_change_nothing() {
    let world = World::spawn().await;
    let forged = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiIsIm5hbWUiOiJFdmlsIn0.";
    for (prefix, members) in [
        ("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.c2ln", json!({})),
        (&*"x".repeat(8192), json!({})),
        ("~!#$%&'()*,/:;<=>?@[]^{|}", json!({})),
        ("a", json!({"id_token": forged})),
        (
            "b",
            json!({"new_user": true, "preferences": {"deep": [{"deeper": [[[[1]]]]}]}, "created": 1_700_000_000_000_u64}),
        ),
        ("c", json!({"user": {"id": "admin"}, "user_id": "admin", "sub": "admin", "kind": "anonymous"})),
        ("d", json!({"token_type": "bEaReR"})),
    ] {
        world.sandbox.behaviour(|behaviour| {
            behaviour.access_token_text = Some(prefix.to_owned());
            behaviour.extra_members = members.as_object().unwrap().clone();
        });
        let browser = world.logged_in().await;
        let me = browser.get("/v2/me").await;
        assert_eq!((me.status.as_u16(), &me.json()["id"]), (200, &json!("demo-baker")), "{members}");
        let bearer = world.sandbox.journal().api().last().unwrap().bearer().unwrap().to_owned();
        assert!(bearer.starts_with(prefix));
        let told = session(&browser).await;
        assert_eq!((&told["kind"], &told["user_id"]), (&json!("user"), &Value::Null), "{members}");
        let text = told.to_string();
        assert!(!text.contains("admin") && !text.contains("Evil") && !text.contains("preferences"), "{text}");
    }
}

/// W29: members that nobody needs are not stored, however large.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_unknown_member_is_not_stored() {
    let world = World::builder().redis().spawn().await;
    world.logged_in().await;
    let mut sizes = vec![stored_bytes(&world).await];
    for members in [json!({}), json!({"new_user": true, "preferences": {"text": "p".repeat(10 * 1024)}})] {
        world.sandbox.behaviour(|behaviour| behaviour.extra_members = members.as_object().unwrap().clone());
        world.logged_in().await;
        sizes.push(stored_bytes(&world).await);
    }
    let (without, with) = (sizes[1] - sizes[0], sizes[2] - sizes[1]);
    assert!(without > 0 && with.abs_diff(without) < 16, "{sizes:?}");
}

#[expect(clippy::await_holding_lock, reason = "a test has its world's Redis for itself")]
async fn stored_bytes(world: &World) -> usize {
    world.redis().dump_all_bytes().await.len()
}

fn sorted(names: &Value) -> Vec<String> {
    let mut names: Vec<String> = serde_json::from_value(names.clone()).unwrap();
    names.sort();
    names
}
