//! A client of the sandbox as an application would be one: it follows the code grant and keeps
//! its tokens.

use std::time::Duration;

use reqwest::{Client, RequestBuilder, Response, StatusCode, header, redirect::Policy};
use serde_json::Value;
use whisk_sandbox::{Config, Sandbox};

pub(crate) const REDIRECT: &str = "http://127.0.0.1:9/auth/callback?tenant=a%20b";
/// The pair of RFC 7636 appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) http: Client,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Config::default()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        Self {
            sandbox: Sandbox::spawn(config).await.unwrap(),
            http: Client::builder()
                .redirect(Policy::none())
                .timeout(Duration::from_secs(20))
                .no_proxy()
                .build()
                .unwrap(),
        }
    }

    pub(crate) fn at(&self, path: &str) -> String {
        format!("http://{}{path}", self.sandbox.addr())
    }

    /// The authorization request of a client that does everything right.
    pub(crate) fn authorization(&self, scope: &str) -> Vec<(&'static str, String)> {
        vec![
            ("client_id", "sandbox-client".to_owned()),
            ("redirect_uri", REDIRECT.to_owned()),
            ("response_type", "code".to_owned()),
            ("scope", scope.to_owned()),
            ("state", "st&te".to_owned()),
            ("code_challenge", CHALLENGE.to_owned()),
            ("code_challenge_method", "S256".to_owned()),
        ]
    }

    pub(crate) async fn page(&self, parameters: &[(&'static str, String)]) -> Response {
        let url = format!("{}?{}", self.at("/oauth/v2/authorize"), encode(parameters));
        self.http.get(url).send().await.unwrap()
    }

    /// Where the user's decision leads.
    pub(crate) async fn decide(&self, page: &str, fields: &[(&str, &str)]) -> Response {
        let (_, after) = page.split_once("name=\"request\" value=\"").unwrap();
        let (id, _) = after.split_once('"').unwrap();
        let mut form = vec![("request", id)];
        form.extend_from_slice(fields);
        let url = self.at("/oauth/v2/authorize");
        self.http.post(url).form(&form).send().await.unwrap()
    }

    /// A code for `demo-cook`, who grants `scope`.
    pub(crate) async fn code(&self, scope: &str) -> String {
        self.code_for(&self.authorization(scope), scope).await
    }

    pub(crate) async fn code_for(&self, parameters: &[(&'static str, String)], scope: &str) -> String {
        let page = self.page(parameters).await;
        assert_eq!(page.status(), StatusCode::OK);
        let page = page.text().await.unwrap();
        let mut fields = vec![("user", "demo-cook"), ("decision", "allow")];
        fields.extend(scope.split(' ').map(|scope| ("scope", scope)));
        let answer = self.decide(&page, &fields).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        parameter(&location(&answer), "code").unwrap()
    }

    /// A token request, authenticated in the body.
    pub(crate) fn token(&self, parameters: &[(&str, &str)]) -> RequestBuilder {
        let mut form = vec![("client_id", "sandbox-client"), ("client_secret", "sandbox-not-a-secret")];
        form.extend_from_slice(parameters);
        self.http.post(self.at("/oauth/v2/token")).form(&form)
    }

    pub(crate) fn exchange(&self, code: &str) -> RequestBuilder {
        self.token(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ])
    }

    pub(crate) fn refresh(&self, token: &str) -> RequestBuilder {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", token)])
    }

    /// The token answer of a whole login.
    pub(crate) async fn log_in(&self, scope: &str) -> Value {
        let code = self.code(scope).await;
        granted(self.exchange(&code)).await
    }

    pub(crate) fn api(&self, path: &str, token: &str) -> RequestBuilder {
        self.http.get(self.at(path)).bearer_auth(token)
    }

    /// What the API says of a token: `ok`, or the code of its refusal.
    pub(crate) async fn verdict(&self, token: &str) -> String {
        let answer = self.api("/v2/me", token).send().await.unwrap();
        if answer.status() == StatusCode::OK {
            return "ok".to_owned();
        }
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        text(&answer.json::<Value>().await.unwrap(), "code")
    }
}

pub(crate) async fn granted(request: RequestBuilder) -> Value {
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
    answer.json().await.unwrap()
}

/// Status and error code of a refused token request.
pub(crate) async fn refused(request: RequestBuilder) -> (u16, String) {
    let answer = request.send().await.unwrap();
    assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
    let status = answer.status().as_u16();
    (status, text(&answer.json::<Value>().await.unwrap(), "error"))
}

pub(crate) fn text(object: &Value, member: &str) -> String {
    object[member].as_str().unwrap_or_else(|| panic!("{member} in {object}")).to_owned()
}

pub(crate) fn location(answer: &Response) -> String {
    answer.headers()[header::LOCATION].to_str().unwrap().to_owned()
}

pub(crate) fn parameter(url: &str, name: &str) -> Option<String> {
    url::Url::parse(url)
        .unwrap()
        .query_pairs()
        .find(|(candidate, _)| candidate == name)
        .map(|(_, value)| value.into_owned())
}

pub(crate) fn encode(parameters: &[(&'static str, String)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}

/// The parameters with one replaced, or removed.
pub(crate) fn with(
    mut parameters: Vec<(&'static str, String)>,
    name: &'static str,
    value: Option<&str>,
) -> Vec<(&'static str, String)> {
    parameters.retain(|(candidate, _)| *candidate != name);
    parameters.extend(value.map(|value| (name, value.to_owned())));
    parameters
}
