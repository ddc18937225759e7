//! Random pipelines and expressions.

use bson::{Bson, Document, doc};
use fastrand::Rng;

use crate::filters::{filter, numeric};
use crate::values::{name, number, pick, plain_path, scalar, sort};

/// A pipeline of every stage that each backend has, whose answer has an order or is compared
/// without.
pub(crate) fn aggregate(rng: &mut Rng) -> Document {
    let mut pipeline: Vec<Document> = Vec::new();
    for _ in 0..rng.u8(1..4) {
        pipeline.extend(stage(rng));
    }
    // A field that is set after it was unset comes back to its old place in MongoDB, as long as the
    // document was not written out between: at the end nothing is set any more.
    pipeline.sort_by_key(|stage| stage.contains_key("$unset"));
    doc! { "pipeline": pipeline, "unordered": true }
}

/// A stage, with an order before it where its answer depends on one.
fn stage(rng: &mut Rng) -> Vec<Document> {
    let ordered = |rng: &mut Rng, stage: Document| vec![doc! { "$sort": sort(rng) }, stage];
    match rng.u8(0..18) {
        0 | 1 => vec![doc! { "$match": filter(rng) }],
        2 => vec![doc! { "$project": { "_id": 1, name(rng): expression(rng, 2), "x": expression(rng, 2) } }],
        3 => vec![doc! { "$addFields": { name(rng): expression(rng, 2) } }],
        4 => vec![doc! { "$set": { plain_path(rng): expression(rng, 2) } }],
        5 => vec![doc! { "$unset": plain_path(rng) }],
        6 | 7 => group(rng),
        8 => {
            let limit = doc! { "$limit": rng.i32(1..4) };
            ordered(rng, limit)
        }
        9 => {
            let skip = doc! { "$skip": rng.i32(0..3) };
            ordered(rng, skip)
        }
        10 => vec![doc! { "$unwind": unwind(rng) }],
        11 => vec![
            doc! { "$lookup": { "from": "o", "localField": plain_path(rng), "foreignField": plain_path(rng), "as": "l" } },
        ],
        12 => vec![doc! { "$count": "n" }],
        13 => vec![doc! { "$replaceRoot": { "newRoot": { "r": expression(rng, 2), "_id": "$_id" } } }],
        14 => vec![doc! { "$sample": { "size": 100 } }],
        15 => vec![
            doc! { "$facet": { "f": [{ "$match": filter(rng) }, { "$sort": { "_id": 1 } }], "n": [{ "$count": "n" }] } },
        ],
        16 => vec![doc! { "$sortByCount": expression(rng, 1) }],
        _ => vec![doc! { "$sort": sort(rng) }],
    }
}

fn unwind(rng: &mut Rng) -> Bson {
    let path = format!("${}", plain_path(rng));
    match rng.bool() {
        true => path.into(),
        false => {
            doc! { "path": path, "preserveNullAndEmptyArrays": rng.bool(), "includeArrayIndex": "i" }.into()
        }
    }
}

/// In an order, which some accumulators depend on.
fn group(rng: &mut Rng) -> Vec<Document> {
    let id = match rng.u8(0..4) {
        0 => Bson::Null,
        1 => doc! { "k": expression(rng, 1) }.into(),
        _ => format!("${}", plain_path(rng)).into(),
    };
    let accumulator = pick(rng, &["$sum", "$avg", "$min", "$max", "$first", "$last", "$push"]);
    // Which of equal keys names the group is nobody's word.
    vec![
        doc! { "$sort": { "_id": 1 } },
        doc! { "$group": { "_id": id, "x": { accumulator: operand(rng) }, "n": { "$sum": 1 } } },
    ]
}

fn operand(rng: &mut Rng) -> Bson {
    match rng.u8(0..3) {
        0 => scalar(rng),
        _ => format!("${}", plain_path(rng)).into(),
    }
}

/// An expression, nested up to `depth` times.
pub(crate) fn expression(rng: &mut Rng, depth: u8) -> Bson {
    if depth == 0 {
        return match rng.u8(0..5) {
            0 => doc! { "$literal": scalar(rng) }.into(),
            1 => number(rng),
            _ => format!("${}", plain_path(rng)).into(),
        };
    }
    let next = depth - 1;
    let expression = match rng.u8(0..16) {
        0 => {
            let operator = pick(rng, &["$add", "$multiply"]);
            doc! { operator: [numeric(rng), numeric(rng)] }
        }
        1 => {
            let operator = pick(rng, &["$subtract", "$divide", "$mod"]);
            doc! { operator: [numeric(rng), numeric(rng)] }
        }
        2 | 3 => {
            let operator = pick(rng, &["$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$cmp"]);
            doc! { operator: [expression(rng, next), expression(rng, next)] }
        }
        4 => doc! { "$and": [expression(rng, next), expression(rng, next)] },
        5 => doc! { "$or": [expression(rng, next), expression(rng, next)] },
        6 => doc! { "$not": [expression(rng, next)] },
        7 => doc! { "$cond": [expression(rng, next), expression(rng, next), expression(rng, next)] },
        8 => doc! { "$ifNull": [expression(rng, next), expression(rng, next)] },
        9 => doc! { "$type": expression(rng, next) },
        10 => doc! { "$isArray": [expression(rng, next)] },
        11 => doc! { "$size": { "$ifNull": [expression(rng, next), []] } },
        12 => doc! { "$concatArrays": [expression(rng, next), [expression(rng, next)]] },
        13 => doc! { "$abs": numeric(rng) },
        14 => {
            doc! { "$in": [expression(rng, next), { "$cond": [{ "$isArray": [format!("${}", name(rng))] }, format!("${}", name(rng)), []] }] }
        }
        _ => {
            doc! { "$switch": { "branches": [{ "case": expression(rng, next), "then": expression(rng, next) }], "default": scalar_literal(rng) } }
        }
    };
    expression.into()
}

fn scalar_literal(rng: &mut Rng) -> Bson {
    doc! { "$literal": scalar(rng) }.into()
}
