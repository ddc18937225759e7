use std::collections::{BTreeMap, BTreeSet};

use bson::Bson;
use tandem_contract::Result;

use super::arithmetic::NULL;
use super::operators::{ANY, Arguments, Operator, Run};
use super::{Value, is_nullish, truthy, type_name};
use crate::compare::{GroupKey, group_key};
use crate::error::invalid;

pub(super) const OPERATORS: &[Operator] = &[
    Operator { name: "$setUnion", arity: (0, ANY), run: Run::Each(union) },
    Operator { name: "$setIntersection", arity: (0, ANY), run: Run::Each(intersection) },
    Operator { name: "$setDifference", arity: (2, 2), run: Run::All(difference) },
    Operator { name: "$setEquals", arity: (2, ANY), run: Run::Each(equals) },
    Operator { name: "$setIsSubset", arity: (2, 2), run: Run::All(is_subset) },
    Operator { name: "$allElementsTrue", arity: (1, 1), run: Run::All(all_true) },
    Operator { name: "$anyElementTrue", arity: (1, 1), run: Run::All(any_true) },
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
fn union(name: &'static str, values: Arguments<'_>) -> Result<Value> {
    let mut set: BTreeMap<GroupKey, Bson> = BTreeMap::new();
    for value in values {
        let value = value?;
        if is_nullish(&value) {
            return NULL;
        }
        for element in array(name, value)? {
            set.entry(group_key(&element)).or_insert(element);
        }
    }
    Ok(Some(Bson::Array(set.into_values().collect())))
}

fn intersection(name: &'static str, values: Arguments<'_>) -> Result<Value> {
    let mut set: Option<BTreeMap<GroupKey, Bson>> = None;
    for value in values {
        let value = value?;
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

fn equals(name: &'static str, values: Arguments<'_>) -> Result<Value> {
    let mut first = None;
    for value in values {
        let keys = keys(&array(name, value?)?);
        // What comes after a difference is not looked at.
        if *first.get_or_insert_with(|| keys.clone()) != keys {
            return Ok(Some(Bson::Boolean(false)));
        }
    }
    Ok(Some(Bson::Boolean(true)))
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
