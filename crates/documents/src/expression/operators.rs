//! The table of operators whose arguments are all evaluated first.

use tandem_contract::Result;

use super::{
    Expression, Value, arithmetic, array, array_build, comparison, convert, date, date_math, object,
    rounding, set, string, string_regex, string_search,
};

/// An operator with arguments by position.
#[derive(Debug)]
pub(crate) struct Operator {
    pub(super) name: &'static str,
    /// The least and the most arguments.
    pub(super) arity: (usize, usize),
    pub(super) run: Run,
}

/// How an operator takes its arguments.
#[derive(Clone, Copy, Debug)]
pub(super) enum Run {
    /// All at once.
    All(fn(&'static str, Vec<Value>) -> Result<Value>),
    /// One by one: those after a null, or after what decides the result, are not evaluated.
    Each(fn(&'static str, Arguments<'_>) -> Result<Value>),
}

/// Arguments that are evaluated as they are asked for.
pub(super) type Arguments<'a> = &'a mut dyn Iterator<Item = Result<Value>>;

/// A test of the arguments as they are written.
type Check = fn(&'static str, &[Option<Expression>]) -> Result<()>;

/// An operator with arguments by name.
#[derive(Debug)]
pub(crate) struct Named {
    pub(super) name: &'static str,
    /// Its parameters, those that are required first.
    pub(super) parameters: &'static [&'static str],
    pub(super) required: usize,
    /// It also takes the first argument alone, without its name.
    pub(super) bare: bool,
    /// It is computed at once when all arguments are constant, and fails then if it must.
    pub(super) folds: bool,
    /// Parameters that are no expressions.
    pub(super) verbatim: &'static [&'static str],
    /// What must hold of the arguments whatever the document is.
    pub(super) check: Option<Check>,
    pub(super) run: fn(&'static str, Vec<Option<Value>>) -> Result<Value>,
}

impl Named {
    /// An operator whose first `required` parameters must be given.
    pub(super) const fn new(
        name: &'static str,
        parameters: &'static [&'static str],
        required: usize,
        run: fn(&'static str, Vec<Option<Value>>) -> Result<Value>,
    ) -> Self {
        Self { name, parameters, required, bare: false, folds: false, verbatim: &[], check: None, run }
    }

    pub(super) const fn bare(self) -> Self {
        Self { bare: true, ..self }
    }

    pub(super) const fn folding(self) -> Self {
        Self { folds: true, ..self }
    }

    pub(super) const fn verbatim(self, verbatim: &'static [&'static str]) -> Self {
        Self { verbatim, ..self }
    }

    pub(super) const fn checked(self, check: Check) -> Self {
        Self { check: Some(check), ..self }
    }
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
