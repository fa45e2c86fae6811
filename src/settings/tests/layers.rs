//! Which layer wins, and how each may say it.

use tempfile::TempDir;

use super::super::StoreUrl;
use super::{KEY, REQUIRED, faults, file, from_environment, from_file, load};

#[test]
fn a_later_file_overrides_an_earlier_one_and_the_environment_both() {
    let folder = TempDir::new().unwrap();
    let first = file(
        &folder,
        "1.toml",
        "[server]\nworkers = 3\nlisten = \"127.0.0.1:1\"\n[csrf]\nrequire_header = true",
    );
    let second = file(&folder, "2.toml", "[server]\nworkers = 4");

    let settings = load(&[first.clone(), second.clone()], REQUIRED).unwrap();
    assert_eq!((settings.server.workers, settings.server.listen.port()), (4, 1));
    assert!(settings.csrf.require_header);
    assert_eq!(load(&[second.clone(), first.clone()], REQUIRED).unwrap().server.workers, 3);

    let environment = [REQUIRED, &[("WHISK_BFF__SERVER__WORKERS", "5")]].concat();
    assert_eq!(load(&[first, second], &environment).unwrap().server.workers, 5);
}

#[test]
fn the_environment_writes_lists_with_commas_and_empties_them_with_nothing() {
    let settings = from_environment(&[
        ("WHISK_BFF__WHISK__SCOPES", "a:b, c.d ,offline_access"),
        ("WHISK_BFF__WHISK__IDENTITY_PROVIDERS", ""),
        ("WHISK_BFF__SERVER__TRUSTED_PROXIES", "10.1.2.3/8,::1"),
    ])
    .unwrap();
    assert_eq!(settings.whisk.scopes, ["a:b", "c.d", "offline_access"]);
    assert!(settings.whisk.identity_providers.is_empty());
    let networks: Vec<_> = settings.server.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(networks, ["10.0.0.0/8", "::1/128"]);
}

#[test]
fn names_that_are_no_settings_are_passed_over() {
    from_environment(&[
        ("WHISK_BFF_LOG_FORMAT", "json"),
        ("WHISK_BFF_SERVICE_HOST", "10.0.0.1"),
        ("WHISK_BFF", "x"),
        ("PATH", "/bin"),
    ])
    .unwrap();
}

#[test]
fn an_unknown_variable_is_refused_by_name() {
    for name in [
        "WHISK_BFF__SERVER__LISTNE",
        "WHISK_BFF__SERVER",
        "WHISK_BFF__",
        "WHISK_BFF__SERVER__LISTEN__PORT",
        "WHISK_BFF__server__listen",
        "WHISK_BFF__LIMITS__LOGINS",
        "WHISK_BFF__SERVER__LISTEN_FILE",
    ] {
        let told = faults(from_environment(&[(name, "SEC_MARK")])).to_string();
        assert_eq!(told.lines().count(), 1, "{told}");
        assert!(told.contains(name), "{told} does not name {name}");
    }
    let twice = [("WHISK_BFF__SERVER__WORKERS", "1"), ("WHISK_BFF__SERVER__WORKERS", "1")];
    assert!(faults(from_environment(&twice)).to_string().contains("server.workers"));
}

#[test]
fn a_secret_may_come_from_a_file_less_one_line_break() {
    let folder = TempDir::new().unwrap();
    for (content, secret) in
        [("s3cret é+&", "s3cret é+&"), ("s3cret\n", "s3cret"), ("s3cret\r\n", "s3cret"), (" s \n", " s ")]
    {
        let path = file(&folder, "secret", content);
        let settings = load(
            &[],
            &[REQUIRED[0], REQUIRED[1], ("WHISK_BFF__WHISK__CLIENT_SECRET_FILE", path.to_str().unwrap())],
        )
        .unwrap();
        assert_eq!(settings.whisk.client_secret.expose(), secret);
    }
    for content in ["", "\n", "SEC_MARK\n\n", "SEC_MARK\0"] {
        let path = file(&folder, "secret", content);
        let text = format!("[whisk]\nclient_secret_file = {:?}", path.to_str().unwrap());
        let site = file(&folder, "site.toml", &text);
        let told = faults(load(&[site], &REQUIRED[..2])).to_string();
        assert!(told.contains("whisk.client_secret_file") && told.contains("site.toml"), "{told}");
    }
}

#[test]
fn a_later_secret_overrides_an_earlier_file_and_the_other_way_round() {
    let folder = TempDir::new().unwrap();
    let secret = file(&folder, "secret", "from a file\n");
    let by_file =
        file(&folder, "1.toml", &format!("[whisk]\nclient_secret_file = {:?}", secret.to_str().unwrap()));
    let inline = file(&folder, "2.toml", "[whisk]\nclient_secret = \"inline\"");

    let secret_of =
        |files: &[_]| load(files, &REQUIRED[..2]).unwrap().whisk.client_secret.expose().to_owned();
    assert_eq!(secret_of(&[by_file.clone(), inline.clone()]), "inline");
    assert_eq!(secret_of(&[inline, by_file.clone()]), "from a file");
    assert_eq!(load(&[by_file], REQUIRED).unwrap().whisk.client_secret.expose(), "SEC_MARK_CLIENT");
}

#[test]
fn a_secret_and_its_file_in_one_layer_are_refused() {
    let told = faults(from_environment(&[("WHISK_BFF__WHISK__CLIENT_SECRET_FILE", "/SEC_MARK")])).to_string();
    assert!(
        told.starts_with("whisk.client_secret (environment") && told.contains("client_secret_file"),
        "{told}"
    );

    let told = faults(from_file("[store]\nurl = \"memory:\"\nurl_file = \"/SEC_MARK\"")).to_string();
    assert!(told.starts_with("store.url (") && told.contains("site.toml"), "{told}");
}

#[test]
fn a_secret_file_that_cannot_be_read_is_refused_without_its_path() {
    let folder = TempDir::new().unwrap();
    let folder_path = folder.path().to_str().unwrap();
    let large = file(&folder, "large", &"x".repeat(2 << 20));
    let binary = folder.path().join("binary");
    std::fs::write(&binary, [0xff, 0xfe]).unwrap();

    for path in ["/SEC_MARK/none", "", folder_path, large.to_str().unwrap(), binary.to_str().unwrap()] {
        for key in ["SEALING__KEYS_FILE", "STORE__URL_FILE"] {
            let told = faults(from_environment(&[(&format!("WHISK_BFF__{key}"), path)])).to_string();
            assert!(told.contains(&format!("WHISK_BFF__{key}")), "{told}");
            assert_eq!(told.lines().count(), 1, "{told}");
            assert!(path.is_empty() || !told.contains(path), "{told}");
        }
    }
}

#[test]
fn key_files_and_store_files_are_read_as_their_settings_would_be() {
    let folder = TempDir::new().unwrap();
    let keys = file(
        &folder,
        "keys",
        &format!("# made today\r\n  new:{KEY}  \r\n\r\nold-1:{}\n", KEY.trim_end_matches('=')),
    );
    let url = file(&folder, "url", "redis://:SEC_MARK@h\n");
    let settings = from_environment(&[
        ("WHISK_BFF__SEALING__KEYS_FILE", keys.to_str().unwrap()),
        ("WHISK_BFF__STORE__URL_FILE", url.to_str().unwrap()),
    ])
    .unwrap();
    let ids: Vec<_> = settings.sealing.keys.iter().map(|key| key.id.as_str()).collect();
    assert_eq!(ids, ["new", "old-1"]);
    assert_eq!(*settings.sealing.keys[0].key, std::array::from_fn::<u8, 32, _>(|at| at as u8 + 1));
    assert_eq!(settings.sealing.keys_file.as_deref(), Some(keys.as_path()));
    assert!(matches!(settings.store.url, StoreUrl::Redis(_)));

    for (content, told_line) in
        [("# none\n", "holds no key"), ("\na:SEC_MARK!\n", "line 2"), ("a\n", "line 1")]
    {
        let keys = file(&folder, "keys", content);
        let told = faults(from_environment(&[("WHISK_BFF__SEALING__KEYS_FILE", keys.to_str().unwrap())]));
        assert!(told.to_string().contains(told_line) && told.0[0].key == "sealing.keys_file", "{told}");
    }
}
