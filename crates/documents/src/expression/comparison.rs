use std::cmp::Ordering;

use bson::Bson;
use tandem_contract::Result;

use super::arithmetic::spread;
use super::operators::{ANY, Operator, Run};
use super::{Value, is_nullish, truthy};
use crate::compare::compare_optional;

pub(super) const OPERATORS: &[Operator] = &[
    Operator { name: "$eq", arity: (2, 2), run: Run::All(relation) },
    Operator { name: "$ne", arity: (2, 2), run: Run::All(relation) },
    Operator { name: "$lt", arity: (2, 2), run: Run::All(relation) },
    Operator { name: "$lte", arity: (2, 2), run: Run::All(relation) },
    Operator { name: "$gt", arity: (2, 2), run: Run::All(relation) },
    Operator { name: "$gte", arity: (2, 2), run: Run::All(relation) },
    Operator { name: "$cmp", arity: (2, 2), run: Run::All(relation) },
    Operator { name: "$not", arity: (1, 1), run: Run::All(not) },
    Operator { name: "$min", arity: (0, ANY), run: Run::All(extreme) },
    Operator { name: "$max", arity: (0, ANY), run: Run::All(extreme) },
];

/// Compares in the full BSON order, missing below null.
fn relation(name: &'static str, values: Vec<Value>) -> Result<Value> {
    let order = compare_optional(values[0].as_ref(), values[1].as_ref());
    Ok(Some(match name {
        "$eq" => Bson::Boolean(order.is_eq()),
        "$ne" => Bson::Boolean(order.is_ne()),
        "$lt" => Bson::Boolean(order.is_lt()),
        "$lte" => Bson::Boolean(order.is_le()),
        "$gt" => Bson::Boolean(order.is_gt()),
        "$gte" => Bson::Boolean(order.is_ge()),
        _ => Bson::Int32(match order {
            Ordering::Less => -1,
            Ordering::Equal => 0,
            Ordering::Greater => 1,
        }),
    }))
}

fn not(_name: &'static str, values: Vec<Value>) -> Result<Value> {
    Ok(Some(Bson::Boolean(!truthy(values[0].as_ref()))))
}

/// The lowest or highest value that is not null; null when there is none.
fn extreme(name: &'static str, values: Vec<Value>) -> Result<Value> {
    let wanted = if name == "$min" { Ordering::Less } else { Ordering::Greater };
    let values = spread(values).into_iter().filter(|value| !is_nullish(value));
    let best =
        values.reduce(
            |best, value| {
                if compare_optional(value.as_ref(), best.as_ref()) == wanted { value } else { best }
            },
        );
    Ok(Some(best.flatten().unwrap_or(Bson::Null)))
}
