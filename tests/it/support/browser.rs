//! A browser, as far as the broker can tell: cookies, Fetch Metadata, redirects by hand.

mod answer;
mod call;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{StatusCode, redirect};
use whisk_sandbox::Sandbox;

pub(crate) use answer::Answer;
pub(crate) use call::Call;

use super::world::{Evidence, HOST, ORIGIN};

pub(crate) struct Browser {
    number: u64,
    /// Where the instances are: scheme, host and port.
    bases: Vec<String>,
    at: AtomicUsize,
    client: reqwest::Client,
    jar: Mutex<Vec<(String, String)>>,
    evidence: Arc<Evidence>,
    sandbox: Arc<Sandbox>,
    /// Who sits before it, where it is not the sandbox's first user.
    user: Mutex<Option<String>>,
}

/// Codes that say: refused before anything was forwarded.
const BEFORE_FORWARDING: [&str; 12] = [
    "csrf_rejected",
    "wrong_host",
    "not_found",
    "method_not_allowed",
    "login_required",
    "uri_too_long",
    "headers_too_large",
    "bad_request",
    "rate_limited",
    "visitor_required",
    "store_unavailable",
    "login_server_unavailable",
];

impl Browser {
    pub(crate) fn new(addresses: Vec<SocketAddr>, evidence: Arc<Evidence>, sandbox: Arc<Sandbox>) -> Self {
        let client = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .http1_only()
            .tls_certs_only([])
            .build()
            .unwrap();
        let bases = addresses.iter().map(|address| format!("http://{address}")).collect();
        Self::at(bases, client, evidence, sandbox)
    }

    /// A browser whose requests go to these bases, by a client that knows how to reach them.
    pub(crate) fn at(
        bases: Vec<String>,
        client: reqwest::Client,
        evidence: Arc<Evidence>,
        sandbox: Arc<Sandbox>,
    ) -> Self {
        let number = evidence.number();
        let (at, jar, user) = (AtomicUsize::new(0), Mutex::default(), Mutex::default());
        Self { number, bases, at, client, jar, evidence, sandbox, user }
    }

    /// From now on requests go to this instance.
    pub(crate) fn go_to(&self, instance: usize) -> &Self {
        self.at.store(instance, Ordering::SeqCst);
        self
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.send(Call::get(target)).await
    }

    pub(crate) async fn post(&self, target: &str) -> Answer {
        self.send(Call::post(target)).await
    }

    /// Sends a call to the instance this browser is at.
    pub(crate) async fn send(&self, call: Call) -> Answer {
        self.try_send(call).await.expect("an answer")
    }

    /// The same, where it may break.
    pub(crate) async fn try_send(&self, call: Call) -> reqwest::Result<Answer> {
        let number = self.evidence.number();
        let what = format!("{} {}", call.method, call.target);
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static(HOST));
        headers.insert("x-test-request", number.into());
        if call.metadata {
            headers.insert("sec-fetch-site", HeaderValue::from_static("same-origin"));
            headers.insert("sec-fetch-mode", HeaderValue::from_static("cors"));
            headers.insert("sec-fetch-dest", HeaderValue::from_static("empty"));
        }
        let cookies = self.cookie_line();
        if call.cookies && !cookies.is_empty() {
            headers.insert("cookie", HeaderValue::from_str(&cookies).unwrap());
        }
        for (name, value) in &call.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            let value = HeaderValue::from_bytes(value).unwrap();
            if name == "host" {
                headers.insert(name, value);
            } else {
                headers.append(name, value);
            }
        }
        let url = format!("{}{}", self.bases[self.at.load(Ordering::SeqCst)], call.target);
        let reaches_the_api = call.reaches_the_api;
        let mut request = self.client.request(call.method, url).headers(headers);
        if !call.body.is_empty() {
            request = request.body(call.body);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        self.note(status, &headers);
        let body = response.bytes().await?.to_vec();
        self.evidence.saw(&body);
        let answer = Answer { status, headers, body };
        if !reaches_the_api && BEFORE_FORWARDING.contains(&answer.header("x-whisk-bff-error")) {
            self.evidence.refused(number, what);
        }
        Ok(answer)
    }

    /// Follows a link or types an address: a document navigation from this site.
    pub(crate) async fn navigate(&self, target: &str) -> Answer {
        self.send(Call::get(target).metadata("same-origin", "navigate", "document")).await
    }

    /// The whole code grant as the sandbox's first user, everything allowed.
    pub(crate) async fn log_in(&self) -> Answer {
        self.log_in_to("/auth/login").await
    }

    /// The same as another of the sandbox's users, who stays.
    pub(crate) async fn log_in_as(&self, user: &str) -> Answer {
        *self.user.lock().unwrap() = Some(user.to_owned());
        self.log_in().await
    }

    /// The same with a query (`/auth/login?return_to=/x`).
    pub(crate) async fn log_in_to(&self, target: &str) -> Answer {
        let callback = self.authorize(target).await;
        let answer = self.come_back(&callback).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        self.expect_alive();
        answer
    }

    /// Begins a login and lets the sandbox's first user allow everything. Returns the callback's
    /// path and query.
    pub(crate) async fn authorize(&self, target: &str) -> String {
        self.decide(target, "allow", None).await
    }

    /// The same with another decision, or fewer scopes.
    pub(crate) async fn decide(&self, target: &str, decision: &str, scopes: Option<&[&str]>) -> String {
        let begun = self.navigate(target).await;
        assert_eq!(begun.status, 302, "{begun:?}");
        self.at_authorization_page(begun.header("location"), decision, scopes).await
    }

    /// At the authorization page: fills in the form. Returns the callback's path and query.
    pub(crate) async fn at_authorization_page(
        &self,
        url: &str,
        decision: &str,
        scopes: Option<&[&str]>,
    ) -> String {
        let page = self.client.get(url).send().await.unwrap();
        if page.status().is_redirection() {
            return path_of(page.headers()["location"].to_str().unwrap());
        }
        let page = page.text().await.unwrap();
        let request = between(&page, "name=\"request\" value=\"", "\"").expect("the form");
        let user = self.user.lock().unwrap().clone();
        let user = user.unwrap_or_else(|| self.sandbox.config().users[0].id.clone());
        let offered = values_of(&page, "scope");
        let mut form =
            vec![("request", request.to_owned()), ("user", user), ("decision", decision.to_owned())];
        let granted: Vec<String> = match scopes {
            Some(scopes) => scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            None => offered,
        };
        form.extend(granted.into_iter().map(|scope| ("scope", scope)));
        let decided = self
            .client
            .post(format!("{}/oauth/v2/authorize", self.sandbox.url()))
            .form(&form)
            .send()
            .await
            .unwrap();
        assert_eq!(decided.status(), 303, "{:?}", decided.text().await);
        path_of(decided.headers()["location"].to_str().unwrap())
    }

    /// Comes back from the authorization server: another site, so no `Strict` cookie comes along.
    pub(crate) async fn come_back(&self, callback: &str) -> Answer {
        self.send(self.callback(callback)).await
    }

    /// The call by which a browser comes back.
    pub(crate) fn callback(&self, target: &str) -> Call {
        let lax: Vec<String> = self
            .jar
            .lock()
            .unwrap()
            .iter()
            .filter(|(name, _)| name.contains("whisk-login-"))
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let call = Call::get(target).metadata("cross-site", "navigate", "document").no_cookies();
        if lax.is_empty() { call } else { call.header("cookie", lax.join("; ")) }
    }

    pub(crate) fn cookie_line(&self) -> String {
        let jar = self.jar.lock().unwrap();
        jar.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    /// The session cookie's value.
    pub(crate) fn session_cookie(&self) -> Option<String> {
        self.cookie("__Host-Http-whisk")
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        self.jar.lock().unwrap().iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    /// Plants a cookie, as a test's mischief.
    pub(crate) fn set_cookie(&self, name: &str, value: &str) {
        let mut jar = self.jar.lock().unwrap();
        jar.retain(|(known, _)| known != name);
        jar.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn pending_logins(&self) -> usize {
        self.jar.lock().unwrap().iter().filter(|(name, _)| name.contains("whisk-login-")).count()
    }

    /// The world checks at the end of the test that this session works.
    pub(crate) fn expect_alive(&self) {
        self.evidence.expect(self.number, Some(self.cookie_line()));
    }

    /// The session is meant to end in this test.
    pub(crate) fn expect_ended(&self) {
        self.evidence.expect(self.number, None);
    }

    fn note(&self, status: StatusCode, headers: &HeaderMap) {
        self.evidence.saw(status.as_str().as_bytes());
        let mut jar = self.jar.lock().unwrap();
        for (name, value) in headers {
            self.evidence.saw(name.as_str().as_bytes());
            if name != "set-cookie" {
                self.evidence.saw(value.as_bytes());
                self.evidence.saw(b"\n");
                continue;
            }
            let line = value.to_str().unwrap();
            let (name, rest) = line.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            jar.retain(|(known, _)| known != name);
            if !rest.to_ascii_lowercase().contains("max-age=0") {
                jar.push((name.to_owned(), value.to_owned()));
                self.evidence.cookie(value);
            }
        }
    }
}

/// Path and query of a callback, which must be on our origin, by https or (for a world whose
/// `public_url` is that) http.
fn path_of(location: &str) -> String {
    let host = ORIGIN.trim_start_matches("https");
    let path = location
        .strip_prefix("https")
        .or(location.strip_prefix("http"))
        .and_then(|rest| rest.strip_prefix(host));
    path.unwrap_or_else(|| panic!("not on our origin: {location}")).to_owned()
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split_once(after).map(|(found, _)| found)
}

/// The values of all inputs of a name.
fn values_of(page: &str, name: &str) -> Vec<String> {
    page.split("<input")
        .filter_map(|input| input.split_once('>').map(|(input, _)| input))
        .filter(|input| input.contains(&format!("name=\"{name}\"")))
        .filter_map(|input| between(input, "value=\"", "\"").map(str::to_owned))
        .collect()
}
