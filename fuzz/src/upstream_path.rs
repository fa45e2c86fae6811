//! Request targets: what the matcher saw is what goes to the API (R71, R72, R80, W18).

use std::sync::LazyLock;

use http::Uri;
use url::{Position, Url, form_urlencoded};
use whisk_bff::settings::RoutePattern;
use whisk_bff::upstream::{PathError, Routes};

const ORIGIN: &str = "https://api.whisk.com";

pub(crate) static ROUTES: LazyLock<Routes> = LazyLock::new(|| {
    let patterns = [RoutePattern::Prefix("/v2/".to_owned()), RoutePattern::ServicePrefix];
    Routes::new(&Url::parse(ORIGIN).unwrap(), &patterns, &["access_token".to_owned(), "token".to_owned()])
});

pub(crate) fn run(input: &[u8]) {
    let Ok(target) = std::str::from_utf8(input) else { return };
    let path = target.split('?').next().unwrap();
    let parsed = ROUTES.parse(target);
    assert_eq!(matches!(parsed, Err(PathError::NotFound)), !ROUTES.matches(path), "{target:?}");
    let Ok(parsed) = parsed else { return };

    // Where it goes, by both types of the HTTP client.
    let url = Url::parse(&format!("{ORIGIN}{}", parsed.as_str())).unwrap();
    assert_eq!(&url[..Position::BeforePath], ORIGIN, "{target:?}");
    assert_eq!(&url[Position::BeforePath..], target);
    assert_eq!(parsed.as_str(), target);
    assert_eq!(Uri::try_from(url.as_str()).unwrap().path_and_query().unwrap().as_str(), target);

    assert_eq!(url.path(), path);
    let prefix = prefix(path);
    for reading in readings(path) {
        assert!(stays_below(&reading, prefix), "{target:?} leaves {prefix:?} as {reading:?}");
    }
    for (name, _) in form_urlencoded::parse(url.query().unwrap_or_default().as_bytes()) {
        let token = ["access_token", "token"].iter().any(|token| name.trim().eq_ignore_ascii_case(token));
        assert!(!token, "{target:?} holds a token");
    }
}

/// `/v2/` or `/{service}/v2/`.
fn prefix(path: &str) -> &str {
    if path.starts_with("/v2/") {
        return "/v2/";
    }
    let service = path[1..].split('/').next().unwrap();
    assert!(!service.is_empty() && !service.eq("auth") && !service.contains('%'), "{path:?}");
    let prefix = &path[..service.len() + "//v2/".len()];
    assert!(prefix.ends_with("/v2/"), "{path:?}");
    prefix
}

/// The path as servers may read it, decoded as often as they like.
fn readings(path: &str) -> impl Iterator<Item = String> {
    let mut bytes = path.as_bytes().to_vec();
    (0..6).map(move |_| {
        let reading = String::from_utf8_lossy(&bytes).replace('\\', "/");
        bytes = decoded(&bytes);
        reading
    })
}

/// No segment, with or without `;` parameters, climbs out of the prefix, nor stands for another
/// host.
fn stays_below(reading: &str, prefix: &str) -> bool {
    let Some(rest) = reading.strip_prefix(prefix) else { return false };
    let mut depth = 0_i32;
    rest.split('/').all(|segment| {
        depth += match segment.split(';').next().unwrap() {
            ".." => -1,
            _ => 1,
        };
        depth >= 0
    })
}

fn decoded(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        let escape = (*first == b'%')
            .then(|| tail.get(..2))
            .flatten()
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            .map(|digits| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap());
        decoded.push(escape.unwrap_or(*first));
        rest = &tail[if escape.is_some() { 2 } else { 0 }..];
    }
    decoded
}
