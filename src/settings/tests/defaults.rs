//! What holds when nothing is said, and that `config/` tells the truth about it.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::*;
use super::{KEY, from_environment, load, with};
use crate::model::Rate;

const DEFAULTS: &str = include_str!("../../../config/default.toml");
const PRODUCTION: &str = include_str!("../../../config/production.toml");
const README: &str = include_str!("../../../config/README.md");
const HOUR: u64 = 3600;

#[test]
fn every_default_is_the_documented_one() {
    let settings = from_environment(&[]).unwrap();
    let cores = std::thread::available_parallelism().unwrap().get();

    let expected = Settings {
        server: Server {
            public_url: PublicUrl::parse("https://app.example.com", false).unwrap(),
            listen: "127.0.0.1:8080".parse().unwrap(),
            admin_listen: Some("127.0.0.1:9090".parse().unwrap()),
            workers: cores,
            max_connections: 25_000,
            max_connections_per_address: 10_000,
            head_timeout: Duration::from_secs(10),
            keep_alive_timeout: Duration::from_secs(75),
            trusted_proxies: vec![],
            allow_insecure: false,
            drain_delay: Duration::from_secs(5),
            shutdown_grace: Duration::from_secs(30),
        },
        whisk: Whisk {
            login_url: "https://login.whisk.com".parse().unwrap(),
            api_url: "https://api.whisk.com".parse().unwrap(),
            authorize_path: "/oauth/v2/authorize".to_owned(),
            token_path: "/oauth/v2/token".to_owned(),
            client_id: "client".to_owned(),
            client_secret: Secret::new("SEC_MARK_CLIENT".to_owned()),
            scopes: vec!["offline_access".to_owned()],
            identity_providers: vec!["google".to_owned(), "facebook".to_owned()],
            client_auth: ClientAuth::Body,
            token_encoding: TokenEncoding::Form,
            pkce: true,
            timeout: Duration::from_secs(10),
            issuer: None,
            forbidden_query: vec!["access_token".to_owned(), "token".to_owned()],
        },
        session: Session {
            idle_timeout: Duration::from_secs(30 * 24 * HOUR),
            absolute_timeout: Duration::from_secs(365 * 24 * HOUR),
            same_site: SameSite::Strict,
            refresh_ahead: Duration::from_secs(60),
        },
        sealing: Sealing { keys: vec![], keys_file: None },
        store: Store {
            url: StoreUrl::Embedded { path: "data/whisk-bff.redb".into() },
            key_prefix: "whisk-bff".to_owned(),
            timeout: Duration::from_millis(500),
            cache_max_age: Duration::from_secs(60),
            outage_grace: Duration::from_secs(30),
        },
        forward: Forward {
            routes: vec![RoutePattern::Prefix("/v2/".to_owned())],
            connect_timeout: Duration::from_secs(5),
            response_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            max_body: 100 << 20,
            replay_limit: 64 << 10,
            pool_idle_timeout: Duration::from_secs(20),
        },
        csrf: Csrf { require_header: false },
        anonymous: Anonymous {
            enabled: false,
            create_url: "https://login.whisk.com/auth/anonymous/create".parse().unwrap(),
            origin: None,
            client_id_header: None,
            body: BodyTemplate::parse(r#"{"clientId":"{client_id}"}"#).unwrap(),
        },
        limits: Limits {
            logins: Rate::new(1200, Duration::from_secs(60)),
            anonymous_users: Rate::new(60, Duration::from_secs(60)),
            failed_callbacks: Rate::new(600, Duration::from_secs(60)),
            unknown_cookies: Rate::new(1200, Duration::from_secs(60)),
            addresses: 16_384,
            session_in_flight: None,
            session_calls_per_second: None,
        },
    };
    assert_eq!(settings, expected);
    assert!(settings.warnings().is_empty(), "{:?}", settings.warnings());
}

/// `section.key` of each key in a settings file.
fn keys(text: &str) -> BTreeSet<String> {
    let table: toml::Table = text.parse().unwrap();
    let in_section = |(name, section): (&String, &toml::Value)| -> Vec<String> {
        section.as_table().unwrap().keys().map(|key| format!("{name}.{key}")).collect()
    };
    table.iter().flat_map(in_section).collect()
}

#[test]
fn the_default_file_holds_exactly_the_keys_that_are_read() {
    // `effective` writes each field of each section, and a key that nobody reads is refused.
    let shown = from_environment(&[]).unwrap().effective();
    assert_eq!(keys(DEFAULTS), keys(&shown));
}

#[test]
fn every_key_of_the_default_file_has_a_comment_of_its_own() {
    let mut commented = false;
    for line in DEFAULTS.lines() {
        if line.starts_with('#') {
            commented = true;
        } else if line.contains(" = ") {
            assert!(commented, "no comment above {line:?}");
            commented = false;
        } else {
            commented = false;
        }
    }
}

#[test]
fn the_readme_names_every_key_and_its_default() {
    let table: toml::Table = DEFAULTS.parse().unwrap();
    for key in keys(DEFAULTS) {
        let row = README.lines().find(|line| line.starts_with(&format!("| `{key}`")));
        let row = row.unwrap_or_else(|| panic!("config/README.md has no row for {key}"));
        let (section, name) = key.split_once('.').unwrap();
        match &table[section][name] {
            toml::Value::String(text) if text.is_empty() => {}
            toml::Value::Array(items) if items.is_empty() => {}
            default => assert!(row.contains(&format!("`{default}`")), "{row} does not say {default}"),
        }
    }
}

#[test]
fn the_production_example_loads_with_the_secrets_it_asks_for() {
    let folder = tempfile::TempDir::new().unwrap();
    let example = super::file(&folder, "production.toml", PRODUCTION);
    let keys = super::file(&folder, "sealing-keys", &format!("# newest first\nk2:{KEY}\n\nk1:{KEY}\n"));
    let secret = super::file(&folder, "client-secret", "SEC_MARK\n");
    let store = super::file(&folder, "store-url", "rediss://whisk-bff:SEC_MARK@redis.example.com:6379/0\n");

    let settings = load(
        &[example],
        &[
            ("WHISK_BFF__WHISK__CLIENT_SECRET_FILE", secret.to_str().unwrap()),
            ("WHISK_BFF__SEALING__KEYS_FILE", keys.to_str().unwrap()),
            ("WHISK_BFF__STORE__URL_FILE", store.to_str().unwrap()),
        ],
    )
    .unwrap();
    assert_eq!(settings.sealing.keys.len(), 2);
    assert!(matches!(settings.store.url, StoreUrl::Redis(RedisUrl { tls: Some(_), .. })));
    assert!(settings.warnings().is_empty(), "{:?}", settings.warnings());
}

#[test]
fn the_effective_settings_read_back_as_themselves_and_show_no_secret() {
    let pair = format!("k2:{KEY},k1:{KEY}");
    let settings = with(&[
        ("server.public_url", "http://[::1]:8080"),
        ("server.admin_listen", ""),
        ("server.trusted_proxies", "10.0.0.0/8,192.0.2.7,2001:db8::1"),
        ("whisk.login_url", "https://login.example.com/base/"),
        ("whisk.scopes", "a:b,c.d"),
        ("whisk.client_auth", "basic"),
        ("whisk.token_encoding", "multipart"),
        ("whisk.issuer", "https://login.example.com"),
        ("whisk.pkce", "false"),
        ("session.same_site", "lax"),
        ("session.idle_timeout", "90m"),
        ("sealing.keys", &pair),
        ("store.url", "rediss+sentinel://bff:SEC_MARK%40@[2001:db8::5]:1,b/my-master/3?ca=/a%26b.pem"),
        ("store.timeout", "1500ms"),
        ("forward.routes", "/v2/,/{service}/v2/,/list/v2/"),
        ("forward.replay_limit", "0"),
        ("forward.max_body", "1500"),
        ("anonymous.enabled", "true"),
        ("anonymous.origin", "https://www.example.com"),
        ("anonymous.client_id_header", "X-Whisk-Client-Id"),
        ("anonymous.body", r#"{"user_params":{}}"#),
        ("limits.logins", "5/90s"),
        ("limits.unknown_cookies", "off"),
        ("limits.session_in_flight", "32"),
        ("limits.session_calls_per_second", "50"),
    ])
    .unwrap();

    let shown = settings.effective();
    for secret in ["SEC_MARK", KEY] {
        assert!(!shown.contains(secret), "{shown}");
        assert!(!format!("{settings:?}").contains(secret));
    }
    assert_eq!(shown.matches("[redacted]").count(), 4, "{shown}");

    let restored = shown
        .replace("client_secret = \"[redacted]\"", "client_secret = \"SEC_MARK_CLIENT\"")
        .replace("bff:[redacted]@", "bff:SEC_MARK%40@")
        .replace("[redacted]", KEY);
    let folder = tempfile::TempDir::new().unwrap();
    let again = load(&[super::file(&folder, "shown.toml", &restored)], &[]).unwrap();
    assert_eq!(again, settings);
    assert_eq!(again.effective(), shown);
}
