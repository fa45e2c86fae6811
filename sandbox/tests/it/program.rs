//! The sandbox as a program.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Command, Stdio},
};

#[test]
fn it_says_where_it_listens_and_serves_there() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_whisk-sandbox"))
        .args(["--listen", "127.0.0.1:0", "--access-token-lifetime", "1m"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let addr = first.strip_prefix("whisk-sandbox listens on http://").map(str::to_owned);
    let outcome = addr.map(|addr| {
        let mut socket = TcpStream::connect(&addr).unwrap();
        let request = format!("GET / HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(outcome.expect(&first).starts_with("HTTP/1.1 200 "));
}

#[test]
fn it_refuses_to_be_reached_by_others_unless_told() {
    let refused =
        Command::new(env!("CARGO_BIN_EXE_whisk-sandbox")).args(["--listen", "0.0.0.0:0"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(64));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("--allow-remote"));
    assert_eq!(refused.stdout, b"");
}
