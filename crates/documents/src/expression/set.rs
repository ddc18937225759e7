use std::collections::{BTreeMap, BTreeSet};

use bson::Bson;
use tandem_contract::Result;

use super::arithmetic::NULL;
use super::operators::{ANY, Operator};
use super::{Value, is_nullish, truthy, type_name};
use crate::compare::{GroupKey, group_key};
use crate::error::invalid;

pub(super) const OPERATORS: &[Operator] = &[
    Operator { name: "$setUnion", arity: (0, ANY), run: union },
    Operator { name: "$setIntersection", arity: (0, ANY), run: intersection },
    Operator { name: "$setDifference", arity: (2, 2), run: difference },
    Operator { name: "$setEquals", arity: (2, ANY), run: equals },
    Operator { name: "$setIsSubset", arity: (2, 2), run: is_subset },
    Operator { name: "$allElementsTrue", arity: (1, 1), run: all_true },
    Operator { name: "$anyElementTrue", arity: (1, 1), run: any_true },
];

fn array(name: &str, value: Value) -> Result<Vec<Bson>> {
    match value {
        Some(Bson::Array(array)) => Ok(array),
        value => Err(invalid(format!("{name} needs arrays, not {}", type_name(&value)))),
    }
}

fn keys(array: &[Bson]) -> BTreeSet<GroupKey> {
    array.iter().map(group_key).collect()
}

/// All distinct values, in order.
fn union(name: &'static str, values: Vec<Value>) -> Result<Value> {
    let mut set: BTreeMap<GroupKey, Bson> = BTreeMap::new();
    for value in values {
        if is_nullish(&value) {
            return NULL;
        }
        for element in array(name, value)? {
            set.entry(group_key(&element)).or_insert(element);
        }
    }
    Ok(Some(Bson::Array(set.into_values().collect())))
}

fn intersection(name: &'static str, values: Vec<Value>) -> Result<Value> {
    let mut set: Option<BTreeMap<GroupKey, Bson>> = None;
    for value in values {
        if is_nullish(&value) {
            return NULL;
        }
        let array = array(name, value)?;
        match &mut set {
            Some(set) => {
                let keys = keys(&array);
                set.retain(|key, _| keys.contains(key));
            }
            None => {
                let mut first = BTreeMap::new();
                for element in array {
                    first.entry(group_key(&element)).or_insert(element);
                }
                set = Some(first);
            }
        }
        if set.as_ref().is_some_and(BTreeMap::is_empty) {
            break;
        }
    }
    Ok(Some(Bson::Array(set.unwrap_or_default().into_values().collect())))
}

fn two(values: Vec<Value>) -> (Value, Value) {
    let mut values = values.into_iter();
    (values.next().flatten(), values.next().flatten())
}

fn difference(name: &'static str, values: Vec<Value>) -> Result<Value> {
    let (left, right) = two(values);
    if is_nullish(&left) || is_nullish(&right) {
        return NULL;
    }
    let (left, right) = (array(name, left)?, array(name, right)?);
    let mut seen = keys(&right);
    Ok(Some(Bson::Array(left.into_iter().filter(|element| seen.insert(group_key(element))).collect())))
}

fn equals(name: &'static str, values: Vec<Value>) -> Result<Value> {
    let sets = values.into_iter().map(|value| Ok(keys(&array(name, value)?))).collect::<Result<Vec<_>>>()?;
    Ok(Some(Bson::Boolean(sets.windows(2).all(|pair| pair[0] == pair[1]))))
}

fn is_subset(name: &'static str, values: Vec<Value>) -> Result<Value> {
    let (left, right) = two(values);
    let (left, right) = (array(name, left)?, array(name, right)?);
    Ok(Some(Bson::Boolean(keys(&left).is_subset(&keys(&right)))))
}

fn all_true(name: &'static str, values: Vec<Value>) -> Result<Value> {
    let array = array(name, two(values).0)?;
    Ok(Some(Bson::Boolean(array.iter().all(|element| truthy(Some(element))))))
}

fn any_true(name: &'static str, values: Vec<Value>) -> Result<Value> {
    let array = array(name, two(values).0)?;
    Ok(Some(Bson::Boolean(array.iter().any(|element| truthy(Some(element))))))
}
