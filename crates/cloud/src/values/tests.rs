use bson::oid::ObjectId;
use bson::raw::CString;
use bson::spec::BinarySubtype;
use bson::{Binary, Bson, DateTime, Decimal128, Document, JavaScriptCodeWithScope, Regex, Timestamp, doc};
use bytes::Bytes;
use proptest::prelude::*;
use tandem_contract::{ErrorKind, HostValue};

use super::read::parse_value;
use super::surrogates::replace_lone_surrogates;
use super::write::JsonWriter;
use super::{Batch, LARGEST_SAFE, parse, reply};

fn written(value: &Bson) -> String {
    let mut writer = JsonWriter::default();
    writer.value(value, 0).unwrap();
    String::from_utf8(writer.text).unwrap()
}

fn text_of(value: HostValue) -> String {
    match value {
        HostValue::Json(text) => String::from_utf8(text.to_vec()).unwrap(),
        other => panic!("not JSON: {other:?}"),
    }
}

/// What a function gets when it reads `value` and writes it back: safe Int64 values are numbers,
/// symbols are strings.
fn promoted(value: Bson) -> Bson {
    match value {
        Bson::Int64(number) if number.unsigned_abs() <= LARGEST_SAFE => {
            i32::try_from(number).map_or(Bson::Double(number as f64), Bson::Int32)
        }
        Bson::Symbol(text) => Bson::String(text),
        Bson::Array(items) => Bson::Array(items.into_iter().map(promoted).collect()),
        Bson::Document(document) => {
            Bson::Document(document.into_iter().map(|(name, value)| (name, promoted(value))).collect())
        }
        Bson::JavaScriptCodeWithScope(JavaScriptCodeWithScope { code, scope }) => {
            let scope = scope.into_iter().map(|(name, value)| (name, promoted(value))).collect();
            Bson::JavaScriptCodeWithScope(JavaScriptCodeWithScope { code, scope })
        }
        other => other,
    }
}

fn c_string() -> impl Strategy<Value = CString> {
    "[^\\x00]{0,6}".prop_map(|text| CString::try_from(text).unwrap())
}

fn leaf() -> impl Strategy<Value = Bson> {
    let numbers = prop_oneof![
        any::<i32>().prop_map(Bson::Int32),
        any::<i64>().prop_map(Bson::Int64),
        (-LARGEST_SAFE.cast_signed()..=LARGEST_SAFE.cast_signed()).prop_map(Bson::Int64),
        any::<f64>()
            .prop_filter("NaN is not equal to itself", |number| !number.is_nan())
            .prop_map(Bson::Double),
        any::<i32>().prop_map(|number| Bson::Double(f64::from(number))),
        Just(Bson::Double(f64::INFINITY)),
        "-?[0-9]{1,30}(\\.[0-9]{1,4})?(E[+-]?[0-9]{1,3})?"
            .prop_filter_map("in range", |text| text.parse::<Decimal128>().ok())
            .prop_map(Bson::Decimal128),
    ];
    let texts = prop_oneof![
        any::<String>().prop_map(Bson::String),
        any::<String>().prop_map(Bson::Symbol),
        any::<String>().prop_map(Bson::JavaScriptCode),
        (c_string(), "i?m?s?x?").prop_map(|(pattern, options)| {
            Bson::RegularExpression(Regex { pattern, options: CString::try_from(options).unwrap() })
        }),
    ];
    let others = prop_oneof![
        Just(Bson::Null),
        Just(Bson::MinKey),
        Just(Bson::MaxKey),
        Just(Bson::Undefined),
        any::<bool>().prop_map(Bson::Boolean),
        any::<[u8; 12]>().prop_map(|bytes| Bson::ObjectId(ObjectId::from_bytes(bytes))),
        any::<i64>().prop_map(|milliseconds| Bson::DateTime(DateTime::from_millis(milliseconds))),
        any::<(u32, u32)>().prop_map(|(time, increment)| Bson::Timestamp(Timestamp { time, increment })),
        (any::<Vec<u8>>(), any::<u8>()).prop_map(|(bytes, subtype)| {
            Bson::Binary(Binary { subtype: BinarySubtype::from(subtype), bytes })
        }),
    ];
    prop_oneof![numbers, texts, others]
}

fn value() -> impl Strategy<Value = Bson> {
    let name = prop_oneof!["[^\\x00]{0,4}", Just("__proto__".to_owned()), Just("v".to_owned())];
    leaf().prop_recursive(4, 32, 6, move |inner| {
        let document = prop::collection::vec((name.clone(), inner.clone()), 0..6)
            .prop_map(|fields| fields.into_iter().collect::<Document>());
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(Bson::Array),
            document.clone().prop_map(Bson::Document),
            (any::<String>(), document).prop_map(|(code, scope)| {
                Bson::JavaScriptCodeWithScope(JavaScriptCodeWithScope { code, scope })
            }),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_it_was(value in value()) {
        let text = written(&value);
        prop_assert_eq!(parse_value(&text, None).unwrap(), promoted(value));
    }

    #[test]
    fn hostile_text_is_refused_without_a_panic(text in "[\\{\\}\\[\\],:\"\\\\u0d89f vtagsoidbn.eE+-]{0,64}") {
        let _ = parse(&text, None);
    }

    #[test]
    fn repaired_text_has_no_lone_surrogates(units in prop::collection::vec(0xd7f0_u16..0xe010, 0..12)) {
        let text: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
        let text = format!("{{\"\\\\a\":\"{text}\"}}");
        let expected = doc! { "\\a": String::from_utf16_lossy(&units) };
        prop_assert_eq!(parse(&text, None).unwrap(), expected);
    }
}

#[test]
fn special_doubles_survive() {
    for number in [-0.0, f64::INFINITY, f64::NEG_INFINITY, 5.0, 1e300, f64::MIN_POSITIVE] {
        let read = parse_value(&written(&Bson::Double(number)), None).unwrap();
        assert_eq!(read.as_f64().unwrap().to_bits(), number.to_bits(), "{number}");
    }
    let nan = parse_value(&written(&Bson::Double(f64::NAN)), None).unwrap();
    assert!(nan.as_f64().unwrap().is_nan());
}

#[test]
fn numbers_become_what_drivers_make_of_them() {
    let read =
        parse(r#"{"a":1,"b":2147483648,"c":1.5,"d":-2147483648,"e":1e3,"f":123456789012345680000}"#, None);
    let expected = doc! {
        "a": 1, "b": 2_147_483_648.0, "c": 1.5, "d": i32::MIN, "e": 1000.0, "f": 123_456_789_012_345_680_000.0,
    };
    assert_eq!(read.unwrap(), expected);
}

#[test]
fn bytes_come_from_beside_the_text() {
    let bytes = Bytes::from_static(b"abcdef");
    let text = r#"{"a":{"\u0000":"bin","at":1,"len":3,"s":0},"b":{"\u0000":"bin","at":6,"len":0,"s":128}}"#;
    let read = parse(text, Some(&bytes)).unwrap();
    let expected = Binary { subtype: BinarySubtype::Generic, bytes: b"bcd".to_vec() };
    assert_eq!(read.get("a"), Some(&Bson::Binary(expected)));
    assert_eq!(read.get_binary_generic("b").ok(), None);
}

#[test]
fn a_map_keeps_its_order() {
    let read = parse(r#"{"a":{"\u0000":"map","v":[["2",1],["1",{"\u0000":"min"}]]}}"#, None).unwrap();
    assert_eq!(read, doc! { "a": { "2": 1, "1": Bson::MinKey } });
}

#[test]
fn malformed_values_are_invalid_arguments() {
    let deep = "[".repeat(100_000);
    let nested = format!("{}1{}", "{\"a\":".repeat(125), "}".repeat(125));
    let cases = [
        "",
        "[]",
        "1",
        "{\"a\":}",
        "{} {}",
        &deep,
        &nested,
        r#"{"a\u0000b":1}"#,
        r#"{"a":1,"\u0000":"oid"}"#,
        r#"{"a":{"\u0000":"oid","v":"xyz"}}"#,
        r#"{"a":{"\u0000":"oid"}}"#,
        r#"{"a":{"\u0000":1}}"#,
        r#"{"a":{"\u0000":"nope"}}"#,
        r#"{"a":{"\u0000":"oid","w":1}}"#,
        r#"{"a":{"\u0000":"long","v":"9223372036854775808"}}"#,
        r#"{"a":{"\u0000":"decimal","v":"1.2.3"}}"#,
        r#"{"a":{"\u0000":"double","v":"x"}}"#,
        r#"{"a":{"\u0000":"date","v":1.5}}"#,
        r#"{"a":{"\u0000":"date","v":1e300}}"#,
        r#"{"a":{"\u0000":"bin","at":0,"len":1}}"#,
        r#"{"a":{"\u0000":"bin","at":18446744073709551615,"len":1}}"#,
        r#"{"a":{"\u0000":"bin","v":"***"}}"#,
        r#"{"a":{"\u0000":"ts","t":-1,"i":0}}"#,
        r#"{"a":{"\u0000":"regex","v":"a\u0000b"}}"#,
        r#"{"a":{"\u0000":"map","v":[[1,2]]}}"#,
        r#"{"a":{"\u0000":"code","v":"x","scope":1}}"#,
    ];
    for text in cases {
        let error = parse(text, Some(&Bytes::new())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{text:.80}");
    }
}

#[test]
fn numbers_past_a_double_are_refused() {
    assert!(parse(r#"{"a":1e999}"#, None).is_err());
}

#[test]
fn text_without_lone_surrogates_is_left_alone() {
    for text in ["", "\\", "\\\\ud800", "\\ud83d\\ude00", "\\u12", "é\\é", "\\u+fff"] {
        assert_eq!(replace_lone_surrogates(text), None, "{text:?}");
    }
}

#[test]
fn a_reply_names_the_fields_that_hold_something_tagged() {
    let id = ObjectId::from_bytes([7; 12]);
    let text = text_of(reply(&Bson::Document(doc! { "_id": id, "n": 1, "in": { "d": [id] } })).unwrap());
    assert!(text.ends_with(r#","tagged":["_id","in"]}"#), "{text}");
    assert_eq!(text_of(reply(&Bson::Null).unwrap()), r#"{"value":null,"tagged":null}"#);
    assert!(text_of(reply(&Bson::MinKey).unwrap()).ends_with(r#""tagged":true}"#));
    let many: Document = (0..40).map(|index| (index.to_string(), Bson::ObjectId(id))).collect();
    assert!(text_of(reply(&Bson::Document(many)).unwrap()).ends_with(r#""tagged":true}"#));
}

#[test]
fn a_batch_is_a_list_and_a_cursor() {
    let mut batch = Batch::new();
    batch.push(&doc! { "a": 1 }).unwrap();
    batch.push(&doc! { "a": 2.0 }).unwrap();
    assert_eq!(batch.documents(), 2);
    let text = text_of(batch.finish(Some(3)).unwrap());
    assert_eq!(text, r#"{"value":[{"a":1},{"a":2.0}],"tagged":null,"cursor":3}"#);
}

#[test]
fn results_that_are_too_large_are_refused() {
    let error = reply(&Bson::String("x".repeat(17 << 20))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}
