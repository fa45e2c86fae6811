#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn the_challenge_is_that_of_rfc_7636_appendix_b() {
    let verifier = CodeVerifier::try_from("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned()).unwrap();

    assert_eq!(verifier.challenge().as_str(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
}

#[test]
fn a_new_verifier_has_43_unreserved_characters_and_no_twin() {
    let all: std::collections::HashSet<_> =
        (0..1000).map(|_| CodeVerifier::new().expose().to_owned()).collect();

    assert_eq!(all.len(), 1000);
    assert!(all.iter().all(|text| text.len() == 43 && CodeVerifier::try_from(text.clone()).is_ok()));
}

#[test]
fn a_verifier_survives_serialization_and_nothing_else_is_read_as_one() {
    let verifier = CodeVerifier::new();
    let text = serde_json::to_string(&verifier).unwrap();
    assert_eq!(text, format!("\"{}\"", verifier.expose()));
    assert_eq!(serde_json::from_str::<CodeVerifier>(&text).unwrap(), verifier);

    for wrong in ["a".repeat(42), "a".repeat(129), format!("{} ", "a".repeat(43)), "é".repeat(43)] {
        let error = serde_json::from_value::<CodeVerifier>(wrong.clone().into()).unwrap_err();
        assert!(!error.to_string().contains(&wrong));
    }
}

#[test]
fn a_verifier_does_not_print_itself() {
    assert_eq!(format!("{:?}", CodeVerifier::new()), "CodeVerifier([redacted])");
}
