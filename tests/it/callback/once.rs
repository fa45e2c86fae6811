//! A code is sent once, and what it brought is not lost.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use futures_util::future::join_all;
use whisk_sandbox::{Gate, TokenFault};

use super::*;
use crate::support::world::HOST;

/// R7, W9: the same callback twenty times at once, over two instances: one token request, one
/// session, nineteen times 400, and the session lives.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_twenty_equal_callbacks_one_logs_in() {
    let world = World::builder().redis().instances(2).spawn().await;
    for _ in 0..5 {
        let browser = world.browser();
        let callback = browser.authorize("/auth/login").await;
        let before = asked(&world);
        let call = browser.callback(&callback);
        let answers = join_all((0..20).map(|number| {
            let (browser, call) = (&browser, call.clone());
            async move { browser.go_to(number % 2).send(call).await }
        }))
        .await;
        let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 303);
        assert_eq!((won.len(), lost.len()), (1, 19));
        for answer in lost {
            assert_fault_page(answer, 400, "login_expired");
            assert_eq!(session_cookies(answer), Vec::<String>::new());
        }
        assert_eq!(asked(&world), before + 1);
        assert_eq!(session_cookies(won[0]).len(), 1);
        for instance in [0, 1] {
            assert_eq!(browser.go_to(instance).get("/v2/me").await.status, 200);
        }
        browser.expect_alive();
    }
}

/// R7, R2, W9, contract §5 `login_expired`: a callback that was used is 400, and the session that
/// it began is untouched.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_used_callback_is_refused_and_harms_nothing() {
    let world = World::spawn().await;
    let browser = world.browser();
    let callback = browser.authorize("/auth/login").await;
    let again = browser.callback(&callback);
    assert_eq!(browser.come_back(&callback).await.status, 303);
    let refused = browser.send(again).await;
    assert_fault_page(&refused, 400, "login_expired");
    assert_eq!((session_cookies(&refused), asked(&world)), (vec![], 1));
    // With no login's cookie any more, as a browser's back button would have it.
    assert_fault_page(&browser.come_back(&callback).await, 400, "login_failed");
    browser.expect_alive();
}

/// Contract §6.4, R35, R25: a browser that hangs up during the exchange loses nothing: the code is
/// sent once, and the same callback, asked again at any instance, gives the session, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_that_hangs_up_during_the_exchange_still_gets_its_session() {
    let world = World::builder().redis().instances(2).spawn().await;
    let browser = world.browser();
    let callback = browser.authorize("/auth/login?return_to=/home").await;
    let gate = Gate::new();
    world.sandbox.behaviour(|behaviour| behaviour.token_faults.push_back(TokenFault::Gate(gate.clone())));

    let mut connection = TcpStream::connect(world.address(0)).unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let cookie = browser.cookie_line();
    let request = format!(
        "GET {callback} HTTP/1.1\r\nHost: {HOST}\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n\
         Sec-Fetch-Dest: document\r\nCookie: {cookie}\r\n\r\n"
    );
    connection.write_all(request.as_bytes()).unwrap();
    gate.reached().await;
    // Our side ends; that the broker has noticed shows when its side ends, too.
    connection.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    if let Err(error) = connection.read_to_end(&mut answer) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
    assert_eq!(String::from_utf8_lossy(&answer), "");
    assert_eq!(keys_of(&world, "s").await, Vec::<String>::new());
    gate.open();
    let mut parked = Vec::new();
    for _ in 0..500 {
        parked = keys_of(&world, "t").await;
        if !parked.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!((parked.len(), keys_of(&world, "s").await.len()), (1, 1));

    // Somebody else with the same address does not get it.
    let stranger = world.browser();
    stranger.set_cookie(cookie.split_once('=').unwrap().0, "1.AAAAAAAAAAAAAAAAAAAAAA");
    assert_fault_page(&stranger.come_back(&callback).await, 400, "login_failed");

    let again = browser.callback(&callback);
    let done = browser.go_to(1).come_back(&callback).await;
    assert_eq!((done.status.as_u16(), done.header("location")), (303, "/home"), "{done:?}");
    assert_eq!((session_cookies(&done).len(), login_cookies(&done).len()), (1, 1));
    assert_eq!(browser.get("/v2/me").await.status, 200);
    assert_fault_page(&browser.send(again).await, 400, "login_expired");
    assert_eq!((asked(&world), world.sandbox.journal().granted("authorization_code")), (1, 1));
    assert_eq!((keys_of(&world, "t").await.len(), keys_of(&world, "s").await.len()), (0, 1));
    browser.expect_alive();
}
