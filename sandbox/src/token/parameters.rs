//! The parameters of a token request, from either encoding.
//!
//! RFC 6749 section 3.2: a parameter without a value counts as absent, one that is there twice
//! makes the request invalid.

use actix_web::{HttpRequest, http::header};
use url::form_urlencoded;

use super::{media_type, multipart};
use crate::grants::Refusal;

/// How the parameters were encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `multipart/form-data`.
    Multipart,
}

pub(crate) struct Parameters {
    fields: Vec<(String, String)>,
    encoding: Encoding,
}

impl Parameters {
    pub(crate) fn read(request: &HttpRequest, body: &[u8]) -> Result<Self, Refusal> {
        let (encoding, fields) = match media_type(request).as_deref() {
            Some("application/x-www-form-urlencoded") => {
                let fields = form_urlencoded::parse(body).into_owned().collect();
                (Encoding::Form, fields)
            }
            Some("multipart/form-data") => {
                let fields = request
                    .headers()
                    .get(header::CONTENT_TYPE)
                    .and_then(|value| value.to_str().ok())
                    .and_then(|content_type| multipart::fields(content_type, body))
                    .ok_or(Refusal::invalid_request("the multipart body is malformed"))?;
                (Encoding::Multipart, fields)
            }
            _ => {
                return Err(Refusal::invalid_request("the body must be urlencoded or multipart/form-data"));
            }
        };
        let fields: Vec<(String, String)> =
            fields.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let repeated = (fields.iter().enumerate())
            .any(|(i, (name, _))| fields[..i].iter().any(|(earlier, _)| earlier == name));
        if repeated {
            return Err(Refusal::invalid_request("a parameter is there twice"));
        }
        Ok(Self { fields, encoding })
    }

    pub(crate) fn encoding(&self) -> Encoding {
        self.encoding
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        (self.fields.iter()).find(|(candidate, _)| candidate == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn owned(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    pub(crate) fn required(&self, name: &str, missing: &'static str) -> Result<&str, Refusal> {
        self.get(name).ok_or(Refusal::invalid_request(missing))
    }
}
