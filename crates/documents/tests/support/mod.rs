//! Random values, documents and operations on few names, so that they meet.

use bson::oid::ObjectId;
use bson::spec::BinarySubtype;
use bson::{Binary, Bson, DateTime, Document, Timestamp, doc};
use proptest::prelude::*;

/// A value of any type, nested a little.
pub(crate) fn value() -> impl Strategy<Value = Bson> {
    scalar().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Bson::Array),
            prop::collection::vec((name(), inner), 0..4)
                .prop_map(|fields| Bson::Document(fields.into_iter().collect())),
        ]
    })
}

fn scalar() -> impl Strategy<Value = Bson> {
    prop_oneof![
        6 => (-3i32..4).prop_map(Bson::Int32),
        3 => (-3i64..4).prop_map(Bson::Int64),
        3 => (-6i32..7).prop_map(|half| Bson::Double(f64::from(half) / 2.0)),
        2 => any::<f64>().prop_map(Bson::Double),
        2 => any::<i64>().prop_map(Bson::Int64),
        1 => any::<i64>().prop_map(|whole| Bson::Double(whole as f64)),
        2 => decimal(),
        4 => "[ab\0]{0,3}".prop_map(Bson::String),
        2 => Just(Bson::Null),
        1 => Just(Bson::Undefined),
        1 => any::<bool>().prop_map(Bson::Boolean),
        1 => (-2i64..3).prop_map(|millis| Bson::DateTime(DateTime::from_millis(millis))),
        1 => (0u32..2, 0u32..2).prop_map(|(time, increment)| Bson::Timestamp(Timestamp { time, increment })),
        1 => (0u8..3).prop_map(|byte| Bson::ObjectId(ObjectId::from_bytes([byte; 12]))),
        1 => (prop::collection::vec(0u8..2, 0..3), 0u8..6).prop_map(|(bytes, subtype)| {
            Bson::Binary(Binary { subtype: BinarySubtype::from(subtype), bytes })
        }),
        1 => Just(Bson::MinKey),
        1 => Just(Bson::MaxKey),
        1 => "[ab]{0,2}".prop_map(Bson::JavaScriptCode),
    ]
}

fn decimal() -> impl Strategy<Value = Bson> {
    let text = prop_oneof![
        (-30i32..31, -2i32..2).prop_map(|(coefficient, exponent)| format!("{coefficient}E{exponent}")),
        (any::<i64>(), -400i32..400).prop_map(|(coefficient, exponent)| format!("{coefficient}E{exponent}")),
        Just("NaN".to_owned()),
        Just("-Infinity".to_owned()),
        Just("9007199254740993".to_owned()),
        Just("0.1".to_owned()),
    ];
    text.prop_map(|text| text.parse().map_or(Bson::Null, Bson::Decimal128))
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c", "0"]).prop_map(str::to_owned)
}

/// A dotted path.
pub(crate) fn path() -> impl Strategy<Value = String> {
    let first = prop::sample::select(vec!["a", "b", "c"]);
    (first, prop::collection::vec(prop::sample::select(vec!["a", "b", "0", "1"]), 0..3))
        .prop_map(|(first, rest)| std::iter::once(first).chain(rest).collect::<Vec<_>>().join("."))
}

pub(crate) fn document() -> impl Strategy<Value = Document> {
    prop::collection::vec((name(), value()), 0..4).prop_map(|fields| fields.into_iter().collect())
}

/// A filter, most of them well formed.
pub(crate) fn filter() -> impl Strategy<Value = Document> {
    let operator = prop::sample::select(vec![
        "$eq",
        "$ne",
        "$lt",
        "$lte",
        "$gt",
        "$gte",
        "$in",
        "$nin",
        "$all",
        "$exists",
        "$not",
        "$elemMatch",
    ]);
    let condition = (operator, value()).prop_map(|(operator, value)| match operator {
        "$in" | "$nin" | "$all" => doc! { operator: [value] },
        "$exists" => doc! { operator: true },
        "$not" => doc! { operator: { "$gt": value } },
        "$elemMatch" => doc! { operator: { "$gte": value } },
        _ => doc! { operator: value },
    });
    let one = prop_oneof![
        (path(), value()).prop_map(|(path, value)| doc! { path: value }),
        (path(), condition).prop_map(|(path, condition)| doc! { path: condition }),
    ];
    prop::collection::vec(one, 1..3).prop_map(|all| doc! { "$and": all })
}

pub(crate) fn sort() -> impl Strategy<Value = Document> {
    prop::collection::vec((path(), prop::sample::select(vec![1, -1])), 1..3)
        .prop_map(|fields| fields.into_iter().map(|(path, way)| (path, Bson::Int32(way))).collect())
}

pub(crate) fn update() -> impl Strategy<Value = Document> {
    let operator = prop::sample::select(vec![
        "$set",
        "$unset",
        "$inc",
        "$mul",
        "$min",
        "$max",
        "$push",
        "$addToSet",
        "$pull",
        "$pop",
        "$rename",
        "$bit",
    ]);
    prop::collection::vec((operator, path(), value()), 1..4).prop_map(|changes| {
        let mut update = Document::new();
        for (operator, path, value) in changes {
            update.insert(operator, doc! { path: value });
        }
        update
    })
}

/// A document whose names are operators as often as not.
pub(crate) fn anything() -> impl Strategy<Value = Document> {
    let name = prop::sample::select(vec![
        "a",
        "b.$",
        "a.$[]",
        "$set",
        "$match",
        "$group",
        "$and",
        "$gt",
        "$in",
        "$regex",
        "$options",
        "$add",
        "$cond",
        "$map",
        "input",
        "in",
        "as",
        "$slice",
        "$push",
        "$each",
        "_id",
        "$expr",
        "$size",
        "$type",
        "$dateToString",
        "date",
        "$lookup",
        "from",
        "$unwind",
        "path",
        "$zip",
        "inputs",
        "$switch",
        "branches",
        "$let",
        "vars",
        "",
        "x\0",
    ]);
    let leaf = prop_oneof![
        scalar(),
        prop::sample::select(vec!["$a", "$$ROOT", "$$x", "$", "(", "[a", "\\"]).prop_map(|text| text.into()),
    ];
    let nested = leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Bson::Array),
            prop::collection::vec((name.clone(), inner), 0..4).prop_map(|fields| {
                Bson::Document(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
            }),
        ]
    });
    nested.prop_map(|value| match value {
        Bson::Document(document) => document,
        other => doc! { "a": other },
    })
}
