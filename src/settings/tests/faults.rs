//! Whatever is wrong is found in one run, named, and not quoted.

use proptest::prelude::*;
use tempfile::TempDir;

use super::{REQUIRED, faults, file, from_file, load, with};

/// The keys that a file's faults name.
fn told(text: &str) -> Vec<String> {
    let faults = faults(from_file(text));
    for fault in &faults.0 {
        assert!(fault.layer.ends_with("site.toml"), "{fault}");
    }
    faults.0.into_iter().map(|fault| fault.key).collect()
}

#[test]
fn each_kind_of_fault_names_its_key() {
    for (text, keys) in [
        // Unknown.
        ("[server]\nlitsen = \"SEC_MARK\"", &["server.litsen"][..]),
        ("[limits]\nlogins = 1", &["limits.logins"]),
        ("[quotas]\nlogins = 1", &["quotas.logins"]),
        ("[quotas]", &["quotas"]),
        ("listen = \"SEC_MARK\"", &["listen"]),
        ("server = \"SEC_MARK\"", &["server"]),
        ("[[server]]\nlisten = \"SEC_MARK\"", &["server"]),
        ("[\"server.listen\"]\nx = 1", &["server.listen.x"]),
        ("\"server.listen\" = \"SEC_MARK\"", &["server.listen"]),
        ("[server]\n\"a\\nb\" = 1", &["server.a\\nb"]),
        ("[server]\nlisten_file = \"SEC_MARK\"", &["server.listen_file"]),
        // Twice.
        ("[server]\nworkers = 1\nworkers = 2", &["server.workers"]),
        ("[server]\n\"workers\" = 1\nworkers = 2", &["server.workers"]),
        ("[server]\n[csrf]\n[server]", &["server"]),
        ("server.workers = 1\nserver.workers = 2", &["workers"]),
        // Wrong types: a text is not a number, nor the other way round.
        ("[server]\nworkers = \"3\"", &["server.workers"]),
        ("[server]\nworkers = 3.5", &["server.workers"]),
        ("[server]\nworkers = 99999999999999999999", &["server.workers"]),
        ("[server]\nworkers = 1979-05-27", &["server.workers"]),
        ("[server]\nlisten = 8080", &["server.listen"]),
        ("[server.listen]\nport = 8080", &["server.listen"]),
        ("[csrf]\nrequire_header = \"true\"", &["csrf.require_header"]),
        ("[csrf]\nrequire_header = 1", &["csrf.require_header"]),
        ("[whisk]\nscopes = \"SEC_MARK\"", &["whisk.scopes"]),
        ("[whisk]\nscopes = [\"SEC_MARK\", 1]", &["whisk.scopes"]),
        ("[sealing]\nkeys = \"a:SEC_MARK\"", &["sealing.keys"]),
        ("[sealing]\nkeys_file = [\"SEC_MARK\"]", &["sealing.keys_file"]),
        ("[whisk]\ntimeout = 10", &["whisk.timeout"]),
        ("[whisk]\nclient_auth = \"SEC_MARK\"", &["whisk.client_auth"]),
        // Not TOML.
        ("[server]\nlisten = 127.0.0.1:8080", &["server.listen"]),
        ("[whisk]\nclient_secret = SEC_MARK", &["whisk.client_secret"]),
    ] {
        let mut named = told(text);
        named.dedup();
        // A secret that is given is overridden by the environment's; that is no fault.
        assert_eq!(named, keys, "{text}");
    }
}

#[test]
fn all_faults_of_all_layers_are_told_at_once() {
    let folder = TempDir::new().unwrap();
    let first = file(
        &folder,
        "first.toml",
        "[server]\nworkers = \"SEC_MARK\"\nlitsen = 1\n[session]\nsame_site = \"SEC_MARK\"",
    );
    let second =
        file(&folder, "second.toml", "[forward]\nmax_body = 1\nmax_body = 2\n[whisk]\npkce = \"SEC_MARK\"");
    let missing = folder.path().join("missing.toml");
    let environment = [
        ("WHISK_BFF__STORE__URL", "redis://:SEC_MARK@h:x"),
        ("WHISK_BFF__SEALING__KEYS", "SEC_MARK"),
        ("WHISK_BFF__NO__SETTING", "SEC_MARK"),
        ("WHISK_BFF__CSRF__REQUIRE_HEADER", "SEC_MARK"),
        ("WHISK_BFF__SERVER__ADMIN_LISTEN", "127.0.0.1:8080"),
        ("WHISK_BFF__SERVER__PUBLIC_URL", "https://SEC_MARK@host"),
    ];
    let told = faults(load(&[first, second, missing], &environment));
    let found =
        |key: &str, layer: &str| told.0.iter().any(|fault| fault.key == key && fault.layer.contains(layer));
    for (key, layer) in [
        ("server.workers", "first.toml"),
        ("server.litsen", "first.toml"),
        ("session.same_site", "first.toml"),
        ("forward.max_body", "second.toml"),
        ("whisk.pkce", "second.toml"),
        ("", "missing.toml"),
        ("store.url", "environment"),
        ("sealing.keys", "environment"),
        ("no.setting", "environment"),
        ("csrf.require_header", "environment"),
        ("server.admin_listen", "environment"),
        ("server.public_url", "environment"),
    ] {
        assert!(found(key, layer), "{key} of {layer} is not in:\n{told}");
    }
    assert_eq!(told.to_string().lines().count(), told.0.len());
    assert_eq!(told.0.len(), 12, "{told}");
}

#[test]
fn what_serve_needs_is_asked_for_in_one_go() {
    let told: Vec<_> =
        faults(load(&[], &[("WHISK_BFF__STORE__URL", "redis://h")])).0.into_iter().map(|f| f.key).collect();
    assert_eq!(told, ["server.public_url", "whisk.client_id", "whisk.client_secret", "sealing.keys"]);
}

#[test]
fn combinations_that_cannot_be_are_refused() {
    for (given, key) in [
        (&[("server.listen", "0.0.0.0:9090")][..], "server.admin_listen"),
        (&[("server.listen", "[::]:9090")], "server.admin_listen"),
        (&[("server.listen", "127.0.0.1:1"), ("server.admin_listen", "127.0.0.1:1")], "server.admin_listen"),
        (&[("session.idle_timeout", "2d"), ("session.absolute_timeout", "1d")], "session.idle_timeout"),
        (&[("store.url", "redis://h")], "sealing.keys"),
        (&[("store.url", "redis://h"), ("sealing.keys", "")], "sealing.keys"),
    ] {
        let told = faults(with(given));
        assert_eq!((told.0.len(), told.0[0].key.as_str()), (1, key), "{told}");
    }
    with(&[("server.listen", "127.0.0.1:0"), ("server.admin_listen", "127.0.0.1:0")]).unwrap();
    with(&[("server.listen", "127.0.0.2:9090")]).unwrap();
}

#[test]
fn a_default_idle_timeout_shrinks_to_a_shorter_absolute_one() {
    let session = with(&[("session.absolute_timeout", "8h")]).unwrap().session;
    assert_eq!(session.idle_timeout, session.absolute_timeout);
}

#[test]
fn a_file_that_is_not_toml_tells_no_piece_of_a_secret() {
    for text in [
        "[whisk]\nclient_secret = \"SEC_MARK\nSEC_MARK2 = 1\n[SEC_MARK3]\nSEC_MARK4 = 1",
        "[whisk]\nclient_secret = \"\"\"SEC_MARK\nSEC_MARK2 = 1\n[SEC_MARK3]\n",
        "SEC_MARK",
        "SEC_MARK = SEC_MARK",
        "[sealing]\nkeys = [\n  SEC_MARK:abc=,\n  SEC_MARK2:abc=\n]",
        "[sealing]\nkeys =\nSEC_MARK=\nSEC_MARK=\n",
        "[SEC_MARK\nSEC_MARK = 1",
        "\u{0}SEC_MARK",
    ] {
        assert!(!told(text).is_empty());
    }
}

#[test]
fn a_file_that_cannot_be_read_is_a_fault_and_blames_nothing_else() {
    let folder = TempDir::new().unwrap();
    let binary = folder.path().join("binary.toml");
    std::fs::write(&binary, [0xff, 0xfe, 0x00]).unwrap();
    for path in [folder.path().join("none.toml"), folder.path().to_owned(), binary] {
        let told = faults(load(&[path], &[]));
        assert_eq!((told.0.len(), told.0[0].key.as_str()), (1, ""), "{told}");
    }
}

/// Every key, `_file` forms and strangers included.
fn any_key() -> impl Strategy<Value = String> {
    let defaults: toml::Table = include_str!("../../../config/default.toml").parse().unwrap();
    let keys = defaults.iter().flat_map(|(section, table)| {
        table.as_table().unwrap().keys().map(move |key| format!("{section}.{key}")).collect::<Vec<_>>()
    });
    let files = ["whisk.client_secret_file", "sealing.keys_file", "store.url_file", "a.b"].map(str::to_owned);
    prop::sample::select(keys.chain(files).collect::<Vec<_>>())
}

/// Text that comes near to what the parsers look for.
fn any_value() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "(https?|rediss?(\\+(sentinel|cluster))?|embedded|memory)?:?/{0,3}[a-z0-9:@/?#%,.=&\\[\\]\\\\-]{0,40}",
        "[0-9]{0,25}(ms|s|m|h|d|KiB|MiB|GiB|/)?",
        "/?[a-z{}./%-]{0,12}/?",
        "[a-z]{0,3}:[A-Za-z0-9+/]{40,45}={0,2}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_value_of_any_setting_makes_loading_panic_or_is_told(
        given in prop::collection::btree_map(any_key(), any_value(), 0..4),
    ) {
        let given: Vec<_> = given.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        match with(&given) {
            Ok(settings) => prop_assert!(settings.effective().parse::<toml::Table>().is_ok()),
            Err(faults) => prop_assert!(!faults.0.is_empty()),
        }
        // Long values cannot be in a message by chance.
        let marked: Vec<_> = given.iter().map(|(key, value)| (*key, format!("{value}SEC_MARK"))).collect();
        let marked: Vec<_> = marked.iter().map(|(key, value)| (*key, value.as_str())).collect();
        if let Err(faults) = with(&marked) {
            prop_assert!(!format!("{faults}{faults:?}").contains("SEC_MARK"), "{}", faults);
        }
    }

    #[test]
    fn no_slip_in_a_file_with_secrets_tells_one(
        slips in prop::collection::vec((any::<prop::sample::Index>(), 0..3_usize, "[\"'\\[\\]=#.,{}\\\\ \n]"), 1..4),
    ) {
        const GOOD: &str = "[whisk]\nclient_secret = \"SEC_MARK a=b\"\n[store]\nurl = 'redis://:SEC_MARK=@h'\n\
            key_prefix = \"\"\"\nSEC_MARK = 1\n[SEC_MARK]\n\"\"\"\n[sealing]\nkeys = [\n  \"a:SEC_MARK=\",\n]\n";
        let mut text: Vec<char> = GOOD.chars().collect();
        for (at, remove, insert) in &slips {
            let at = at.index(text.len() - 3);
            text.splice(at..at + remove, insert.chars());
        }
        let text: String = text.into_iter().collect();
        // Slips that happen to make whole TOML have made a key of it, which is told as one.
        let is_key = |table: toml::Table| {
            table.iter().any(|(name, value)| {
                name.contains("SEC_MARK") || value.as_table().is_some_and(|section| section.keys().any(|key| key.contains("SEC_MARK")))
            })
        };
        prop_assume!(!text.parse().is_ok_and(is_key));
        let folder = TempDir::new().unwrap();
        if let Err(faults) = load(&[file(&folder, "any.toml", &text)], REQUIRED) {
            prop_assert!(!format!("{faults}{faults:?}").contains("SEC_MARK"), "{}\n{}", faults, text);
        }
    }

    #[test]
    fn no_file_makes_loading_panic(text in prop_oneof![any::<String>(), "[\\[\\]a-z\\.\"'= 0-9\n#{},]{0,80}"]) {
        let folder = TempDir::new().unwrap();
        let _ = load(&[file(&folder, "any.toml", &text)], REQUIRED);
    }
}
