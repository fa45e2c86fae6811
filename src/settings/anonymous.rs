//! `[anonymous]`: users that Whisk makes for an app without a login.
//!
//! Whisk's pages and public clients show four forms of one call. They differ in the URL, in where
//! the client id stands and in the body; all three are settings here, so that none of the forms
//! needs code of its own.

use serde_json::Value;
use url::Url;

use super::address::{PublicUrl, endpoint, is_loopback};
use super::reader::Reader;
use super::writer::Writer;

/// How an anonymous user is created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anonymous {
    /// Whether `POST /auth/anonymous` is offered.
    pub enabled: bool,
    /// What is called.
    pub create_url: Url,
    /// Sent as `Origin`; `None` is `server.public_url`.
    pub origin: Option<PublicUrl>,
    /// The header field that holds the client id, if any does.
    pub client_id_header: Option<String>,
    /// The body of the call.
    pub body: BodyTemplate,
}

/// A JSON object in whose texts `{client_id}` stands for the client id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyTemplate {
    text: String,
    value: Value,
}

/// What stands for the client id.
const CLIENT_ID: &str = "{client_id}";

impl Anonymous {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        // A fault in it is told by `[server]`, which owns it.
        let insecure = reader.peek_flag("server.allow_insecure");
        let enabled = reader.flag("anonymous.enabled");
        let create_url = reader.parse("anonymous.create_url", |text| endpoint(text, insecure));
        let origin = reader.optional("anonymous.origin", |text| PublicUrl::parse(text, insecure));
        let client_id_header = reader.optional("anonymous.client_id_header", field_name);
        let body = reader.parse("anonymous.body", BodyTemplate::parse);
        if let (Some(None), Some(body)) = (&client_id_header, &body)
            && !holds_client_id(&body.value)
        {
            let rule = "must hold `{client_id}` in a text, unless `anonymous.client_id_header` is set";
            reader.fault("anonymous.body", rule);
        }
        Some(Self {
            enabled: enabled?,
            create_url: create_url?,
            origin: origin?,
            client_id_header: client_id_header?,
            body: body?,
        })
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.put("enabled", self.enabled);
        writer.put("create_url", self.create_url.as_str());
        writer.put("origin", self.origin.as_ref().map_or("", PublicUrl::origin));
        writer.put("client_id_header", self.client_id_header.as_deref().unwrap_or_default());
        writer.put("body", self.body.text.as_str());
    }

    pub(super) fn warn(&self, warnings: &mut Vec<String>) {
        if self.enabled && self.create_url.scheme() != "https" && !is_loopback(&self.create_url) {
            warnings.push("anonymous.create_url is http: tokens cross the network in clear text".to_owned());
        }
    }
}

impl BodyTemplate {
    /// Reads a JSON object.
    ///
    /// # Errors
    /// The rule that was broken, without anything of the text.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match serde_json::from_str(text) {
            Ok(value @ Value::Object(_)) => Ok(Self { text: text.to_owned(), value }),
            _ => Err("must be a JSON object"),
        }
    }

    /// The body for this client.
    pub fn fill(&self, client_id: &str) -> String {
        filled(&self.value, client_id).to_string()
    }
}

fn filled(value: &Value, client_id: &str) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace(CLIENT_ID, client_id)),
        Value::Array(items) => items.iter().map(|item| filled(item, client_id)).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), filled(value, client_id))).collect()
        }
        other => other.clone(),
    }
}

fn holds_client_id(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(CLIENT_ID),
        Value::Array(items) => items.iter().any(holds_client_id),
        Value::Object(members) => members.values().any(holds_client_id),
        _ => false,
    }
}

/// The name of a header field (RFC 9110 section 5.1) that is no business of HTTP itself.
fn field_name(text: &str) -> Result<String, &'static str> {
    const RULE: &str = "must be a header's name such as `x-whisk-client-id`, or empty; not one that the call \
                        has already";
    const TAKEN: [&str; 14] = [
        "accept",
        "authorization",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "cookie",
        "expect",
        "host",
        "keep-alive",
        "origin",
        "te",
        "transfer-encoding",
        "upgrade",
    ];
    let clean = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let name = text.to_ascii_lowercase();
    if clean && (1..=64).contains(&text.len()) && !TAKEN.contains(&name.as_str()) {
        Ok(name)
    } else {
        Err(RULE)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::BodyTemplate;

    #[test]
    fn a_client_id_is_filled_in_as_text_and_as_nothing_else() {
        for (template, body) in [
            (r#"{"clientId":"{client_id}"}"#, r#"{"clientId":"a\"b\\"}"#),
            (r#"{ "user_params": {} }"#, r#"{"user_params":{}}"#),
            (r#"{"a":[{"b":"x-{client_id}"},1,null]}"#, r#"{"a":[{"b":"x-a\"b\\"},1,null]}"#),
            (r#"{"{client_id}":1}"#, r#"{"{client_id}":1}"#),
        ] {
            assert_eq!(BodyTemplate::parse(template).unwrap().fill("a\"b\\"), body);
        }
        for text in ["", "[]", "{", "\"{client_id}\"", "{} {}"] {
            assert!(BodyTemplate::parse(text).is_err(), "{text}");
        }
    }
}
