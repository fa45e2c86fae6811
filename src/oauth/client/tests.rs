#![allow(clippy::unwrap_used)]

use super::*;

fn waited(text: &str) -> Option<u64> {
    // Sun, 06 Nov 1994 08:49:00 GMT.
    let now = Timestamp::from_millis(784_111_740_000);
    wait(&HeaderValue::from_str(text).unwrap(), now).map(|wait| wait.as_secs())
}

#[test]
fn retry_after_is_read_in_both_forms_and_bounded() {
    assert_eq!(waited("0"), Some(0));
    assert_eq!(waited("120"), Some(120));
    assert_eq!(waited("Sun, 06 Nov 1994 08:49:37 GMT"), Some(37));
    assert_eq!(waited("Sun, 06 Nov 1994 08:48:00 GMT"), Some(0));
    assert_eq!(waited("Fri, 31 Dec 9999 23:59:59 GMT"), Some(3600));
    assert_eq!(waited("18446744073709551615"), Some(3600));
    for unreadable in
        ["", "soon", "-1", "1.5", "Sun, 06 Foo 1994 08:49:37 GMT", "Sun, 99 Nov 1994 08:49:37 GMT"]
    {
        assert_eq!(waited(unreadable), None, "{unreadable}");
    }
}
