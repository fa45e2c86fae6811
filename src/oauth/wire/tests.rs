#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn scope(json: &str) -> Loose {
    object::<TokenResponse>(format!(r#"{{"scope":{json}}}"#).as_bytes()).unwrap().scope
}

#[test]
fn every_shape_is_read() {
    assert!(matches!(scope("null"), Loose::Absent));
    assert!(matches!(scope("-3"), Loose::Integer(-3)));
    assert!(matches!(scope("18446744073709551615"), Loose::Integer(18_446_744_073_709_551_615)));
    assert!(matches!(scope("1.5"), Loose::Float(_)));
    assert!(matches!(scope("true"), Loose::Other));
    assert!(matches!(scope(r#"{"a":[{}]}"#), Loose::Other));
    assert!(matches!(scope(r#""a\u0020b""#), Loose::Text(text) if *text == "a b"));
    assert!(matches!(scope(r#"["a",1,null,["b"],{"c":"d"},true,"e"]"#), Loose::Texts(t) if t == ["a", "e"]));
}

#[test]
fn depth_and_length_cost_no_answer() {
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    for member in ["scope", "expires_in", "unknown"] {
        let body = format!(r#"{{"{member}":{deep},"access_token":"t"}}"#);
        let response: TokenResponse = object(body.as_bytes()).unwrap();
        assert!(matches!(response.access_token, Loose::Text(_)), "{member}");
    }
    let long = format!("[{}1]", r#""a","#.repeat(10_000));
    assert!(matches!(scope(&long), Loose::Texts(texts) if texts.len() == Loose::MAX_TEXTS));
}

#[test]
fn only_one_whole_object_is_an_answer() {
    assert!(object::<TokenResponse>(b" \r\n{} ").is_some());
    for body in ["", " ", "[]", r#"["t","bearer"]"#, "null", "1", r#""{}""#, "{", "{} {}", "{}x", "a=b"] {
        assert!(object::<TokenResponse>(body.as_bytes()).is_none(), "{body}");
    }
    let twice = br#"{"access_token":"a","access_token":"b"}"#;
    assert!(object::<TokenResponse>(twice).is_none());
    assert!(object::<TokenResponse>(br#"{"id_token":1,"id_token":2}"#).is_some());
}

#[test]
fn no_value_prints_itself() {
    let body = br#"{"access_token":"AT_MARK","refresh_token":["RT_MARK"]}"#;
    let text = format!("{:?}", object::<TokenResponse>(body).unwrap());
    assert!(!text.contains("MARK"), "{text}");
}

/// Any JSON value, as text.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        any::<u64>().prop_map(|value| value.to_string()),
        any::<f64>().prop_filter("finite", |value| value.is_finite()).prop_map(|value| format!("{value:e}")),
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        let member = (any::<String>(), inner.clone());
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec(member, 0..6).prop_map(|members| {
                let members: Vec<_> = members
                    .into_iter()
                    .map(|(name, value)| format!("{}:{value}", serde_json::to_string(&name).unwrap()))
                    .collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_in_any_member_is_read(values in prop::array::uniform6(json())) {
        let [a, b, c, d, e, f] = values;
        let body = format!(
            r#"{{"access_token":{a},"token_type":{b},"expires_in":{c},"refresh_token":{d},"scope":{e},"x":{f}}}"#
        );
        prop_assert!(object::<TokenResponse>(body.as_bytes()).is_some(), "{body}");
        let body = format!(r#"{{"error":{a},"error_description":{b}}}"#);
        prop_assert!(object::<ErrorResponse>(body.as_bytes()).is_some(), "{body}");
    }

    #[test]
    fn any_bytes_are_survived(mut body in prop::collection::vec(any::<u8>(), 0..512), object_like: bool) {
        if object_like {
            body.insert(0, b'{');
        }
        let _ = object::<TokenResponse>(&body);
        let _ = object::<ErrorResponse>(&body);
    }
}
