use super::*;
use proptest::prelude::*;
use serde_json::json;

fn one(text: &str) -> Result<Packet, DecodeError> {
    Decoder::default().text(text).map(|packet| packet.expect("no attachments"))
}

fn event(namespace: &str, ack: Option<u64>, name: &str, args: Vec<Value>) -> Packet {
    Packet::Event { namespace: namespace.into(), ack, name: name.into(), args, attachments: vec![] }
}

#[test]
fn reads_every_packet_type() {
    let object = |value: Value| value.as_object().cloned();
    let cases = [
        ("0", Packet::Connect { namespace: "/".into(), payload: None }),
        ("0/a,", Packet::Connect { namespace: "/a".into(), payload: None }),
        ("0/a", Packet::Connect { namespace: "/a".into(), payload: None }),
        (r#"0/a,{"t":1}"#, Packet::Connect { namespace: "/a".into(), payload: object(json!({"t": 1})) }),
        ("1", Packet::Disconnect { namespace: "/".into() }),
        ("1/a,", Packet::Disconnect { namespace: "/a".into() }),
        (r#"2["b"]"#, event("/", None, "b", vec![])),
        (r#"2["error",1]"#, event("/", None, "error", vec![json!(1)])),
        (r"2[5]", event("/", None, "5", vec![])),
        (r#"2/a,12["b",[]]"#, event("/a", Some(12), "b", vec![json!([])])),
        (
            r"3/a,12[1]",
            Packet::Ack { namespace: "/a".into(), ack: 12, args: vec![json!(1)], attachments: vec![] },
        ),
        (
            r#"4/a,{"message":"no","data":{"e":1}}"#,
            Packet::ConnectError {
                namespace: "/a".into(),
                message: "no".into(),
                data: Some(json!({"e": 1})),
            },
        ),
        (
            r#"4{"message":"no"}"#,
            Packet::ConnectError { namespace: "/".into(), message: "no".into(), data: None },
        ),
    ];
    for (text, packet) in cases {
        assert_eq!(one(text), Ok(packet), "{text}");
    }
}

#[test]
fn half_an_emoji_is_no_malformed_packet() {
    let text = r#"2["message.post",{"content":"cut \ud83d"}]"#;
    assert_eq!(one(text), Ok(event("/", None, "message.post", vec![json!({"content": "cut \u{fffd}"})])));
    assert_eq!(one(r#"2["\ude00"]"#), Ok(event("/", None, "\u{fffd}", vec![])));
    let auth = json!({"token": "\u{fffd}"}).as_object().cloned();
    assert_eq!(one(r#"0{"token":"\ud83d"}"#), Ok(Packet::Connect { namespace: "/".into(), payload: auth }));
    let ack =
        Packet::Ack { namespace: "/".into(), ack: 1, args: vec![json!("\u{fffd}")], attachments: vec![] };
    assert_eq!(one(r#"31["\ud83d"]"#), Ok(ack));
}

#[test]
fn refuses_every_malformed_packet() {
    for text in [
        "",
        "7",
        "abc",
        "é",
        "2",
        "2{}",
        "2[]",
        "2abc[\"b\"]",
        "2[\"b\"",
        "2[\"b\"]x",
        "2[{}]",
        "2[[\"b\"]]",
        "2[null]",
        "2[true]",
        "212",
        "212{}",
        "2[\"connect\"]",
        "2[\"disconnect\",1]",
        "2[\"newListener\"]",
        "3[1]",
        "3x[1]",
        "3/a,[1]",
        "31{}",
        "0[]",
        "0\"a\"",
        "0null",
        "01{}",
        "0/a,[]",
        "4",
        "4[]",
        "45{\"message\":\"a\"}",
        "5[\"b\"]",
        "50-[\"b\"]",
        "511-[\"b\"]",
        "6-1[1]",
        "61-[1]",
        "5-[\"b\"]",
        "51[\"b\"]",
    ] {
        assert!(Decoder::default().text(text).is_err(), "{text:?}");
    }
}

#[test]
fn refuses_deep_nesting() {
    let deep = format!("2[\"b\",{}{}]", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(one(&deep), Err(DecodeError::Payload));
}

#[test]
fn collects_attachments() {
    let mut decoder = Decoder::default();
    let text = r#"52-/a,3["b",{"_placeholder":true,"num":1},{"x":{"_placeholder":true,"num":0}}]"#;
    assert_eq!(decoder.text(text), Ok(None));
    assert_eq!(decoder.binary(Bytes::from_static(&[1])), Ok(None));
    let packet = decoder.binary(Bytes::from_static(&[2])).unwrap().unwrap();
    let Packet::Event { ref attachments, ack, .. } = packet else { panic!("{packet:?}") };
    assert_eq!(attachments.as_slice(), [Bytes::from_static(&[1]), Bytes::from_static(&[2])]);
    assert_eq!(ack, Some(3));
    assert_eq!(packet.encode().unwrap().text, text);
    assert_eq!(decoder.binary(Bytes::new()), Err(DecodeError::Order));
}

#[test]
fn refuses_wrong_placeholders_and_orders() {
    for bad in ["1", "-1", "\"0\"", "null", "{}", "0.5", "1e99"] {
        let text = format!(r#"51-["b",{{"_placeholder":true,"num":{bad}}}]"#);
        assert_eq!(Decoder::default().text(&text), Err(DecodeError::Attachments), "{bad}");
    }
    let mut decoder = Decoder::default();
    decoder.text(r#"51-["b",{"_placeholder":true,"num":0}]"#).unwrap();
    assert_eq!(decoder.text(r#"2["b"]"#), Err(DecodeError::Order));
}

#[test]
fn bounds_the_bytes_of_attachments() {
    let mut decoder = Decoder::new(10, 4);
    decoder.text(r#"52-["b"]"#).unwrap();
    assert_eq!(decoder.binary(Bytes::from_static(&[0; 3])), Ok(None));
    assert_eq!(decoder.binary(Bytes::from_static(&[0; 3])), Err(DecodeError::Attachments));
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::hash_map("[a-z]{0,4}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn packets() -> impl Strategy<Value = Packet> {
    let namespace = || prop_oneof![Just("/".to_owned()), "/[a-z0-9é-]{1,8}"];
    let args = || proptest::collection::vec(values(), 0..4);
    prop_oneof![
        (namespace(), proptest::option::of(values())).prop_map(|(namespace, value)| {
            let payload = value.map(|value| Map::from_iter([("v".to_owned(), value)]));
            Packet::Connect { namespace, payload }
        }),
        (namespace(), ".*", any::<bool>(), any::<i64>()).prop_map(|(namespace, message, more, n)| {
            Packet::ConnectError { namespace, message, data: more.then(|| json!({ "n": n })) }
        }),
        namespace().prop_map(|namespace| Packet::Disconnect { namespace }),
        (namespace(), proptest::option::of(0..=MAX_ACK_ID), ".*", args(), 0_usize..4).prop_filter_map(
            "reserved",
            |(namespace, ack, name, args, n)| (!check::is_reserved(&name)).then_some(Packet::Event {
                namespace,
                ack,
                name,
                args,
                attachments: vec![Bytes::from_static(&[1]); n]
            })
        ),
        (namespace(), 0..=MAX_ACK_ID, args(), 0_usize..4).prop_map(|(namespace, ack, args, n)| {
            Packet::Ack { namespace, ack, args, attachments: vec![Bytes::from_static(&[1]); n] }
        }),
    ]
}

proptest! {
    #[test]
    fn round_trip(packet in packets()) {
        let encoded = packet.encode().unwrap();
        let mut decoder = Decoder::default();
        let mut decoded = decoder.text(&encoded.text).unwrap();
        for bytes in encoded.attachments {
            prop_assert_eq!(decoded, None);
            decoded = decoder.binary(bytes).unwrap();
        }
        prop_assert_eq!(decoded, Some(packet));
    }

    #[test]
    fn arbitrary_text_never_panics(text in r"[0-6]?([0-9]{1,20}-)?(/[a-zé]{0,5},?)?[0-9]{0,20}.{0,32}") {
        let mut decoder = Decoder::default();
        if let Ok(Some(packet)) = decoder.text(&text) {
            let _ = packet.encode();
        }
        let _ = decoder.binary(Bytes::from_static(&[0]));
    }
}
