//! Requests at random: what was admitted is what the API gets, byte for byte, and what two servers
//! could read in two ways gets nowhere.
//!
//! Each request goes over a raw, kept connection to a process of its own. What the API may be sent
//! for it is said by [`oracle`], which is written from the rules and shares no code with what it
//! judges. The seed is printed; `WHISK_BFF_SEED` repeats a run.

mod draw;
mod oracle;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use draw::{Case, Draw};
use oracle::Verdict;

use crate::support::process::Process;
use crate::support::raw::{RawAnswer, RawRequest, RawServer};
use crate::support::wire::{Reply, Wire};
use crate::support::{Answer, Browser, World};

/// What the API was sent, by the number of the case.
type Seen = Arc<Mutex<HashMap<u64, Vec<RawRequest>>>>;

/// R71, R72, R73, R74, R75, R76, R77, R80, R81: 3,000 requests, or 100,000 with
/// `WHISK_BFF_LONG_TESTS=1`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_api_gets_is_what_was_admitted() {
    let long = std::env::var("WHISK_BFF_LONG_TESTS").is_ok_and(|long| long == "1");
    let cases: u64 = if long { 100_000 } else { 3_000 };
    let seed = std::env::var("WHISK_BFF_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(rand::random::<u64>);
    println!("{cases} cases with WHISK_BFF_SEED={seed}");

    let seen = Seen::default();
    let noted = Arc::clone(&seen);
    let api = RawServer::start(move |request| {
        if let Some(case) = request.headers("x-case").first().and_then(|case| case.parse().ok()) {
            noted.lock().unwrap().entry(case).or_default().push(request);
        }
        RawAnswer::with(200, &[("X-From-Api", "1")], "{}")
    });
    let world = World::builder().set("whisk.api_url", api.url()).spawn().await;
    let process = Process::serve(world.environment()).await;
    let evidence = Arc::clone(&world.evidence);
    let browser = Browser::new(vec![process.address()], evidence, Arc::clone(&world.sandbox));
    browser.log_in().await;
    // It lives in the process's own memory, which the world does not ask.
    browser.expect_ended();

    let next = Arc::new(AtomicU64::new(0));
    let runners: Vec<_> = (0..4)
        .map(|_| {
            let (next, seen) = (Arc::clone(&next), Arc::clone(&seen));
            let mut runner = Runner::new(process.address(), browser.cookie_line(), api.addr(), seen);
            thread::spawn(move || {
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    if number >= cases {
                        return runner.tally;
                    }
                    runner.run(number, &Draw::case(seed, number));
                }
            })
        })
        .collect();
    let tally = runners
        .into_iter()
        .map(|runner| runner.join().unwrap_or_else(|_| panic!("WHISK_BFF_SEED={seed}")))
        .fold(Tally::default(), |all, one| Tally {
            forwarded: all.forwarded + one.forwarded,
            refused: all.refused + one.refused,
            either: all.either + one.either,
            connections: all.connections + one.connections,
        });
    println!("{tally:?}");
    // The generator draws both kinds, or it shows nothing.
    assert!(tally.forwarded > cases / 5 && tally.refused > cases / 5, "{tally:?}");
    assert!(seen.lock().unwrap().is_empty(), "the API was sent what nobody asked for");
    assert_eq!(browser.get("/v2/me").await.status, 200);
}

#[derive(Debug, Default)]
struct Tally {
    forwarded: u64,
    refused: u64,
    /// Of both: where the rules leave it open.
    either: u64,
    connections: u64,
}

/// One client on one connection at a time.
struct Runner {
    broker: SocketAddr,
    cookie: String,
    api: String,
    seen: Seen,
    wire: Option<Wire>,
    tally: Tally,
}

impl Runner {
    fn new(broker: SocketAddr, cookie: String, api: SocketAddr, seen: Seen) -> Self {
        Self { broker, cookie, api: api.to_string(), seen, wire: None, tally: Tally::default() }
    }

    fn run(&mut self, number: u64, case: &Case) {
        let (answer, kept) = self.ask(number, case);
        if !kept {
            self.wire = None;
        }
        let told = || format!("case {number}: {}\n{answer:?}", case.shown());
        let mut sent = self.seen.lock().unwrap().remove(&number).unwrap_or_default();
        let forwarded = answer.headers.contains_key("x-from-api");
        assert_eq!(sent.len(), usize::from(forwarded), "{}\n{sent:?}", told());

        let verdict = oracle::judge(&case.target);
        match (&verdict, forwarded) {
            (Verdict::Forwarded | Verdict::Open, true) => {
                let request = sent.pop().unwrap();
                if let Err(fault) = oracle::compare(case, &request, &self.api) {
                    panic!("{fault}\n{}\nthe API got {request:?}", told());
                }
                self.tally.forwarded += 1;
            }
            (Verdict::Refused(statuses), false) => {
                assert!(statuses.contains(&answer.status.as_u16()), "{}", told());
                self.tally.refused += 1;
            }
            (Verdict::Open, false) => {
                assert_eq!(answer.status, 400, "{}", told());
                self.tally.refused += 1;
            }
            _ => panic!("the oracle says {verdict:?}: {}", told()),
        }
        self.tally.either += u64::from(matches!(verdict, Verdict::Open));
    }

    /// The answer, and whether the connection is kept.
    fn ask(&mut self, number: u64, case: &Case) -> (Answer, bool) {
        // A connection may have been closed behind the answer before: the second is a new one.
        for _ in 0..2 {
            if self.wire.is_none() {
                self.tally.connections += 1;
                self.wire = Some(Wire::connect(self.broker));
            }
            let wire = self.wire.as_mut().expect("a connection");
            wire.send(case.bytes(number, &self.cookie));
            match wire.reply(case.method == "HEAD") {
                Reply::Whole(answer) => {
                    let closes = answer.headers.get("connection").is_some_and(|value| value == "close");
                    return (answer, !closes && case.keeps());
                }
                Reply::Closed => self.wire = None,
                Reply::Cut(answer) => panic!("case {number}: cut: {}\n{answer:?}", case.shown()),
            }
        }
        panic!("case {number}: no answer to {}", case.shown());
    }
}
