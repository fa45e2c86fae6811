//! The command line of the real program: contract §2.

mod check_config;
mod commands;
mod logging;
mod refusals;
mod secrets;

use std::collections::HashMap;
use std::process::Output;

/// A client secret that must never be printed.
const SECRET: &str = "SEC_MARK_client";
const KEY: &str = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// The fewest settings with which `serve` starts, with these changed; an empty value takes one away.
fn environment(changed: &[(&str, &str)]) -> HashMap<String, String> {
    let fewest = [
        ("server.public_url", "https://app.test"),
        ("server.listen", "127.0.0.1:0"),
        ("server.admin_listen", "127.0.0.1:0"),
        ("whisk.client_id", "client"),
        ("whisk.client_secret", SECRET),
        ("store.url", "memory:"),
    ];
    let mut environment = HashMap::new();
    for (key, value) in fewest.iter().chain(changed) {
        let name = if key.contains('.') {
            format!("WHISK_BFF__{}", key.to_uppercase().replace('.', "__"))
        } else {
            (*key).to_owned()
        };
        environment.insert(name, (*value).to_owned());
    }
    environment.retain(|_, value| !value.is_empty());
    environment
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
