//! The order of BSON values: by type first, then by value, as MongoDB sorts them.

use std::cmp::Ordering;

use bson::spec::BinarySubtype;
use bson::{Binary, Bson, DbPointer, Document};

use crate::index_key;
use crate::number::{Number, compare_numbers};

/// Compares two values in the full BSON order: by the rank of their types, numbers of all four
/// types by exact value (NaN first), strings by bytes, documents field by field in their order
/// (type, then name, then value), binary by length, subtype and bytes.
pub fn compare(left: &Bson, right: &Bson) -> Ordering {
    rank(left).cmp(&rank(right)).then_with(|| compare_same_rank(left, right))
}

/// A key that is equal exactly for values that [`compare`] as equal: `1`, `1.0` and a long 1 share
/// one. Its order is that of the values.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupKey(Vec<u8>);

/// The [`GroupKey`] of a value.
pub fn group_key(value: &Bson) -> GroupKey {
    let mut bytes = Vec::new();
    index_key::encode_value(value, &mut bytes);
    GroupKey(bytes)
}

/// Compares values of which either may be missing; missing counts as undefined, below null.
pub(crate) fn compare_optional(left: Option<&Bson>, right: Option<&Bson>) -> Ordering {
    compare(left.unwrap_or(&Bson::Undefined), right.unwrap_or(&Bson::Undefined))
}

/// Where a type stands among the others. Numbers share a rank, as do strings and symbols.
pub(crate) fn rank(value: &Bson) -> u8 {
    match value {
        Bson::MinKey => 1,
        Bson::Undefined => 2,
        Bson::Null => 5,
        Bson::Int32(_) | Bson::Int64(_) | Bson::Double(_) | Bson::Decimal128(_) => 10,
        Bson::String(_) | Bson::Symbol(_) => 15,
        Bson::Document(_) => 20,
        Bson::Array(_) => 25,
        Bson::Binary(_) => 30,
        Bson::ObjectId(_) => 35,
        Bson::Boolean(_) => 40,
        Bson::DateTime(_) => 45,
        Bson::Timestamp(_) => 47,
        Bson::RegularExpression(_) => 50,
        Bson::DbPointer(_) => 55,
        Bson::JavaScriptCode(_) => 60,
        Bson::JavaScriptCodeWithScope(_) => 65,
        Bson::MaxKey => 127,
    }
}

fn compare_same_rank(left: &Bson, right: &Bson) -> Ordering {
    match (left, right) {
        (Bson::Int32(l), Bson::Int32(r)) => l.cmp(r),
        (Bson::String(l) | Bson::Symbol(l), Bson::String(r) | Bson::Symbol(r)) => {
            l.as_bytes().cmp(r.as_bytes())
        }
        (Bson::Document(l), Bson::Document(r)) => compare_documents(l, r),
        (Bson::Array(l), Bson::Array(r)) => compare_arrays(l, r),
        (Bson::Binary(l), Bson::Binary(r)) => compare_binary(l, r),
        (Bson::ObjectId(l), Bson::ObjectId(r)) => l.bytes().cmp(&r.bytes()),
        (Bson::Boolean(l), Bson::Boolean(r)) => l.cmp(r),
        (Bson::DateTime(l), Bson::DateTime(r)) => l.cmp(r),
        (Bson::Timestamp(l), Bson::Timestamp(r)) => (l.time, l.increment).cmp(&(r.time, r.increment)),
        (Bson::RegularExpression(l), Bson::RegularExpression(r)) => {
            (l.pattern.as_str(), l.options.as_str()).cmp(&(r.pattern.as_str(), r.options.as_str()))
        }
        (Bson::DbPointer(l), Bson::DbPointer(r)) => {
            let (l, r) = (pointer_bytes(l), pointer_bytes(r));
            l.len().cmp(&r.len()).then_with(|| l.cmp(&r))
        }
        (Bson::JavaScriptCode(l), Bson::JavaScriptCode(r)) => l.cmp(r),
        (Bson::JavaScriptCodeWithScope(l), Bson::JavaScriptCodeWithScope(r)) => {
            l.code.cmp(&r.code).then_with(|| compare_documents(&l.scope, &r.scope))
        }
        _ => match (Number::of(left), Number::of(right)) {
            (Some(l), Some(r)) => compare_numbers(l, r),
            _ => Ordering::Equal,
        },
    }
}

/// Compares documents field by field: type, then name, then value; a prefix comes first.
pub(crate) fn compare_documents(left: &Document, right: &Document) -> Ordering {
    let mut pairs = left.iter().zip(right.iter()).map(|((left_name, left), (right_name, right))| {
        rank(left)
            .cmp(&rank(right))
            .then_with(|| left_name.as_bytes().cmp(right_name.as_bytes()))
            .then_with(|| compare_same_rank(left, right))
    });
    pairs.find(|order| order.is_ne()).unwrap_or_else(|| left.len().cmp(&right.len()))
}

fn compare_arrays(left: &[Bson], right: &[Bson]) -> Ordering {
    let mut pairs = left.iter().zip(right).map(|(left, right)| compare(left, right));
    pairs.find(|order| order.is_ne()).unwrap_or_else(|| left.len().cmp(&right.len()))
}

fn compare_binary(left: &Binary, right: &Binary) -> Ordering {
    let subtype = |binary: &Binary| u8::from(binary.subtype);
    binary_length(left)
        .cmp(&binary_length(right))
        .then_with(|| subtype(left).cmp(&subtype(right)))
        .then_with(|| left.bytes.cmp(&right.bytes))
}

/// The length on the wire: the old subtype repeats its length inside.
pub(crate) fn binary_length(binary: &Binary) -> usize {
    binary.bytes.len() + if binary.subtype == BinarySubtype::BinaryOld { 4 } else { 0 }
}

/// A pointer as on the wire, the only way the `bson` crate gives out its parts.
pub(crate) fn pointer_bytes(pointer: &DbPointer) -> Vec<u8> {
    let document = bson::doc! { "": Bson::DbPointer(pointer.clone()) };
    document.to_vec().unwrap_or_default()
}
