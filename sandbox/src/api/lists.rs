//! Shopping lists, a set for each user, in memory.

use std::collections::HashMap;

use actix_web::{HttpResponse, http::StatusCode, http::header, web};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::error;
use crate::{
    grants::Owner,
    world::{World, locked},
};

/// The lists of all users, by user.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    users: HashMap<String, Vec<List>>,
    next_id: u64,
}

#[derive(Debug)]
struct List {
    id: String,
    name: String,
    items: Vec<Item>,
}

#[derive(Clone, Debug, Serialize)]
struct Item {
    id: String,
    name: String,
    checked: bool,
}

// By name, not by position: below `/{service}/v2/` the service is a segment too.
#[derive(Deserialize)]
pub(crate) struct At {
    list: String,
}

#[derive(Deserialize)]
pub(crate) struct AtItem {
    list: String,
    item: String,
}

#[derive(Deserialize)]
pub(crate) struct Named {
    name: String,
}

#[derive(Deserialize)]
pub(crate) struct Change {
    name: Option<String>,
    checked: Option<bool>,
}

impl Lists {
    fn of(&mut self, user_id: &str) -> &mut Vec<List> {
        self.users.entry(user_id.to_owned()).or_insert_with(|| vec![starter()])
    }

    fn fresh_id(&mut self) -> String {
        self.next_id += 1;
        self.next_id.to_string()
    }
}

/// The list everybody has at first.
fn starter() -> List {
    let item = |id: &str, name: &str| Item { id: id.to_owned(), name: name.to_owned(), checked: false };
    List {
        id: "groceries".to_owned(),
        name: "Groceries".to_owned(),
        items: vec![item("flour", "Flour"), item("tomatoes", "Tomatoes")],
    }
}

impl List {
    fn brief(&self) -> serde_json::Value {
        json!({ "id": self.id, "name": self.name, "item_count": self.items.len() })
    }
}

type OwnerData = web::ReqData<Owner>;
type WorldData = web::Data<World>;

/// `GET /v2/lists`.
pub(crate) async fn all(owner: OwnerData, world: WorldData) -> HttpResponse {
    let mut lists = locked(&world.lists);
    let brief: Vec<_> = lists.of(&owner.user_id).iter().map(List::brief).collect();
    HttpResponse::Ok().json(json!({ "lists": brief }))
}

/// `POST /v2/lists` with `{"name"}`.
pub(crate) async fn create(owner: OwnerData, world: WorldData, named: web::Json<Named>) -> HttpResponse {
    let mut lists = locked(&world.lists);
    let list = List { id: lists.fresh_id(), name: named.into_inner().name, items: Vec::new() };
    let (id, brief) = (list.id.clone(), list.brief());
    lists.of(&owner.user_id).push(list);
    HttpResponse::Created().insert_header((header::LOCATION, format!("/v2/lists/{id}"))).json(brief)
}

/// `GET /v2/lists/{list}`.
pub(crate) async fn one(owner: OwnerData, world: WorldData, at: web::Path<At>) -> HttpResponse {
    with_list(&owner, &world, &at.list, |list| {
        let mut whole = list.brief();
        whole["items"] = json!(list.items);
        HttpResponse::Ok().json(whole)
    })
}

/// `DELETE /v2/lists/{list}`.
pub(crate) async fn remove(owner: OwnerData, world: WorldData, at: web::Path<At>) -> HttpResponse {
    let mut lists = locked(&world.lists);
    let lists = lists.of(&owner.user_id);
    let before = lists.len();
    lists.retain(|list| list.id != at.list);
    removed(lists.len() < before)
}

/// `GET /v2/lists/{list}/items`.
pub(crate) async fn items(owner: OwnerData, world: WorldData, at: web::Path<At>) -> HttpResponse {
    with_list(&owner, &world, &at.list, |list| HttpResponse::Ok().json(json!({ "items": list.items })))
}

/// `POST /v2/lists/{list}/items` with `{"name"}`.
pub(crate) async fn add(
    owner: OwnerData,
    world: WorldData,
    at: web::Path<At>,
    named: web::Json<Named>,
) -> HttpResponse {
    let item_id = locked(&world.lists).fresh_id();
    with_list(&owner, &world, &at.list, |list| {
        let item = Item { id: item_id, name: named.into_inner().name, checked: false };
        list.items.push(item.clone());
        HttpResponse::Created().json(item)
    })
}

/// `DELETE /v2/lists/{list}/items`: empties the list.
pub(crate) async fn clear(owner: OwnerData, world: WorldData, at: web::Path<At>) -> HttpResponse {
    with_list(&owner, &world, &at.list, |list| {
        list.items.clear();
        removed(true)
    })
}

/// `PATCH /v2/lists/{list}/items/{item}` with `{"name"?, "checked"?}`.
pub(crate) async fn change(
    owner: OwnerData,
    world: WorldData,
    at: web::Path<AtItem>,
    change: web::Json<Change>,
) -> HttpResponse {
    let AtItem { list, item } = at.into_inner();
    with_list(&owner, &world, &list, |list| {
        let Some(item) = list.items.iter_mut().find(|one| one.id == item) else {
            return no_item();
        };
        let change = change.into_inner();
        item.checked = change.checked.unwrap_or(item.checked);
        if let Some(name) = change.name {
            item.name = name;
        }
        HttpResponse::Ok().json(item)
    })
}

/// `DELETE /v2/lists/{list}/items/{item}`.
pub(crate) async fn remove_item(owner: OwnerData, world: WorldData, at: web::Path<AtItem>) -> HttpResponse {
    let AtItem { list, item } = at.into_inner();
    with_list(&owner, &world, &list, |list| {
        let before = list.items.len();
        list.items.retain(|one| one.id != item);
        removed(list.items.len() < before)
    })
}

fn with_list(
    owner: &Owner,
    world: &World,
    id: &str,
    answer: impl FnOnce(&mut List) -> HttpResponse,
) -> HttpResponse {
    let mut lists = locked(&world.lists);
    match lists.of(&owner.user_id).iter_mut().find(|list| list.id == id) {
        Some(list) => answer(list),
        None => error(404, "list.notFound", "there is no such list"),
    }
}

fn removed(existed: bool) -> HttpResponse {
    if existed { HttpResponse::build(StatusCode::NO_CONTENT).finish() } else { no_item() }
}

fn no_item() -> HttpResponse {
    error(404, "list.itemNotFound", "there is no such item")
}
