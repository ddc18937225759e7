use bson::{Bson, Document, doc};
use tandem_contract::{ErrorKind, UpdateSpec, WriteModel};

use super::bulk::{numbered, read_model};
use super::fields::{Fields, as_integer, describe};
use super::sort::{ordered_keys, sort};
use super::target::check_name;
use super::updates::{read_update, with_id_first};

fn fields(fields: Document) -> Fields {
    Fields::new("verb", fields)
}

#[test]
fn sorts_are_taken_as_the_driver_takes_them() {
    let cases = [
        (Bson::Document(doc! { "a": 1, "b": -1 }), doc! { "a": 1, "b": -1 }),
        (Bson::Document(doc! { "a": "asc", "b": "Descending" }), doc! { "a": 1, "b": -1 }),
        ("a".into(), doc! { "a": 1 }),
        (bson::bson!(["a", "b"]), doc! { "a": 1, "b": 1 }),
        (bson::bson!(["a", "desc"]), doc! { "a": -1 }),
        (bson::bson!(["a", -1]), doc! { "a": -1 }),
        (bson::bson!([["a", 1], ["b", "desc"]]), doc! { "a": 1, "b": -1 }),
        (bson::bson!([{ "a": 1 }, { "b": -1 }]), doc! { "a": 1, "b": -1 }),
    ];
    for (given, expected) in cases {
        let sorted = sort(&mut fields(doc! { "sort": given.clone() }), "sort").unwrap();
        assert_eq!(sorted, Some(expected), "{given:?}");
    }
    assert_eq!(sort(&mut fields(doc! { "sort": {} }), "sort").unwrap(), None);
    assert_eq!(sort(&mut fields(doc! { "sort": null }), "sort").unwrap(), None);
    for wrong in [bson::bson!(1), bson::bson!({ "a": "up" }), bson::bson!([[1, 2]]), bson::bson!([1])] {
        let error = sort(&mut fields(doc! { "sort": wrong.clone() }), "sort").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{wrong:?}");
    }
}

#[test]
fn index_keys_keep_what_is_not_a_direction() {
    let keys = ordered_keys(&mut fields(doc! { "keys": { "a": "text" } }), "keys").unwrap();
    assert_eq!(keys, Some(doc! { "a": "text" }));
}

#[test]
fn updates_are_operators_and_replacements_are_not() {
    let read = |verb: &str, request: Document| {
        read_update(verb, &mut Fields::new(verb, request), &mut fields(Document::new()))
    };
    let operators = read("updateOne", doc! { "filter": {}, "update": { "$set": { "a": 1 } } }).unwrap();
    assert!(matches!(operators.unwrap().update, UpdateSpec::Operators(_)));
    let pipeline = read("updateMany", doc! { "filter": {}, "update": [{ "$unset": "a" }] }).unwrap().unwrap();
    assert!(pipeline.many && matches!(pipeline.update, UpdateSpec::Pipeline(_)));
    let replacement = read("replaceOne", doc! { "filter": {}, "replacement": {} }).unwrap();
    assert!(matches!(replacement.unwrap().update, UpdateSpec::Replacement(_)));
    for (verb, request) in [
        ("updateOne", doc! { "filter": {}, "update": {} }),
        ("updateOne", doc! { "filter": {}, "update": { "a": 1 } }),
        ("updateOne", doc! { "filter": {}, "update": { "$set": {}, "a": 1 } }),
        ("updateOne", doc! { "filter": {}, "update": [1] }),
        ("updateOne", doc! { "filter": {} }),
        ("updateOne", doc! { "update": { "$set": {} } }),
        ("replaceOne", doc! { "filter": {}, "replacement": { "$set": {} } }),
    ] {
        let error = read(verb, request.clone()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{request}");
        assert!(error.message().starts_with(verb), "{error}");
    }
}

#[test]
fn bulk_operations_are_one_verb_each() {
    let insert = read_model((0, doc! { "insertOne": { "document": { "a": 1, "_id": 2 } } })).unwrap();
    assert!(matches!(insert, WriteModel::Insert(document) if document.keys().eq(["_id", "a"])));
    let bare = read_model((0, doc! { "insertOne": { "a": 1 } })).unwrap();
    assert!(matches!(bare, WriteModel::Insert(document) if document == doc! { "a": 1 }));
    let update =
        doc! { "updateOne": { "filter": {}, "update": { "$inc": { "n": 1 } }, "upsert": true, "hint": "x" } };
    assert!(matches!(read_model((0, update)).unwrap(), WriteModel::Update(update) if update.upsert));
    assert!(matches!(
        read_model((0, doc! { "deleteMany": { "filter": { "a": 1 } } })).unwrap(),
        WriteModel::Delete(delete) if delete.many
    ));
    let refused = [
        (doc! {}, ErrorKind::InvalidArgument),
        (doc! { "insertOne": 1 }, ErrorKind::InvalidArgument),
        (doc! { "upsertOne": {} }, ErrorKind::InvalidArgument),
        (doc! { "deleteOne": { "filter": {} }, "deleteMany": { "filter": {} } }, ErrorKind::InvalidArgument),
        (doc! { "deleteOne": { "filter": {}, "collation": { "locale": "de" } } }, ErrorKind::NotSupported),
    ];
    for (operation, kind) in refused {
        let error = read_model((3, operation.clone())).unwrap_err();
        assert_eq!(error.kind(), kind, "{operation}");
        assert!(error.message().contains("operations[3]"), "{error}");
    }
}

#[test]
fn options_that_would_change_the_answer_are_refused_and_others_ignored() {
    assert!(fields(doc! { "comment": "x", "hint": { "a": 1 }, "collation": null }).finish().is_ok());
    let error = fields(doc! { "collation": { "locale": "de" } }).finish().unwrap_err();
    assert_eq!(error.message(), "NOT_SUPPORTED: verb: collation");
}

#[test]
fn fields_are_checked_by_type() {
    let mut request =
        fields(doc! { "limit": 1.5, "upsert": 1, "name": [], "filter": "x", "skip": -1, "gone": null });
    assert_eq!(request.count("limit").unwrap_err().message(), "verb: limit must be a whole number, not 1.5");
    assert_eq!(request.flag("upsert").unwrap_err().message(), "verb: upsert must be true or false, not 1");
    assert_eq!(request.text("name").unwrap_err().message(), "verb: name must be a string, not an array");
    assert_eq!(
        request.document("filter").unwrap_err().message(),
        "verb: filter must be an object, not \"x\""
    );
    assert_eq!(request.count("skip").unwrap_err().message(), "verb: skip must not be negative, it is -1");
    assert_eq!(request.document("gone").unwrap(), None);
}

#[test]
fn whole_numbers_of_every_type_are_integers() {
    assert_eq!(as_integer(&Bson::Int32(-3)), Some(-3));
    assert_eq!(as_integer(&Bson::Int64(i64::MAX)), Some(i64::MAX));
    assert_eq!(as_integer(&Bson::Double(7.0)), Some(7));
    for other in [Bson::Double(0.5), Bson::Double(f64::NAN), Bson::Double(1e300), Bson::Null, "1".into()] {
        assert_eq!(as_integer(&other), None, "{}", describe(&other));
    }
}

#[test]
fn collection_names_follow_the_rule_of_the_port() {
    for name in ["a", "users.archive", "ü", &"x".repeat(120)] {
        assert!(check_name(name).is_ok(), "{name}");
    }
    for name in ["", "a$b", "a\0b", "system.users", &"x".repeat(121), &"ü".repeat(100)] {
        assert_eq!(check_name(name).unwrap_err().kind(), ErrorKind::InvalidArgument, "{name}");
    }
}

#[test]
fn ids_come_first() {
    let ordered = with_id_first(doc! { "a": 1, "_id": 2, "b": 3 });
    assert!(ordered.keys().eq(["_id", "a", "b"]));
    assert_eq!(with_id_first(doc! { "a": 1 }), doc! { "a": 1 });
    assert_eq!(numbered([(1, Bson::Null)].into()), doc! { "1": null });
}
