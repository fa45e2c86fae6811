//! Trace Context on its way through (W3C Recommendation, section 3).

use super::Stage;

const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// R86: a valid trace goes on as it is, with its state, however long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_valid_trace_goes_on() {
    let stage = Stage::plain(&[]).await;
    let long = (0..32).map(|n| format!("k{n:02}=0123456789abcdef")).collect::<Vec<_>>().join(",");
    assert!(long.len() > 512);
    for (n, (trace, state)) in [
        (VALID, "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"),
        (VALID, long.as_str()),
        (VALID, ""),
        ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-may-come", "a=b"),
    ]
    .into_iter()
    .enumerate()
    {
        let state_line = if state.is_empty() { String::new() } else { format!("tracestate: {state}\r\n") };
        let answer = stage.ask("GET /v2/me", &format!("Traceparent: {trace}\r\n{state_line}"));
        assert_eq!(answer.status, 200);
        let request = stage.last(n + 1);
        assert_eq!(request.header("traceparent").as_deref(), Some(trace));
        assert_eq!(request.header("tracestate").unwrap_or_default(), state);
    }
}

/// R86: a spoilt one begins anew, without the state; where there is none, none is invented.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spoilt_trace_begins_anew_without_its_state() {
    let stage = Stage::plain(&[]).await;
    let mut begun = std::collections::HashSet::new();
    let spoilt = [
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01".to_owned(),
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01".to_owned(),
        "00-00000000000000000000000000000000-0000000000000000-00".to_owned(),
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned(),
        VALID.to_uppercase(),
        format!("{VALID}-more"),
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7".to_owned(),
        "SPOILT".to_owned(),
        format!("{VALID}, {VALID}"),
        format!("{VALID}\r\ntraceparent: {VALID}"),
    ];
    for (n, trace) in spoilt.iter().enumerate() {
        let answer = stage.ask("GET /v2/me", &format!("traceparent: {trace}\r\ntracestate: SPOILT=1\r\n"));
        assert_eq!(answer.status, 200, "{trace}");
        let request = stage.last(n + 1);
        let sent = request.header("traceparent").expect("a trace");
        let parts: Vec<&str> = sent.split('-').collect();
        let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
        assert_eq!((lengths.as_slice(), parts[0]), (&[2, 32, 16, 2][..], "00"), "{trace}: {sent}");
        assert!(parts[1..3].iter().all(|part| part.bytes().any(|digit| digit != b'0')), "{trace}: {sent}");
        assert!(sent.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-')), "{sent}");
        assert_ne!(parts[1], "4bf92f3577b34da6a3ce929d0e0e4736", "{trace}");
        assert!(begun.insert(sent), "{trace}: twice the same");
        assert_eq!(request.header("tracestate"), None, "{trace}");
    }
    assert_eq!(stage.ask("GET /v2/me", "tracestate: SPOILT=1\r\n").status, 200);
    let request = stage.last(spoilt.len() + 1);
    assert_eq!((request.header("traceparent"), request.header("tracestate")), (None, None));
}
