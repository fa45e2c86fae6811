//! Steady calls of many sessions, and what became of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use whisk_sandbox::User;

use crate::support::world::WorldBuilder;
use crate::support::{Browser, World, eventually};

use super::{has_its_store, short_or_long};

pub(super) const INSTANCES: usize = 2;
/// Traffic ends by itself after this long, whatever happens to what it is there for.
const LONGEST: Duration = Duration::from_secs(90);

/// Sessions at two instances, each of a user of its own.
pub(super) struct Crowd {
    pub(super) world: World,
    pub(super) browsers: Vec<Arc<Browser>>,
    a_second: u32,
}

/// One call: when it began, and its status.
pub(super) struct Seen {
    pub(super) began: Instant,
    pub(super) status: u16,
}

impl Crowd {
    /// Logs everybody in, over the store of that URL.
    pub(super) async fn gather(url: &str, change: impl FnOnce(WorldBuilder) -> WorldBuilder) -> Self {
        let (sessions, a_second) = short_or_long((10, 20), (50, 100));
        // Some more, for those who come later.
        let users = (0..sessions + 10).map(|n| User::new(format!("user-{n}"), format!("User {n}")));
        let world = World::builder().instances(INSTANCES).set("store.url", url);
        let world = change(world).sandbox(|config| config.users = users.collect()).spawn().await;
        for instance in 0..INSTANCES {
            eventually("a store", async || has_its_store(&world, instance)).await;
        }
        let mut crowd = Self { world, browsers: Vec::new(), a_second };
        for user in 0..sessions {
            let browser = crowd.newcomer(user).await;
            crowd.browsers.push(Arc::new(browser));
        }
        crowd
    }

    /// One more session, of that user.
    pub(super) async fn newcomer(&self, user: usize) -> Browser {
        let browser = self.world.browser();
        browser.go_to(user % INSTANCES).log_in_as(&format!("user-{user}")).await;
        browser
    }

    /// Has every instance serve every session without asking the store.
    pub(super) async fn warm_up(&self) {
        for instance in 0..INSTANCES {
            for browser in &self.browsers {
                browser.go_to(instance);
                eventually("a warm session", async || {
                    let hits = self.world.metric(instance, CACHE_HITS);
                    assert_eq!(browser.get("/v2/me").await.status, 200);
                    self.world.metric(instance, CACHE_HITS) > hits
                })
                .await;
            }
        }
    }

    /// Calls by all in turn, at the instances in turn, while `meanwhile` happens. Each answer is the
    /// right user's, or a 503 that says when to come again; none touches a cookie.
    pub(super) async fn call_while<T>(&self, meanwhile: impl Future<Output = T>) -> (Vec<Seen>, T) {
        let over = AtomicBool::new(false);
        let calling = async {
            let began = Instant::now();
            let mut ticks = tokio::time::interval(Duration::from_secs(1) / self.a_second);
            let mut calls = JoinSet::new();
            let mut number = 0;
            while !over.load(Ordering::SeqCst) {
                assert!(began.elapsed() < LONGEST, "what the traffic is for does not end");
                ticks.tick().await;
                let user = number % self.browsers.len();
                let browser = Arc::clone(&self.browsers[user]);
                let instance = number / self.browsers.len() % INSTANCES;
                number += 1;
                calls.spawn(async move { call(&browser, user, instance).await });
            }
            calls.join_all().await
        };
        let ending = async {
            let outcome = meanwhile.await;
            over.store(true, Ordering::SeqCst);
            outcome
        };
        tokio::join!(calling, ending)
    }

    /// Everybody is served by every instance, with one call each.
    pub(super) async fn all_work(&self) {
        for instance in 0..INSTANCES {
            for (user, browser) in self.browsers.iter().enumerate() {
                assert_eq!(call(browser, user, instance).await.status, 200, "user {user} at {instance}");
            }
        }
    }

    /// Somebody logs in at every instance, and is served by every instance.
    pub(super) async fn logins_work(&self) {
        for number in 0..INSTANCES {
            let user = self.browsers.len() + number;
            let browser = self.newcomer(user).await;
            for instance in 0..INSTANCES {
                assert_eq!(call(&browser, user, instance).await.status, 200);
            }
        }
    }
}

const CACHE_HITS: &str = "whisk_bff_cache_hits_total";

pub(super) async fn call(browser: &Browser, user: usize, instance: usize) -> Seen {
    let began = Instant::now();
    let answer = browser.go_to(instance).get("/v2/me").await;
    match answer.status.as_u16() {
        200 => assert_eq!(answer.json()["id"], format!("user-{user}")),
        503 => {
            answer.assert_problem(503, "store_unavailable");
            assert!(answer.header("retry-after").parse::<u32>().is_ok(), "{answer:?}");
        }
        _ => panic!("user {user} at {instance}: {answer:?}"),
    }
    assert_eq!(answer.set_cookies(), [""; 0]);
    assert_eq!(answer.header("location"), "");
    Seen { began, status: answer.status.as_u16() }
}

/// How many calls had which status.
pub(super) fn counted(calls: &[Seen]) -> BTreeMap<u16, usize> {
    let mut counted = BTreeMap::new();
    for call in calls {
        *counted.entry(call.status).or_default() += 1;
    }
    counted
}
