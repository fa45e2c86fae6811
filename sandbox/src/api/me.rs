//! `/v2/me` and the recipes.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    content::{is_fresh, recipes as all_recipes},
    error,
};
use crate::{grants::Owner, world::World};

/// `GET /v2/me`. The members that begin with `token_` tell of the access token what a page may
/// know: which one of its grant it is, and from when to when it is good, in milliseconds since 1970.
pub(crate) async fn me(owner: web::ReqData<Owner>, world: web::Data<World>) -> HttpResponse {
    let name = (world.config.users.iter())
        .find(|user| user.id == owner.user_id)
        .map_or("Anonymous", |user| &user.name);
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "private, no-cache")).json(json!({
        "id": owner.user_id,
        "name": name,
        "anonymous": owner.anonymous,
        "scopes": owner.scopes,
        "token_serial": owner.token_serial,
        "token_issued_at": owner.token_issued_at,
        "token_expires_at": owner.token_expires_at,
    }))
}

/// `GET /v2/recipes`.
pub(crate) async fn recipes() -> HttpResponse {
    let brief: Vec<Value> =
        (all_recipes().iter()).map(|recipe| json!({ "id": recipe["id"], "name": recipe["name"] })).collect();
    HttpResponse::Ok().json(json!({ "recipes": brief, "paging": { "total": brief.len() } }))
}

/// `GET /v2/recipes/{id}`, with an entity tag.
pub(crate) async fn recipe(request: HttpRequest, at: web::Path<ById>) -> HttpResponse {
    answer(&request, &at.id)
}

#[derive(Deserialize)]
pub(crate) struct ById {
    id: String,
}

/// `GET /recipe/v2/get?id=…`, as the older API has it.
pub(crate) async fn recipe_by_query(request: HttpRequest, query: web::Query<ById>) -> HttpResponse {
    answer(&request, &query.id)
}

fn answer(request: &HttpRequest, id: &str) -> HttpResponse {
    let Some(recipe) = all_recipes().into_iter().find(|recipe| recipe["id"] == id) else {
        return error(404, "recipe.notFound", "there is no such recipe");
    };
    let tag = format!("\"recipe-{id}-1\"");
    let fresh = is_fresh(request, &tag);
    let mut answer = if fresh { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer.insert_header((header::ETAG, tag)).insert_header((header::CACHE_CONTROL, "private, max-age=60"));
    if fresh { answer.finish() } else { answer.json(recipe) }
}
