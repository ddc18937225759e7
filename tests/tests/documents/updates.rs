//! Random writes.

use bson::{Bson, Document, doc};
use fastrand::Rng;

use crate::filters::{filter, projection};
use crate::pipelines::expression;
use crate::values::{document, name, number, path, pick, scalar, sort, value};

/// An update or replacement of one or many, often an upsert.
pub(crate) fn update(rng: &mut Rng) -> Document {
    let mut update = doc! { "filter": filter(rng) };
    change(rng, &mut update);
    if !update.contains_key("replacement") {
        update.insert("many", rng.bool());
    }
    update.insert("upsert", rng.u8(0..3) == 0);
    update
}

pub(crate) fn find_and_modify(rng: &mut Rng) -> Document {
    let mut modify = doc! { "findAndModify": true, "filter": filter(rng), "sort": sort(rng) };
    if rng.u8(0..4) == 0 {
        modify.insert("remove", true);
    } else {
        change(rng, &mut modify);
        modify.insert("upsert", rng.u8(0..3) == 0);
        modify.insert("returning", if rng.bool() { "after" } else { "before" });
    }
    if rng.u8(0..3) == 0 {
        modify.insert("projection", projection(rng));
    }
    modify
}

pub(crate) fn bulk(rng: &mut Rng) -> Document {
    let models: Bson = (0..rng.u8(1..5)).map(|_| model(rng)).collect();
    // In order only: of others each store chooses its own.
    doc! { "bulk": models }
}

fn model(rng: &mut Rng) -> Bson {
    let model = match rng.u8(0..4) {
        0 => {
            let id = rng.i32(0..20);
            doc! { "insert": document(rng, id) }
        }
        1 => doc! { "delete": true, "filter": filter(rng), "many": rng.bool() },
        _ => {
            // One that fails among many leaves some changed on MongoDB, and none elsewhere.
            let mut one = update(rng);
            one.remove("many");
            one
        }
    };
    Bson::Document(model)
}

fn change(rng: &mut Rng, into: &mut Document) {
    match rng.u8(0..12) {
        0 => {
            into.insert("update", vec![doc! { "$set": { name(rng): expression(rng, 2) } }]);
        }
        1 => {
            let mut replacement = document(rng, 0);
            replacement.remove("_id");
            into.insert("replacement", replacement);
        }
        2 => {
            let operator = pick(rng, &["$set", "$inc", "$min"]);
            into.insert("update", doc! { operator: { format!("{}.$[x]", name(rng)): rng.i32(0..5) } });
            into.insert("arrayFilters", vec![doc! { "x": { "$gte": rng.i32(0..3) } }]);
        }
        _ => {
            let mut update = Document::new();
            for _ in 0..rng.u8(1..3) {
                operator(rng, &mut update);
            }
            into.insert("update", update);
        }
    }
}

fn operator(rng: &mut Rng, update: &mut Document) {
    let path = match rng.u8(0..8) {
        0 => format!("{}.$", name(rng)),
        1 => format!("{}.$[]", name(rng)),
        _ => path(rng),
    };
    let (operator, operand) = match rng.u8(0..15) {
        0..3 => ("$set", value(rng, 2)),
        3 => ("$unset", Bson::String(String::new())),
        4 => ("$inc", number(rng)),
        5 => ("$mul", number(rng)),
        6 => ("$min", scalar(rng)),
        7 => ("$max", scalar(rng)),
        8 => ("$rename", Bson::String(name(rng).to_owned())),
        9 => ("$setOnInsert", value(rng, 1)),
        10 => ("$push", push(rng)),
        11 => ("$pull", pull(rng)),
        12 => ("$pullAll", (0..rng.u8(0..3)).map(|_| value(rng, 1)).collect()),
        13 => (
            "$addToSet",
            if rng.bool() { value(rng, 1) } else { doc! { "$each": [scalar(rng), scalar(rng)] }.into() },
        ),
        _ => ("$pop", Bson::Int32(if rng.bool() { 1 } else { -1 })),
    };
    match update.get_document_mut(operator) {
        Ok(fields) => {
            fields.insert(path, operand);
        }
        Err(_) => {
            update.insert(operator, doc! { path: operand });
        }
    }
}

fn push(rng: &mut Rng) -> Bson {
    if rng.bool() {
        return value(rng, 1);
    }
    let mut push = doc! { "$each": (0..rng.u8(0..3)).map(|_| value(rng, 1)).collect::<Bson>() };
    if rng.bool() {
        push.insert("$slice", rng.i32(-3..4));
    }
    if rng.bool() {
        push.insert("$position", rng.i32(-2..3));
    }
    if rng.u8(0..3) == 0 {
        push.insert("$sort", if rng.bool() { Bson::Int32(1) } else { doc! { name(rng): -1 }.into() });
    }
    push.into()
}

fn pull(rng: &mut Rng) -> Bson {
    match rng.u8(0..3) {
        0 => value(rng, 1),
        1 => doc! { "$gte": scalar(rng) }.into(),
        _ => doc! { name(rng): scalar(rng) }.into(),
    }
}
