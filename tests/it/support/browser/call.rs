//! A request in the making.

use reqwest::Method;

/// A request in the making. By default what `fetch()` of our own page sends.
#[derive(Clone)]
pub(crate) struct Call {
    pub(super) method: Method,
    pub(super) target: String,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) body: Vec<u8>,
    pub(super) metadata: bool,
    pub(super) cookies: bool,
    pub(super) reaches_the_api: bool,
}

impl Call {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.parse().unwrap(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            metadata: true,
            cookies: true,
            reaches_the_api: false,
        }
    }

    pub(crate) fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    pub(crate) fn post(target: &str) -> Self {
        Self::new("POST", target)
    }

    /// Adds a header; a value may be any bytes.
    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Without any Fetch Metadata.
    pub(crate) fn bare(mut self) -> Self {
        self.metadata = false;
        self
    }

    /// With these Fetch Metadata instead.
    pub(crate) fn metadata(self, site: &str, mode: &str, dest: &str) -> Self {
        self.bare()
            .header("sec-fetch-site", site)
            .header("sec-fetch-mode", mode)
            .header("sec-fetch-dest", dest)
    }

    /// Without the jar's cookies.
    pub(crate) fn no_cookies(mut self) -> Self {
        self.cookies = false;
        self
    }

    /// The API is meant to see this call, even where the broker then answers by itself.
    pub(crate) fn reaches_the_api(mut self) -> Self {
        self.reaches_the_api = true;
        self
    }
}
