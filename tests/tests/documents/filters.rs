//! Random filters and projections.

use bson::{Bson, Document, Regex, doc};
use fastrand::Rng;

use crate::pipelines::expression;
use crate::values::{name, number, path, pick, plain_path, scalar, value};

/// A filter of every operator that each backend has.
pub(crate) fn filter(rng: &mut Rng) -> Document {
    match rng.u8(0..12) {
        0 => Document::new(),
        1 => doc! { "$and": list(rng) },
        2 => doc! { "$or": list(rng) },
        3 => doc! { "$nor": list(rng) },
        4 => doc! { "$expr": expression(rng, 2) },
        5 => {
            let mut both = condition(rng);
            both.extend(condition(rng));
            both
        }
        _ => condition(rng),
    }
}

fn list(rng: &mut Rng) -> Vec<Document> {
    (0..rng.u8(1..3)).map(|_| condition(rng)).collect()
}

/// One path and what is asked of it.
fn condition(rng: &mut Rng) -> Document {
    let path = path(rng);
    match rng.u8(0..8) {
        0 | 1 => doc! { path: value(rng, 2) },
        2 => doc! { path: { "$not": test(rng) } },
        3 => {
            let mut both = test(rng);
            both.extend(test(rng));
            doc! { path: both }
        }
        _ => doc! { path: test(rng) },
    }
}

fn test(rng: &mut Rng) -> Document {
    match rng.u8(0..14) {
        0..5 => {
            let operator = pick(rng, &["$eq", "$ne", "$gt", "$gte", "$lt", "$lte"]);
            // MongoDB itself falls over the extremes in some stages; as operands they are safe.
            let operand = match rng.u8(0..12) {
                0 => Bson::MinKey,
                1 => Bson::MaxKey,
                _ => value(rng, 2),
            };
            doc! { operator: operand }
        }
        5 | 6 => {
            let operator = pick(rng, &["$in", "$nin"]);
            doc! { operator: (0..rng.u8(0..4)).map(|_| value(rng, 1)).collect::<Bson>() }
        }
        7 => doc! { "$exists": rng.bool() },
        8 => {
            doc! { "$type": pick(rng, &["number", "string", "array", "object", "null", "bool", "int", "date", "double"]) }
        }
        9 => doc! { "$size": rng.i32(0..4) },
        10 => doc! { "$all": (0..rng.u8(1..3)).map(|_| value(rng, 1)).collect::<Bson>() },
        11 => doc! { "$mod": [rng.i32(1..4), rng.i32(0..3)] },
        12 => doc! { "$regex": regex(rng) },
        _ => doc! { "$elemMatch": element(rng) },
    }
}

fn regex(rng: &mut Rng) -> Bson {
    let pattern = pick(rng, &["a", "^a", "b$", "^$", "[0-9]", "a|B"]);
    let options = pick(rng, &["", "i", "m"]);
    Bson::RegularExpression(Regex {
        pattern: pattern.try_into().unwrap(),
        options: options.try_into().unwrap(),
    })
}

fn element(rng: &mut Rng) -> Document {
    match rng.bool() {
        true => {
            let operator = pick(rng, &["$eq", "$gt", "$gte", "$lt", "$lte", "$ne"]);
            doc! { operator: scalar(rng) }
        }
        false => doc! { name(rng): value(rng, 1) },
    }
}

/// What comes back: some fields, or all but some, or parts of arrays.
pub(crate) fn projection(rng: &mut Rng) -> Document {
    let path = plain_path(rng);
    match rng.u8(0..8) {
        0..3 => doc! { path: 1, "_id": rng.bool() },
        3 | 4 => doc! { path: 0 },
        5 => doc! { path: { "$slice": slice(rng) } },
        6 => doc! { name(rng): { "$elemMatch": element(rng) } },
        _ => doc! { "x": expression(rng, 2) },
    }
}

fn slice(rng: &mut Rng) -> Bson {
    match rng.bool() {
        true => Bson::Int32(rng.i32(-2..3)),
        false => Bson::Array(vec![Bson::Int32(rng.i32(-2..3)), Bson::Int32(rng.i32(1..3))]),
    }
}

/// A number or a path that may hold one.
pub(crate) fn numeric(rng: &mut Rng) -> Bson {
    match rng.bool() {
        true => number(rng),
        false => Bson::String(format!("${}", plain_path(rng))),
    }
}
