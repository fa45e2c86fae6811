//! Two users, one pool of connections, two instances: nobody is ever taken for the other.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use whisk_sandbox::{ApiFault, Sandbox};

use crate::support::process::Process;
use crate::support::wire::{Reply, Wire};
use crate::support::world::HOST;
use crate::support::{Answer, Browser, World};

const USERS: [&str; 2] = ["demo-baker", "demo-cook"];
/// More than is kept for a repeat.
const LARGE: usize = 70_000;

/// R74, R85, contract §6: 2,000 calls, or 100,000 with `WHISK_BFF_LONG_TESTS=1`, of two users over
/// shared connections, while tokens expire, the API drops, cuts and refuses calls, and browsers
/// leave in the middle of a body. The API says whose token each call carried.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_always_its_own_user_s() {
    let long = std::env::var("WHISK_BFF_LONG_TESTS").is_ok_and(|long| long == "1");
    let calls = if long { 100_000 } else { 2_000 };
    // A busy machine is no outage.
    let world = World::builder().redis().set("store.timeout", "10s").spawn().await;
    let processes = [Process::serve(world.environment()).await, Process::serve(world.environment()).await];
    let addresses = processes.each_ref().map(Process::address);
    let mut cookies = Vec::new();
    for user in USERS {
        let evidence = Arc::clone(&world.evidence);
        let browser = Browser::new(addresses.to_vec(), evidence, Arc::clone(&world.sandbox));
        browser.log_in_as(user).await;
        cookies.push(browser.cookie_line());
    }

    let over = Arc::new(AtomicBool::new(false));
    let trouble = thread::spawn({
        let (over, sandbox) = (Arc::clone(&over), Arc::clone(&world.sandbox));
        move || make_trouble(&over, &sandbox)
    });
    let next = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = (0..6)
        .map(|_| {
            let (next, mut caller) = (Arc::clone(&next), Caller::new(addresses, cookies.clone()));
            thread::spawn(move || {
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    if number >= calls {
                        return caller.tally;
                    }
                    caller.call(number);
                }
            })
        })
        .collect();
    let tally = callers.into_iter().map(|caller| caller.join().expect("no call of another's")).fold(
        Tally::default(),
        |all, one| Tally {
            owned: all.owned + one.owned,
            failed: all.failed + one.failed,
            left: all.left + one.left,
        },
    );
    over.store(true, Ordering::SeqCst);
    let troubles = trouble.join().unwrap();
    let refreshes = world.sandbox.journal().granted("refresh_token");
    println!("{calls} calls: {tally:?}, {troubles} troubles, {refreshes} refreshes");
    assert!(tally.owned > calls / 3, "{tally:?}");
    assert!(tally.failed > 0 && tally.left > 0 && refreshes > 1, "{tally:?}, {refreshes} refreshes");
}

/// Faults and expired tokens, until it is over; how many.
fn make_trouble(over: &AtomicBool, sandbox: &Sandbox) -> usize {
    let mut troubles = 0;
    while !over.load(Ordering::SeqCst) {
        thread::sleep(Duration::from_millis(40));
        let fault = match troubles % 6 {
            0 => ApiFault::DropBeforeAnswer,
            1 => ApiFault::Truncate,
            2 => ApiFault::Status(503, "{\"code\":\"x\"}".to_owned(), "application/json".to_owned()),
            3 => ApiFault::Delay(Duration::from_millis(30)),
            4 => ApiFault::Status(401, "{\"code\":\"auth.other\"}".to_owned(), "application/json".to_owned()),
            _ => ApiFault::None,
        };
        sandbox.behaviour(|behaviour| behaviour.api_faults.push_back(fault));
        if troubles % 10 == 0 {
            sandbox.expire_access_tokens();
        }
        troubles += 1;
    }
    sandbox.behaviour(|behaviour| behaviour.api_faults.clear());
    troubles
}

#[derive(Debug, Default)]
struct Tally {
    /// Answers that named their owner, the right one.
    owned: usize,
    /// Answers of the trouble.
    failed: usize,
    /// Calls that were left in the middle.
    left: usize,
}

/// A proxy between the users and the instances, as it were: both users' calls share a connection.
struct Caller {
    addresses: [SocketAddr; 2],
    wires: [Option<Wire>; 2],
    cookies: Vec<String>,
    tally: Tally,
}

impl Caller {
    fn new(addresses: [SocketAddr; 2], cookies: Vec<String>) -> Self {
        Self { addresses, wires: [None, None], cookies, tally: Tally::default() }
    }

    fn call(&mut self, number: usize) {
        // Mixed, but the same in every run.
        let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        let (user, instance, kind) = (mixed & 1, (mixed >> 1) & 1, (mixed >> 2) % 12);
        let target = format!("/v2/echo/{number}");
        match kind {
            0..=4 => self.echo(user, instance, "GET", &target, 0),
            5..=6 => self.echo(user, instance, "POST", &target, 1 + number % 4000),
            7 => self.echo(user, instance, "PUT", &target, LARGE),
            8 => self.echo(user, instance, "DELETE", &target, 0),
            9 => {
                let status = [404, 429, 500, 503][number % 4];
                if let Some(answer) = self.ask(user, instance, "GET", &format!("/v2/status/{status}"), 0) {
                    self.judge(&answer, user, "", 0);
                }
            }
            10 => {
                // Leaves in the middle of the body.
                let mut wire = Wire::connect(self.addresses[instance]);
                wire.send(self.request(user, "POST", &target, LARGE, LARGE / 2));
                self.tally.left += 1;
            }
            _ => {
                // Leaves in the middle of the answer.
                let mut wire = Wire::connect(self.addresses[instance]);
                wire.send(self.request(user, "GET", "/v2/download?bytes=3000000", 0, 0));
                let mut bytes = [0; 1000];
                let _ = std::io::Read::read(&mut wire.stream, &mut bytes);
                self.tally.left += 1;
            }
        }
    }

    fn echo(&mut self, user: usize, instance: usize, method: &str, target: &str, length: usize) {
        if let Some(answer) = self.ask(user, instance, method, target, length) {
            self.judge(&answer, user, target, length);
        }
    }

    fn judge(&mut self, answer: &Answer, user: usize, target: &str, length: usize) {
        let told = || format!("{} {target}: {answer:?}", USERS[user]);
        // Trouble is passed on or told of; it ends no session.
        let code = answer.header("x-whisk-bff-error");
        assert!(["", "upstream_unreachable", "login_server_unavailable"].contains(&code), "{}", told());
        if answer.status != 200 {
            self.tally.failed += 1;
            return;
        }
        let echo = answer.json();
        assert_eq!(echo["owner"], USERS[user], "{}", told());
        assert_eq!(
            (&echo["target"], &echo["body"]["length"]),
            (&target.into(), &length.into()),
            "{}",
            told()
        );
        let claimed = echo["headers"].to_string();
        assert!(claimed.contains(&format!("[\"x-user\",\"{}\"]", USERS[user])), "{}", told());
        self.tally.owned += 1;
    }

    /// The answer; `None` where it was cut.
    fn ask(
        &mut self,
        user: usize,
        instance: usize,
        method: &str,
        target: &str,
        length: usize,
    ) -> Option<Answer> {
        let request = self.request(user, method, target, length, length);
        for _ in 0..2 {
            let address = self.addresses[instance];
            let wire = self.wires[instance].get_or_insert_with(|| Wire::connect(address));
            wire.send(&request);
            match wire.reply(false) {
                Reply::Whole(answer) => {
                    if answer.headers.get("connection").is_some_and(|value| value == "close") {
                        self.wires[instance] = None;
                    }
                    return Some(answer);
                }
                Reply::Cut(_) => {
                    self.wires[instance] = None;
                    self.tally.failed += 1;
                    return None;
                }
                // Closed behind the answer before, or with an answer that broke before its first byte.
                Reply::Closed => self.wires[instance] = None,
            }
        }
        self.tally.failed += 1;
        None
    }

    /// A request that announces a body of one length and has another.
    fn request(&self, user: usize, method: &str, target: &str, length: usize, sent: usize) -> String {
        let (cookie, name) = (&self.cookies[user], USERS[user]);
        let framing = if length > 0 { format!("Content-Length: {length}\r\n") } else { String::new() };
        format!(
            "{method} {target} HTTP/1.1\r\nHost: {HOST}\r\nCookie: {cookie}\r\nSec-Fetch-Site: same-origin\r\n\
             X-User: {name}\r\n{framing}\r\n{}",
            "x".repeat(sent)
        )
    }
}
