//! Random values, paths and documents.

use bson::oid::ObjectId;
use bson::spec::BinarySubtype;
use bson::{Binary, Bson, DateTime, Document, doc};
use fastrand::Rng;

const NAMES: [&str; 3] = ["a", "b", "c"];

pub(crate) fn pick<'a, T: ?Sized>(rng: &mut Rng, from: &[&'a T]) -> &'a T {
    from[rng.usize(0..from.len())]
}

pub(crate) fn name(rng: &mut Rng) -> &'static str {
    pick(rng, &NAMES)
}

/// A dotted path, with indexes now and then.
pub(crate) fn path(rng: &mut Rng) -> String {
    let mut path = name(rng).to_owned();
    for _ in 0..rng.u8(0..3) {
        path.push('.');
        path.push_str(pick(rng, &["a", "b", "c", "0", "1"]));
    }
    path
}

/// A path without indexes.
pub(crate) fn plain_path(rng: &mut Rng) -> String {
    match rng.bool() {
        true => name(rng).to_owned(),
        false => format!("{}.{}", name(rng), name(rng)),
    }
}

pub(crate) fn number(rng: &mut Rng) -> Bson {
    match rng.u8(0..12) {
        0..5 => Bson::Int32(rng.i32(-2..6)),
        5 => Bson::Int64(rng.i64(-2..6)),
        6 => Bson::Double(f64::from(rng.i32(-4..8)) / 2.0),
        7 => Bson::Double(pick_number(rng)),
        8 => Bson::Int64(if rng.bool() { i64::MAX } else { 1 << 53 }),
        9 => Bson::Int32(i32::MAX),
        _ => Bson::Decimal128(
            pick(rng, &["1", "1.0", "2.5", "-0", "0.1", "NaN", "1E+3", "3"]).parse().unwrap(),
        ),
    }
}

fn pick_number(rng: &mut Rng) -> f64 {
    [0.0, -0.0, 1.0, 0.1, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300][rng.usize(0..8)]
}

pub(crate) fn scalar(rng: &mut Rng) -> Bson {
    match rng.u8(0..20) {
        0..8 => number(rng),
        8..12 => Bson::String(pick(rng, &["", "a", "b", "ab", "B", "é", "10"]).to_owned()),
        12..14 => Bson::Null,
        16 => Bson::DateTime(DateTime::from_millis(rng.i64(-2..3) * 86_400_000)),
        17 => Bson::ObjectId(ObjectId::from_bytes([rng.u8(0..3); 12])),
        18 => Bson::Binary(Binary { subtype: BinarySubtype::Generic, bytes: vec![rng.u8(0..3)] }),
        _ => Bson::Boolean(rng.bool()),
    }
}

/// A value of any type, nested up to `depth` times.
pub(crate) fn value(rng: &mut Rng, depth: u8) -> Bson {
    if depth == 0 {
        return scalar(rng);
    }
    match rng.u8(0..10) {
        0..6 => scalar(rng),
        6..8 => (0..rng.u8(0..4)).map(|_| value(rng, depth - 1)).collect(),
        _ => Bson::Document(fields(rng, depth - 1)),
    }
}

fn fields(rng: &mut Rng, depth: u8) -> Document {
    (0..rng.u8(0..3)).map(|_| (name(rng).to_owned(), value(rng, depth))).collect()
}

pub(crate) fn document(rng: &mut Rng, id: i32) -> Document {
    let mut document = doc! { "_id": id };
    document.extend(fields(rng, 3));
    if rng.bool() {
        document.insert(name(rng), value(rng, 2));
    }
    document
}

/// An order without ties.
pub(crate) fn sort(rng: &mut Rng) -> Document {
    let mut sort = Document::new();
    for _ in 0..rng.u8(0..3) {
        let path = path(rng);
        let clashes = |held: &String| held.starts_with(&path) || path.starts_with(held.as_str());
        if !sort.keys().any(clashes) {
            sort.insert(path, if rng.bool() { 1 } else { -1 });
        }
    }
    sort.insert("_id", if rng.bool() { 1 } else { -1 });
    sort
}
