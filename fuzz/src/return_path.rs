//! `return_to`: whatever is taken leads to a path of our own origin (R11).

use url::Url;
use whisk_bff::model::ReturnTo;

pub(crate) fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(path) = ReturnTo::parse(text) else { return };
    let kept = path.as_str();

    assert!(text.len() <= ReturnTo::MAX_LENGTH && kept.len() <= 3 * ReturnTo::MAX_LENGTH);
    // It goes into `Location` as it is.
    assert!(kept.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\'), "{kept:?}");
    assert!(kept.starts_with('/') && !kept.starts_with("//"), "{kept:?}");
    for origin in ["https://app.example.com", "http://localhost:8080"] {
        let origin = Url::parse(origin).unwrap();
        #[expect(clippy::disallowed_methods, reason = "as a browser follows `Location`")]
        let target = origin.join(kept).unwrap();
        assert_eq!(target.origin(), origin.origin(), "{text:?} leaves the origin as {kept:?}");
        assert_eq!(&target[url::Position::BeforePath..], kept, "a browser reads {kept:?} differently");
    }
    // What was kept is stored and read again.
    if kept.len() <= ReturnTo::MAX_LENGTH {
        assert_eq!(ReturnTo::parse(kept).map(|again| again.as_str().to_owned()), Ok(kept.to_owned()));
    }
}
