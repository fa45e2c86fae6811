//! What a large upload costs the process that passes it on.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread;

use crate::support::process::Process;
use crate::support::wire::Wire;
use crate::support::world::HOST;
use crate::support::{Browser, World};

const MIB: usize = 1 << 20;
/// How much the process may grow by while it passes a body on, whatever its length. It allows for
/// buffers of two sockets, not for a body.
const GROWTH: usize = 16 * MIB;

/// R84: a process of its own passes 64 MiB on, or 1 GiB with `WHISK_BFF_LONG_TESTS=1`, and has
/// never held more than a small part of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_upload_passes_through_and_is_not_kept() {
    let long = std::env::var("WHISK_BFF_LONG_TESTS").is_ok_and(|long| long == "1");
    let size = if long { 1024 * MIB } else { 64 * MIB };
    let api = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", api.local_addr().unwrap());
    let world = World::builder().set("whisk.api_url", url).set("forward.max_body", "2GiB").spawn().await;
    let reading = thread::spawn(move || (swallow(&api), swallow(&api)));

    let process = Process::serve(world.environment()).await;
    let evidence = std::sync::Arc::clone(&world.evidence);
    let browser = Browser::new(vec![process.address()], evidence, std::sync::Arc::clone(&world.sandbox));
    browser.log_in().await;
    // It lives in the process's own memory, which the world does not ask.
    browser.expect_ended();
    let cookie = browser.cookie_line();
    let head = |framing: &str| {
        format!(
            "POST /v2/x HTTP/1.1\r\nHost: {HOST}\r\nCookie: {cookie}\r\nSec-Fetch-Site: same-origin\r\n{framing}\r\n\r\n"
        )
    };

    let before = resident(process.pid(), "VmRSS:");
    let mut wire = Wire::connect(process.address());
    wire.send(head(&format!("Content-Length: {size}")));
    let piece = vec![b'x'; MIB];
    for _ in 0..size / MIB {
        wire.stream.write_all(&piece).unwrap();
    }
    assert_eq!(wire.answer().status, 200);

    let mut wire = Wire::connect(process.address());
    wire.send(head("Transfer-Encoding: chunked"));
    for _ in 0..size / MIB {
        wire.stream.write_all(b"100000\r\n").unwrap();
        wire.stream.write_all(&piece).unwrap();
        wire.stream.write_all(b"\r\n").unwrap();
    }
    wire.send("0\r\n\r\n");
    assert_eq!(wire.answer().status, 200);
    let peak = resident(process.pid(), "VmHWM:");
    assert!(peak < before + GROWTH, "from {before} to {peak} bytes");
    assert_eq!(reading.join().unwrap(), (size, size));
}

/// Reads one request with a body, answers it, and returns the body's length.
fn swallow(api: &TcpListener) -> usize {
    let (stream, _) = api.accept().unwrap();
    let mut reader = BufReader::with_capacity(64 << 10, stream);
    let mut announced = None;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(length) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            announced = Some(length.trim().parse().unwrap());
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let length = match announced {
        Some(length) => skip(&mut reader, length),
        None => chunks(&mut reader),
    };
    reader
        .get_mut()
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        .unwrap();
    length
}

fn chunks(reader: &mut impl BufRead) -> usize {
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let chunk = usize::from_str_radix(line.trim(), 16).unwrap();
        length += skip(reader, chunk);
        skip(reader, 2);
        if chunk == 0 {
            return length;
        }
    }
}

fn skip(reader: &mut impl Read, length: usize) -> usize {
    std::io::copy(&mut reader.take(length as u64), &mut std::io::sink()).unwrap() as usize
}

/// A line of the process's status, in bytes.
fn resident(pid: u32, name: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}
