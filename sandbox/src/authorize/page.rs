//! The pages of the authorization endpoint: plain HTML, no script.

use super::AuthorizationRequest;
use crate::Config;

/// The page where a user grants or denies.
pub(crate) fn consent(id: &str, asked: &AuthorizationRequest, config: &Config) -> String {
    let client = escape(&config.client_id);
    let provider = asked.identity_provider.as_deref().map_or_else(String::new, |provider| {
        format!(
            "<p id=\"identity-provider\" class=\"provider\">Signing in with <b>{}</b></p>",
            escape(provider)
        )
    });
    let users: String = (config.users.iter().enumerate())
        .map(|(position, user)| {
            choice(
                "radio",
                "user",
                &user.id,
                &user.name,
                position == 0,
                if position == 0 { " required" } else { "" },
            )
        })
        .collect();
    let scopes: String = if asked.scopes.is_empty() {
        "<p class=\"none\">Nothing beyond knowing who you are.</p>".to_owned()
    } else {
        (asked.scopes.iter()).map(|scope| choice("checkbox", "scope", scope, scope, true, "")).collect()
    };
    let body = format!(
        "<h1>Sign in to Whisk</h1>\
         <p><b id=\"client\">{client}</b> asks for access to your account.</p>{provider}\
         <form method=\"post\" action=\"/oauth/v2/authorize\">\
         <input type=\"hidden\" name=\"request\" value=\"{id}\">\
         <fieldset><legend>Who are you?</legend>{users}</fieldset>\
         <fieldset><legend>What may it do?</legend>{scopes}</fieldset>\
         <div class=\"buttons\">\
         <button id=\"allow\" name=\"decision\" value=\"allow\">Allow</button>\
         <button id=\"deny\" name=\"decision\" value=\"deny\" class=\"quiet\" formnovalidate>Deny</button>\
         </div></form>\
         <p class=\"small\">A sandbox: no password, no real account.</p>"
    );
    document("Sign in", &body)
}

/// A page that says why nothing can be done.
pub(crate) fn refusal(reason: &str) -> String {
    let reason = escape(reason);
    document("Not possible", &format!("<h1>Not possible</h1><p id=\"reason\">{reason}</p>"))
}

/// The page at `/`.
pub(crate) fn index(url: &str, config: &Config) -> String {
    let (url, client) = (escape(url), escape(&config.client_id));
    document(
        "Whisk sandbox",
        &format!(
            "<h1>Whisk sandbox</h1>\
             <p>A small Whisk for development and tests, at <code>{url}</code>, \
             with one client, <code>{client}</code>.</p>\
             <ul><li><code>/oauth/v2/authorize</code>, <code>/oauth/v2/token</code></li>\
             <li><code>/auth/anonymous/create</code></li>\
             <li><code>/v2/me</code>, <code>/v2/recipes</code>, <code>/v2/lists</code> and more</li>\
             <li><a href=\"/sandbox/journal\">/sandbox/journal</a>: the requests it has seen</li>\
             </ul>"
        ),
    )
}

fn choice(kind: &str, name: &str, value: &str, text: &str, checked: bool, extra: &str) -> String {
    let checked = if checked { " checked" } else { "" };
    format!(
        "<label><input type=\"{kind}\" id=\"{name}-{}\" name=\"{name}\" value=\"{}\"{checked}{extra}>\
         <span>{}</span></label>",
        slug(value),
        escape(value),
        escape(text),
    )
}

fn document(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title} · Whisk sandbox</title><link rel=\"icon\" href=\"data:,\">\
         <link rel=\"stylesheet\" href=\"/sandbox.css\"></head><body><main>{body}</main></body></html>"
    )
}

/// What an `id` may hold without escapes in a selector; the rest becomes `-`.
fn slug(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).collect()
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// The style sheet of all pages.
pub(crate) const STYLE: &str = "\
:root { color-scheme: light dark; --ink: #1d2b24; --paper: #fff; --wall: #eef3ee; --green: #1b7f4d; --line: #cdd8d0; --soft: #5b6b62 }
@media (prefers-color-scheme: dark) { :root { --ink: #e8f0ea; --paper: #1a221d; --wall: #101612; --green: #3fb67b; --line: #38443c; --soft: #9fb0a5 } }
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem; background: var(--wall); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif }
main { width: 100%; max-width: 26rem; padding: 2rem 1.75rem; background: var(--paper); border-radius: 1rem; box-shadow: 0 1px 2px #0002, 0 1rem 3rem #0001 }
h1 { margin: 0 0 .5rem; font-size: 1.5rem; line-height: 1.2 }
p { margin: .5rem 0 1rem; overflow-wrap: anywhere }
a { color: var(--green) }
fieldset { margin: 0 0 1.25rem; padding: 0; border: 0 }
legend { padding: 0 0 .5rem; font-weight: 600 }
label { display: flex; align-items: center; gap: .75rem; min-height: 3rem; padding: .5rem .9rem; border: 1px solid var(--line); cursor: pointer }
label span { overflow-wrap: anywhere; min-width: 0 }
label + label { border-top: 0 }
label:first-of-type { border-radius: .6rem .6rem 0 0 }
label:last-of-type { border-radius: 0 0 .6rem .6rem }
label:first-of-type:last-of-type { border-radius: .6rem }
label:focus-within { outline: 3px solid var(--green); outline-offset: -1px }
input { width: 1.15rem; height: 1.15rem; margin: 0; flex: none; accent-color: var(--green) }
.buttons { display: flex; gap: .75rem }
button { flex: 1; min-height: 3rem; border: 2px solid var(--green); border-radius: .6rem; background: var(--green); color: var(--paper); font: inherit; font-weight: 600; cursor: pointer }
button.quiet { background: none; color: var(--ink); border-color: var(--line) }
button:focus-visible { outline: 3px solid var(--ink); outline-offset: 2px }
.provider { padding: .5rem .9rem; border-radius: .6rem; background: var(--wall) }
.small, .none { color: var(--soft); font-size: .875rem }
.small { margin: 1.25rem 0 0; text-align: center }
code { overflow-wrap: anywhere }
";
