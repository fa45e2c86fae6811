//! The API: tokens, recipes, lists, and the routes that tell a test what arrived.

use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::client::{World, location, text};

async fn signed_in() -> (World, String) {
    let world = World::new().await;
    let token = text(&world.log_in("a").await, "access_token");
    (world, token)
}

async fn json_of(request: reqwest::RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_needs_one_bearer_token() {
    let (world, token) = signed_in().await;
    let get = |path: &str| world.http.get(world.at(path));
    for (request, status, code) in [
        (get("/v2/me"), 401, "auth.tokenRequired"),
        (get("/v2/nothing"), 401, "auth.tokenRequired"),
        (get("/user/v2/me"), 401, "auth.tokenRequired"),
        (get("/v2/me").header("authorization", "Token abc"), 401, "auth.tokenInvalid"),
        (get("/v2/me").bearer_auth("unknown"), 401, "auth.tokenNotFound"),
        (get("/v2/me").bearer_auth(&token).bearer_auth(&token), 400, "request.invalid"),
        (get(&format!("/v2/me?access_token={token}")), 401, "auth.tokenRequired"),
        (get("/v2/nothing").bearer_auth(&token), 404, "request.notFound"),
    ] {
        let (answered, body) = json_of(request).await;
        assert_eq!((answered, body["code"].as_str()), (status, Some(code)));
    }
    for path in ["/v2/me", "/user/v2/me"] {
        let answer = world.api(path, &token).send().await.unwrap();
        assert_eq!(answer.json::<Value>().await.unwrap()["id"], "demo-cook");
        let head = world.http.head(world.at(path)).bearer_auth(&token).send().await.unwrap();
        assert_eq!(head.status(), 200);
        assert!(head.headers()[header::CONTENT_LENGTH] != "0");
    }
    assert_eq!(world.sandbox.journal().count_path("/user/v2/"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn recipes_have_entity_tags() {
    let (world, token) = signed_in().await;
    let (_, list) = json_of(world.api("/v2/recipes", &token)).await;
    assert_eq!(list["recipes"][0]["id"], "flatbread");
    let recipe = world.api("/v2/recipes/flatbread", &token).send().await.unwrap();
    let tag = recipe.headers()[header::ETAG].clone();
    assert_eq!(recipe.json::<Value>().await.unwrap()["name"], "Flatbread");
    let again = world.api("/v2/recipes/flatbread", &token).header("if-none-match", &tag);
    let again = again.send().await.unwrap();
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(again.headers()[header::ETAG], tag);
    assert_eq!(again.bytes().await.unwrap().len(), 0);
    let (status, _) = json_of(world.api("/recipe/v2/get?id=tomato-soup", &token)).await;
    assert_eq!(status, 200);
    let (status, _) = json_of(world.api("/recipe/v2/recipes/tomato-soup", &token)).await;
    assert_eq!(status, 200);
    let (status, body) = json_of(world.api("/v2/recipes/none", &token)).await;
    assert_eq!((status, &body["code"]), (404, &json!("recipe.notFound")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shopping_list_can_be_written() {
    let (world, token) = signed_in().await;
    let call = |method: Method, path: &str| world.http.request(method, world.at(path)).bearer_auth(&token);
    let items = "/v2/lists/groceries/items";
    let (status, item) = json_of(call(Method::POST, items).json(&json!({"name": "Milk"}))).await;
    assert_eq!(status, 201);
    let path = format!("{items}/{}", text(&item, "id"));
    let (_, changed) = json_of(call(Method::PATCH, &path).json(&json!({"checked": true}))).await;
    assert_eq!((&changed["name"], &changed["checked"]), (&json!("Milk"), &json!(true)));
    let (_, all) = json_of(call(Method::GET, items)).await;
    assert_eq!(all["items"].as_array().unwrap().len(), 3);
    let gone = call(Method::DELETE, &path).send().await.unwrap();
    assert_eq!(gone.status(), 204);
    assert_eq!(call(Method::DELETE, &path).send().await.unwrap().status(), 404);
    assert_eq!(call(Method::DELETE, items).send().await.unwrap().status(), 204);

    let (status, list) = json_of(call(Method::POST, "/v2/lists").json(&json!({"name": "Fest"}))).await;
    assert_eq!((status, &list["item_count"]), (201, &json!(0)));
    let list = format!("/list/v2/lists/{}", text(&list, "id"));
    assert_eq!(json_of(call(Method::GET, &list)).await.1["name"], "Fest");
    assert_eq!(call(Method::DELETE, &list).send().await.unwrap().status(), 204);
    let (_, lists) = json_of(call(Method::GET, "/v2/lists")).await;
    assert_eq!(lists, json!({"lists": [{"id": "groceries", "name": "Groceries", "item_count": 0}]}));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_echo_tells_what_arrived_and_keeps_the_token() {
    let (world, token) = signed_in().await;
    let target = "/v2/echo/a%2fb//c;d?x=%20&x=+&y";
    let request = world.http.patch(world.at(target)).bearer_auth(&token);
    let answer = request.header("x-one", "1").header("x-one", "2").body("abc").send().await.unwrap();
    let body = answer.text().await.unwrap();
    assert!(!body.contains(&token));
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["method"], "PATCH");
    assert_eq!(body["target"], target);
    assert_eq!(body["version"], "HTTP/1.1");
    assert_eq!(body["owner"], "demo-cook");
    assert_eq!(body["body"]["length"], 3);
    assert_eq!(body["body"]["sha256"], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    let headers = body["headers"].as_array().unwrap();
    assert!(headers.contains(&json!(["x-one", "1"])) && headers.contains(&json!(["x-one", "2"])));

    let entry = world.sandbox.journal().api().pop().unwrap();
    assert_eq!((entry.target.as_str(), entry.body.as_slice()), (target, &b"abc"[..]));
    assert_eq!((entry.header_count("x-one"), entry.header_str("x-one")), (2, Some("1")));
    assert_eq!((entry.status, entry.body_length, &*entry.version), (Some(200), 3, "HTTP/1.1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn any_status_can_be_had() {
    let (world, token) = signed_in().await;
    let get = async |path: &str| world.api(path, &token).send().await.unwrap();
    for code in [200, 204, 205, 304, 400, 404, 418, 500, 599] {
        let answer = get(&format!("/v2/status/{code}")).await;
        assert_eq!(answer.status(), code);
        let empty = answer.bytes().await.unwrap().is_empty();
        assert_eq!(empty, matches!(code, 204 | 205 | 304), "{code}");
    }
    let (status, body) = json_of(world.api("/v2/status/401", &token)).await;
    assert_eq!((status, &body["code"]), (401, &json!("auth.tokenExpired")));
    assert_eq!(get("/v2/status/429").await.headers()[header::RETRY_AFTER], "7");
    let redirect = get("/v2/status/302?location=/v2/me").await;
    assert_eq!(location(&redirect), "/v2/me");
    let plain = get("/v2/status/500?body=oops").await;
    assert_eq!(plain.headers()[header::CONTENT_TYPE], "text/plain");
    assert_eq!(plain.text().await.unwrap(), "oops");
    assert_eq!(get("/user/v2/status/418").await.status(), 418);
    assert_eq!(get("/v2/status/100").await.status(), 400);
    let posted = world.http.post(world.at("/v2/status/503")).bearer_auth(&token);
    assert_eq!(posted.body("x").send().await.unwrap().status(), 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_header_can_be_had() {
    let (world, token) = signed_in().await;
    let path = "/v2/headers?set-cookie=a%3Db&x-many=1&x-many=2&server=whisk&content-length=9999";
    let answer = world.api(path, &token).send().await.unwrap();
    assert_eq!(answer.headers()["set-cookie"], "a=b");
    assert_eq!(answer.headers().get_all("x-many").iter().count(), 2);
    assert_eq!(answer.headers()["server"], "whisk");
    assert_eq!(answer.text().await.unwrap(), "{\"headers_set\":4}");
}
