//! Sentinel promotes another primary in the very second of a logout and of a refresh.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use whisk_sandbox::{Gate, TokenFault};

use crate::support::redis::sentinel::SentinelSetup;
use crate::support::{Browser, World, eventually};

use super::{has_its_store, short_or_long, status_of};

/// For a logout to hold on both instances while the primary changes: contract §6.2 says one second,
/// which `faults::logouts` and `faults::coherence` hold without a failover. A crowded machine and two
/// instances that find the new primary apart get more.
const LIMIT: Duration = Duration::from_secs(3);
/// No watch lasts longer.
const LONGEST: Duration = Duration::from_secs(60);

/// When the writes come.
#[derive(Debug, Clone, Copy)]
enum Writes {
    /// Acknowledged by the old primary, and unknown to the new one.
    Forgotten,
    /// While the old primary dies, and until there is a new one.
    Between,
}

/// R35, R37, R60, contract §6.1, §6.2, §6.6: a logout and a refresh (the authorization server
/// rotates, and ends a grant whose old token it sees again) meet a failover, while both instances are
/// asked for both sessions all the time. What was logged out is dead on both, and stays so; what was
/// refreshed works on both, and no refresh token was spent twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_undoes_neither_a_logout_nor_a_refresh() {
    for round in 0..short_or_long(2, 50) {
        let writes = [Writes::Forgotten, Writes::Between][round % 2];
        // Who writes, and when: otherwise in every pair of rounds.
        let (writer, delay) = (round / 2 % 2, Duration::from_millis(round as u64 / 2 * 7 % 40));
        Round::begin(writer, delay).await.run(writes).await;
    }
}

struct Round {
    world: World,
    setup: SentinelSetup,
    writer: usize,
    delay: Duration,
    /// Logs out.
    leaver: Browser,
    /// Is refreshed.
    stayer: Browser,
    /// The access token of the one that stays.
    token: String,
}

/// A call that was watched.
struct Seen {
    began: Instant,
    instance: usize,
    status: u16,
}

impl Round {
    async fn begin(writer: usize, delay: Duration) -> Self {
        let setup = SentinelSetup::start().await;
        let world = World::builder().instances(2).set("store.url", setup.url()).spawn().await;
        for instance in [0, 1] {
            eventually("a store", async || has_its_store(&world, instance)).await;
        }
        let (leaver, stayer) = (world.logged_in().await, world.logged_in().await);
        for instance in [0, 1, 0, 1] {
            for browser in [&leaver, &stayer] {
                assert_eq!(browser.go_to(instance).get("/v2/me").await.status, 200);
            }
        }
        let calls = world.sandbox.journal().api();
        let bearer = calls.last().unwrap().header_str("authorization").unwrap();
        let token = bearer.strip_prefix("Bearer ").unwrap().to_owned();
        eventually("a replica that follows", async || {
            setup.replica.keys().await.len() == setup.primary.keys().await.len()
        })
        .await;
        Self { world, setup, writer, delay, leaver, stayer, token }
    }

    async fn run(mut self, writes: Writes) {
        let over = AtomicBool::new(false);
        let (gone, kept) = (self.leaver.cookie_line(), self.stayer.cookie_line());
        self.leaver.expect_ended();
        // Watchers have browsers of their own: one's instance is no other's business.
        let watchers: Vec<_> = (0..4).map(|_| self.world.browser()).collect();
        let watching = async {
            tokio::join!(
                watch(&watchers[0], &gone, 0, &over),
                watch(&watchers[1], &gone, 1, &over),
                watch(&watchers[2], &kept, 0, &over),
                watch(&watchers[3], &kept, 1, &over),
            )
        };
        let acting = async {
            let ended = match writes {
                Writes::Forgotten => self.write_what_is_forgotten().await,
                Writes::Between => self.write_in_between().await,
            };
            let new = self.setup.replica.port();
            eventually("another primary", async || self.setup.named().await == new).await;
            for instance in [0, 1] {
                eventually("a store that is back", async || has_its_store(&self.world, instance)).await;
                self.comes_back(&kept, instance).await;
            }
            tokio::time::sleep(LIMIT).await;
            over.store(true, Ordering::SeqCst);
            ended
        };
        let (watched, ended) = tokio::join!(watching, acting);

        for seen in watched.0.iter().chain(&watched.1) {
            let dead = seen.status == 401 || seen.status == 503;
            let after = seen.began.saturating_duration_since(ended);
            let (status, instance) = (seen.status, seen.instance);
            assert!(dead || after <= LIMIT, "{after:?} after its logout: {status} at {instance}");
        }
        for seen in watched.2.iter().chain(&watched.3) {
            let after = seen.began.saturating_duration_since(ended);
            assert!(
                matches!(seen.status, 200 | 503),
                "{after:?} after: {} at {}",
                seen.status,
                seen.instance
            );
        }
        for instance in [0, 1] {
            assert_eq!(status_of(&self.leaver, &gone, instance).await, 401, "it came back at {instance}");
            self.comes_back(&kept, instance).await;
        }
        let journal = self.world.sandbox.journal();
        assert_eq!(journal.grants("refresh_token"), journal.granted("refresh_token"), "one was spent twice");
        // The new token is the one that is stored: it can be used.
        self.world.sandbox.expire_access_tokens();
        for instance in [1, 0] {
            self.comes_back(&kept, instance).await;
        }
        let records = self.setup.replica.keys().await;
        assert_eq!(records.iter().filter(|key| key.starts_with("whisk-bff:s:")).count(), 1, "{records:?}");
        assert_eq!(self.setup.replica.ttl_violations().await, [""; 0]);
    }

    /// The session that stays is served there, after some 503 at most.
    async fn comes_back(&self, cookie: &str, instance: usize) {
        eventually("the session that was refreshed", async || {
            let status = status_of(&self.stayer, cookie, instance).await;
            assert!(matches!(status, 200 | 503), "it is lost, says {instance}: {status}");
            status == 200
        })
        .await;
    }

    /// Answers when the logout had been answered.
    async fn write_what_is_forgotten(&mut self) -> Instant {
        let (setup, whisk) = (&mut self.setup, &self.world.sandbox);
        setup.replica.freeze();
        setup.primary.ask::<i64>(&["CLIENT", "KILL", "TYPE", "replica"]).await;
        let answer = self.leaver.go_to(self.writer).post("/auth/logout").await;
        let ended = Instant::now();
        assert_eq!(answer.status, 204);
        // The other one's token lives: the API would serve it.
        assert!(whisk.revoke_access_token(&self.token));
        let cookie = self.stayer.cookie_line();
        assert_eq!(status_of(&self.stayer, &cookie, self.writer).await, 200);
        assert!(whisk.journal().granted("refresh_token") > 0);
        tokio::time::sleep(self.delay).await;
        setup.primary.kill();
        setup.replica.thaw();
        ended
    }

    /// The token endpoint has rotated, and its answer comes when the primary is gone. The user who
    /// is told that it did not work logs out again.
    async fn write_in_between(&mut self) -> Instant {
        let (setup, whisk) = (&mut self.setup, &self.world.sandbox);
        let gate = Gate::new();
        whisk.behaviour(|whisk| whisk.token_faults.push_back(TokenFault::Gate(gate.clone())));
        whisk.expire_access_tokens();
        gate.reached().await;
        let leaver = &self.leaver;
        let writer = self.writer;
        let log_out = async {
            let began = Instant::now();
            loop {
                let answer = leaver.go_to(writer).post("/auth/logout").await;
                if answer.status == 204 {
                    return Instant::now();
                }
                answer.assert_problem(503, "store_unavailable");
                assert!(began.elapsed() < LONGEST, "nobody can log out");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let kill = async {
            tokio::time::sleep(self.delay).await;
            setup.primary.kill();
            gate.open();
        };
        tokio::join!(log_out, kill).0
    }
}

/// Asks for a session at an instance until it is over.
async fn watch(browser: &Browser, cookie: &str, instance: usize, over: &AtomicBool) -> Vec<Seen> {
    let watched = Instant::now();
    let mut calls = Vec::new();
    while !over.load(Ordering::SeqCst) {
        assert!(watched.elapsed() < LONGEST, "the watch does not end");
        let began = Instant::now();
        let status = status_of(browser, cookie, instance).await;
        calls.push(Seen { began, instance, status });
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    calls
}
