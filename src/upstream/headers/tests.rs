//! What crosses and what does not, in tables.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod request;
mod response;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::fields::{HOP_BY_HOP, Match, elements};

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

/// The values of one name, in order, `|` between them.
fn values(headers: &HeaderMap, name: &str) -> String {
    let values: Vec<_> = headers
        .get_all(name)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .collect();
    values.join("|")
}

#[test]
fn every_line_of_a_table_can_match_and_says_why() {
    for rule in HOP_BY_HOP.iter().chain(super::request::TABLE).chain(super::response::TABLE) {
        let (Match::Exactly(name) | Match::StartingWith(name) | Match::EndingWith(name)) = rule.name;
        assert_eq!(name, name.to_ascii_lowercase().replace('_', "-"));
        assert!(HeaderName::from_bytes(name.as_bytes()).is_ok(), "{name}");
        assert!(rule.why.len() > 5, "{name} has no reason");
    }
}

#[test]
fn a_list_is_split_at_commas_outside_quotes() {
    let split = |list: &str| -> Vec<String> {
        elements(list.as_bytes()).map(|element| String::from_utf8_lossy(element).into_owned()).collect()
    };
    assert_eq!(split("a, b ,,\tc"), ["a", "b", "c"]);
    assert_eq!(split(r#"a="x,y", b"#), [r#"a="x,y""#, "b"]);
    assert_eq!(split(r#"a="x\",y", b"#), [r#"a="x\",y""#, "b"]);
    assert_eq!(split(r"a\, b"), [r"a\", "b"]);
    assert!(split("").is_empty());
}
