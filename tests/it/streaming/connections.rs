//! The connections to the API, over many calls: which are kept, for how long, and what a call loses
//! when the API closes them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use whisk_bff::settings::Forward;

use super::stage::{Stage, limits};

/// Bounds whatever of this API waits, so that a test that fails ends.
const PATIENCE: Duration = Duration::from_secs(20);

/// An API whose connections are played by a function, each on a thread; the function ends where the
/// connection is to be closed.
struct Api {
    url: String,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    opened: AtomicUsize,
    closed: AtomicUsize,
    asked: AtomicUsize,
}

struct Line {
    reader: BufReader<TcpStream>,
    counts: Arc<Counts>,
}

impl Api {
    /// The function is told how many connections there were before.
    fn start(play: impl Fn(usize, &mut Line) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (play, counts) = (Arc::new(play), Arc::new(Counts::default()));
        let shared = Arc::clone(&counts);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, play, counts) = (stream.unwrap(), Arc::clone(&play), Arc::clone(&shared));
                let before = counts.opened.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || {
                    stream.set_nodelay(true).unwrap();
                    stream.set_read_timeout(Some(PATIENCE)).unwrap();
                    let mut line = Line { reader: BufReader::new(stream), counts: Arc::clone(&counts) };
                    play(before, &mut line);
                    drop(line);
                    counts.closed.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Self { url, counts }
    }

    fn opened(&self) -> usize {
        self.counts.opened.load(Ordering::SeqCst)
    }

    fn closed(&self) -> usize {
        self.counts.closed.load(Ordering::SeqCst)
    }

    fn asked(&self) -> usize {
        self.counts.asked.load(Ordering::SeqCst)
    }
}

impl Line {
    /// The head of the next request; `None`: the other side has closed.
    fn head(&mut self) -> Option<String> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.reader.read_line(&mut head).unwrap_or(0) == 0 {
                return None;
            }
        }
        self.counts.asked.fetch_add(1, Ordering::SeqCst);
        Some(head)
    }

    /// The next request, read to its end; its target and the body's length.
    fn request(&mut self) -> Option<(String, usize)> {
        let head = self.head()?;
        let length =
            head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let length = length.unwrap_or(0);
        self.reader.read_exact(&mut vec![0; length]).unwrap();
        Some((head.split(' ').nth(1).unwrap().to_owned(), length))
    }

    /// Answers, and says nothing of the connection.
    fn answer(&mut self, body: &str) {
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let _ = self.reader.get_mut().write_all(answer.as_bytes());
    }
}

/// Waits until it is so.
#[track_caller]
fn until(what: &str, so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !so() {
        assert!(begin.elapsed() < PATIENCE, "{what}");
        sleep(Duration::from_millis(2));
    }
}

/// R85: what was closed while it was idle costs no call, not even one that must not be repeated: of
/// that nothing had been sent.
#[test]
fn a_connection_that_the_api_closes_after_each_answer_costs_no_call() {
    let api = Api::start(|_, line| {
        if let Some((_, length)) = line.request() {
            line.answer(&length.to_string());
        }
    });
    let stage = Stage::before(&api.url);
    let mut wire = stage.connect();
    // Nothing, what is kept for a repeat, and what is passed on as it comes.
    for (round, length) in [0, 5, 50_000].into_iter().cycle().take(60).enumerate() {
        wire.send(format!(
            "POST /v2/x HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{}",
            "y".repeat(length)
        ));
        let answer = wire.answer(false);
        assert_eq!((answer.status, answer.text()), (200, length.to_string()), "call {round}");
        assert_eq!(api.asked(), round + 1, "each was sent once");
        until("the API has closed", || api.closed() == round + 1);
        sleep(Duration::from_millis(2));
    }
}

/// R85: many calls at once, and an API that closes whenever it likes: each call gets its own answer.
#[test]
fn no_call_of_a_thousand_is_lost_to_an_api_that_closes_at_will() {
    let api = Api::start(|before, line| {
        // As good as any order, and the same in each run.
        for _ in 0..=before.wrapping_mul(2_654_435_761) % 7 {
            let Some((target, _)) = line.request() else { return };
            line.answer(&target);
        }
    });
    let stage = Stage::before(&api.url);
    thread::scope(|scope| {
        for browser in 0..4 {
            let mut wire = stage.connect();
            scope.spawn(move || {
                for call in 0..250 {
                    let target = format!("/v2/{browser}/{call}");
                    wire.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
                    let answer = wire.answer(false);
                    assert_eq!((answer.status, answer.text()), (200, target));
                }
            });
        }
    });
    assert!(api.opened() > 100, "{} connections", api.opened());
}

/// R85: a call that was begun on a connection that had served others is lost like any other.
#[test]
fn a_connection_that_closes_while_a_request_is_written_loses_what_must_not_be_repeated() {
    for (request, status) in [("GET", 200), ("POST", 502), ("PUT", 502)] {
        let api = Api::start(|before, line| {
            while let Some(head) = line.head() {
                if !head.contains("/v2/lost") || (head.starts_with("GET") && before > 0) {
                    line.answer("{}");
                } else {
                    // The rest is not read, so that the system tells the other side at once.
                    return;
                }
            }
        });
        let stage = Stage::before(&api.url);
        assert_eq!(stage.ask("GET /v2/x HTTP/1.1\r\nHost: a\r\n\r\n").status, 200);
        let length = if request == "GET" { 0 } else { 500_000 };
        let head = format!("{request} /v2/lost HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        let mut wire = stage.connect();
        // The answer may come before all of it is taken.
        let _ = wire.stream.write_all(format!("{head}{}", "y".repeat(length)).as_bytes());
        assert_eq!(wire.answer(false).status, status, "{request}");
        assert_eq!(api.asked(), if status == 200 { 3 } else { 2 }, "{request}");
        assert_eq!(stage.ask("GET /v2/x HTTP/1.1\r\nHost: a\r\n\r\n").status, 200);
    }
}

/// `forward.pool_idle_timeout`: used until then, and closed soon after, though nobody calls.
#[test]
fn an_idle_connection_is_kept_for_its_time_and_no_longer() {
    let api = Api::start(|_, line| {
        while line.request().is_some() {
            line.answer("{}");
        }
    });
    let limit = Duration::from_millis(600);
    let stage = Stage::with(&api.url, Forward { pool_idle_timeout: limit, ..limits() });
    let ask = || assert_eq!(stage.ask("GET /v2/x HTTP/1.1\r\nHost: a\r\n\r\n").status, 200);
    ask();
    for _ in 0..5 {
        sleep(limit / 3);
        ask();
    }
    let last = Instant::now();
    assert_eq!((api.opened(), api.closed()), (1, 0));
    until("the connection is closed", || api.closed() == 1);
    assert!(last.elapsed() > limit - Duration::from_millis(100), "{:?}", last.elapsed());
    assert!(last.elapsed() < limit + Duration::from_secs(2), "{:?}", last.elapsed());
    ask();
    assert_eq!(api.opened(), 2);
}

/// The connection used last is used first, so that what a burst has opened is closed again.
#[test]
fn the_connections_of_a_burst_do_not_stay_open() {
    const BURST: usize = 8;
    let api = Api::start(|_, line| {
        while let Some((target, _)) = line.request() {
            if target == "/v2/slow" {
                sleep(Duration::from_millis(200));
            }
            line.answer("{}");
        }
    });
    let stage = Stage::with(&api.url, Forward { pool_idle_timeout: Duration::from_millis(600), ..limits() });
    thread::scope(|scope| {
        for _ in 0..BURST {
            scope.spawn(|| assert_eq!(stage.ask("GET /v2/slow HTTP/1.1\r\nHost: a\r\n\r\n").status, 200));
        }
    });
    assert_eq!(api.opened(), BURST);
    until("all but one are closed", || {
        assert_eq!(stage.ask("GET /v2/x HTTP/1.1\r\nHost: a\r\n\r\n").status, 200);
        api.closed() >= BURST - 1
    });
    sleep(Duration::from_millis(200));
    assert_eq!((api.opened(), api.closed()), (BURST, BURST - 1));
}

/// R84, R109: a browser may send all that it has before it takes anything, and an API may answer
/// all the while: neither waits for the other.
#[test]
fn an_upload_goes_on_while_nobody_takes_the_answer() {
    const SIZE: usize = 32 << 20;
    let api = Api::start(|_, line| {
        line.head().unwrap();
        let mut writer = line.reader.get_ref().try_clone().unwrap();
        let writing = thread::spawn(move || {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n");
            writer.write_all(head.as_bytes()).and_then(|()| writer.write_all(&vec![b'a'; SIZE]))
        });
        let mut upload = (&mut line.reader).take(SIZE as u64);
        assert_eq!(std::io::copy(&mut upload, &mut std::io::sink()).unwrap(), SIZE as u64);
        writing.join().unwrap().unwrap();
    });
    let idle_timeout = Duration::from_secs(5);
    let stage = Stage::with(&api.url, Forward { max_body: 1 << 30, idle_timeout, ..limits() });
    let mut wire = stage.connect();
    wire.stream.set_write_timeout(Some(PATIENCE)).unwrap();
    wire.send(format!("POST /v2/x HTTP/1.1\r\nHost: a\r\nContent-Length: {SIZE}\r\n\r\n"));
    wire.send(vec![b'y'; SIZE]);
    let answer = wire.answer(false);
    assert_eq!((answer.status, answer.whole, answer.body.len()), (200, true, SIZE));
}

/// An API may answer at the head and read the rest afterwards, whether its answer has a body or not.
#[test]
fn an_answer_at_the_head_does_not_cut_the_request_off() {
    const SIZE: usize = 8 << 20;
    for answer in ["204 No Content\r\n", "200 OK\r\nContent-Length: 2\r\n"] {
        let api = Api::start(move |_, line| {
            line.head().unwrap();
            let head = format!("HTTP/1.1 {answer}\r\n{}", if answer.starts_with("200") { "{}" } else { "" });
            line.reader.get_mut().write_all(head.as_bytes()).unwrap();
            sleep(Duration::from_millis(200));
            line.reader.read_exact(&mut vec![0; SIZE]).unwrap();
            line.counts.asked.fetch_add(10, Ordering::SeqCst);
            while line.request().is_some() {
                line.answer("{}");
            }
        });
        let settings = Forward { max_body: 1 << 30, replay_limit: SIZE, ..limits() };
        let stage = Stage::with(&api.url, settings);
        let mut wire = stage.connect();
        wire.send(format!("POST /v2/x HTTP/1.1\r\nHost: a\r\nContent-Length: {SIZE}\r\n\r\n"));
        wire.send(vec![b'y'; SIZE]);
        assert_eq!(wire.answer(false).status, answer[..3].parse::<u16>().unwrap());
        until("the API has the whole request", || api.asked() == 11);
        sleep(Duration::from_millis(200));
        assert_eq!(stage.ask("GET /v2/x HTTP/1.1\r\nHost: a\r\n\r\n").status, 200);
        assert_eq!((api.opened(), api.asked()), (1, 12), "{answer}");
    }
}
