//! The few recipes there are, and the conditional requests they answer.

use actix_web::{HttpRequest, http::header};
use serde_json::{Value, json};

/// All recipes.
pub(crate) fn recipes() -> Vec<Value> {
    vec![
        json!({
            "id": "flatbread",
            "name": "Flatbread",
            "servings": 4,
            "ingredients": ["300 g flour", "180 ml water", "1 tsp salt"],
            "steps": ["Mix.", "Rest for half an hour.", "Roll thin and bake in a hot dry pan."],
        }),
        json!({
            "id": "tomato-soup",
            "name": "Tomato soup",
            "servings": 2,
            "ingredients": ["800 g tomatoes", "1 onion", "2 tbsp olive oil"],
            "steps": ["Soften the onion in the oil.", "Add the tomatoes.", "Simmer and blend."],
        }),
        json!({
            "id": "jam-crepes",
            "name": "Crêpes with jam",
            "servings": 3,
            "ingredients": ["2 eggs", "250 ml milk", "120 g flour", "jam"],
            "steps": ["Whisk eggs, milk and flour.", "Rest.", "Fry thin, spread, fold."],
        }),
    ]
}

/// Whether `If-None-Match` names this entity tag (RFC 9110 section 13.1.2).
pub(crate) fn is_fresh(request: &HttpRequest, tag: &str) -> bool {
    request
        .headers()
        .get_all(header::IF_NONE_MATCH)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|one| one.trim())
        .any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}
