//! What a broker answered.

use reqwest::StatusCode;
use reqwest::header::HeaderMap;

/// What a broker answered, whole.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's value, empty where it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// All `Set-Cookie` lines.
    pub(crate) fn set_cookies(&self) -> Vec<String> {
        self.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    /// Asserts that it is our problem of that status and code, by every rule of the contract's §5.
    #[track_caller]
    pub(crate) fn assert_problem(&self, status: u16, code: &str) {
        assert_eq!((self.status.as_u16(), self.header("x-whisk-bff-error")), (status, code), "{self:?}");
        assert_eq!(self.header("cache-control"), "no-store");
        if self.header("content-type").starts_with("text/html") {
            return;
        }
        assert_eq!(self.header("content-type"), "application/problem+json");
        let body = self.json();
        assert_eq!(body["type"], format!("urn:whisk-bff:problem:{code}"));
        assert_eq!((&body["status"], &body["code"]), (&status.into(), &code.into()));
        assert!(body["request_id"].as_str().is_some_and(|id| !id.is_empty()));
        assert!(body["title"].is_string());
        if status == 401 {
            assert_eq!(self.header("www-authenticate"), "Cookie realm=\"whisk-bff\"");
            assert_eq!(body["login_url"], "/auth/login");
        }
        if status == 429 || status == 503 {
            assert_eq!(body["retry_after"].as_u64().unwrap().to_string(), self.header("retry-after"));
        }
    }
}
