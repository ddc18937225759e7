//! The table of operators whose arguments are all evaluated first.

use tandem_contract::Result;

use super::{
    Value, arithmetic, array, array_build, comparison, convert, date, date_math, object, rounding, set,
    string, string_regex, string_search,
};

/// An operator with arguments by position.
#[derive(Debug)]
pub(crate) struct Operator {
    pub(super) name: &'static str,
    /// The least and the most arguments.
    pub(super) arity: (usize, usize),
    pub(super) run: fn(&'static str, Vec<Value>) -> Result<Value>,
}

/// An operator with arguments by name.
#[derive(Debug)]
pub(crate) struct Named {
    pub(super) name: &'static str,
    /// Its parameters, those that are required first.
    pub(super) parameters: &'static [&'static str],
    pub(super) required: usize,
    /// It also takes the first argument alone, without its name.
    pub(super) bare: bool,
    pub(super) run: fn(&'static str, Vec<Option<Value>>) -> Result<Value>,
}

pub(super) const ANY: usize = usize::MAX;

const OPERATORS: [&[Operator]; 10] = [
    arithmetic::OPERATORS,
    array::OPERATORS,
    array_build::OPERATORS,
    comparison::OPERATORS,
    convert::OPERATORS,
    object::OPERATORS,
    rounding::OPERATORS,
    set::OPERATORS,
    string::OPERATORS,
    string_search::OPERATORS,
];

const NAMED: [&[Named]; 8] = [
    array_build::NAMED,
    array::NAMED,
    convert::NAMED,
    date::NAMED,
    date_math::NAMED,
    object::NAMED,
    string::NAMED,
    string_regex::NAMED,
];

/// Operators of MongoDB that are left out; they are refused by name.
pub(super) const LEFT_OUT: [&str; 12] = [
    "$accumulator",
    "$function",
    "$meta",
    "$rand",
    "$sampleRate",
    "$toHashedIndexKey",
    "$binarySize",
    "$tsIncrement",
    "$tsSecond",
    "$median",
    "$percentile",
    "$covariancePop",
];

pub(super) fn operator(name: &str) -> Option<&'static Operator> {
    OPERATORS.iter().flat_map(|table| table.iter()).find(|operator| operator.name == name)
}

pub(super) fn named(name: &str) -> Option<&'static Named> {
    NAMED.iter().flat_map(|table| table.iter()).find(|operator| operator.name == name)
}
