use std::cmp::Ordering;
use std::collections::BTreeSet;

use bson::{Bson, Document};
use tandem_contract::Result;

use super::node::{Comparison, Node, Test};
use crate::compare::{compare, rank};
use crate::expression::Scope;
use crate::number::Number;
use crate::path;

/// The places in arrays at which conditions matched.
#[derive(Debug, Default)]
pub(crate) struct Positions {
    found: BTreeSet<usize>,
}

impl Positions {
    /// The place, if there is exactly one.
    pub(super) fn only(&self) -> Option<usize> {
        self.found.first().copied().filter(|_| self.found.len() == 1)
    }
}

impl Node {
    pub(crate) fn matches(&self, document: &Document, scope: &Scope<'_>) -> Result<bool> {
        match self {
            Self::Always(answer) => Ok(*answer),
            Self::And(nodes) => all(nodes, |node| node.matches(document, scope)),
            Self::Or(nodes) => any(nodes, |node| node.matches(document, scope)),
            Self::Nor(nodes) => any(nodes, |node| node.matches(document, scope)).map(|any| !any),
            Self::Path { path, test } => Ok(test.find(document, path, scope)?.is_some()),
            Self::Expression(expression) => expression.is_true(scope),
        }
    }

    /// Notes where the conditions of a document that matches found their array elements. MongoDB
    /// keeps one place, from a condition it chooses; here all are kept, so that a choice shows.
    pub(super) fn record(
        &self,
        document: &Document,
        scope: &Scope<'_>,
        positions: &mut Positions,
    ) -> Result<()> {
        match self {
            Self::And(nodes) => nodes.iter().try_for_each(|node| node.record(document, scope, positions)),
            // Of alternatives MongoDB keeps no place, unless it makes a single `$in` of them.
            Self::Or(nodes) if Self::are_one_test(nodes) => nodes.iter().try_for_each(|node| {
                if node.matches(document, scope)? { node.record(document, scope, positions) } else { Ok(()) }
            }),
            Self::Path { path, test } => {
                if let Some(Some(position)) = test.find(document, path, scope)? {
                    positions.found.insert(position);
                }
                Ok(())
            }
            Self::Always(_) | Self::Or(_) | Self::Nor(_) | Self::Expression(_) => Ok(()),
        }
    }

    /// Whether alternatives are equalities at one path.
    fn are_one_test(nodes: &[Self]) -> bool {
        let path_of = |node: &Self| match node {
            Self::Path { path, test: Test::Compare(Comparison::Equal, _) | Test::Regex(_) } => {
                Some(path.clone())
            }
            _ => None,
        };
        let first = nodes.first().and_then(path_of);
        first.is_some() && nodes.iter().all(|node| path_of(node) == first)
    }
}

impl Test {
    /// Whether a value at the path passes; if so, at which place of an array.
    fn find(&self, document: &Document, path: &[String], scope: &Scope<'_>) -> Result<Option<Option<usize>>> {
        match self {
            Self::Not(test) => return Ok(test.find(document, path, scope)?.is_none().then_some(None)),
            Self::All(tests) => {
                let mut place = None;
                for test in tests {
                    match test.find(document, path, scope)? {
                        Some(found) => place = found.or(place),
                        None => return Ok(None),
                    }
                }
                return Ok(Some(place));
            }
            Self::Never => return Ok(None),
            _ => {}
        }
        let mut place = None;
        let found = path::visit(document, path, self.leaf(), &mut |found| {
            let Some(inner) = self.passes(found.value, scope)? else { return Ok(false) };
            place = found.position.or(inner);
            Ok(true)
        })?;
        Ok(found.then_some(place))
    }

    /// Whether one value passes, itself and not its elements; `None` stands for a missing value.
    /// A test of elements tells which one.
    fn passes(&self, value: Option<&Bson>, scope: &Scope<'_>) -> Result<Option<Option<usize>>> {
        let passed = match (self, value) {
            (Self::ElementMatches(node), Some(Bson::Array(array))) => {
                return position(array, |element| match element {
                    Bson::Document(inner) => node.matches(inner, scope),
                    Bson::Array(inner) => node.matches(&as_document(inner), scope),
                    _ => Ok(false),
                });
            }
            (Self::ElementPasses(tests), Some(Bson::Array(array))) => {
                return position(array, |element| {
                    all(tests, |test| Ok(test.passes(Some(element), scope)?.is_some()))
                });
            }
            (Self::Not(test), value) => test.passes(value, scope)?.is_none(),
            (Self::All(tests), value) => all(tests, |test| Ok(test.passes(value, scope)?.is_some()))?,
            (Self::Compare(comparison, operand), value) => comparison.holds(value, operand),
            (Self::In { values, patterns }, value) => is_in(value, values, patterns)?,
            (_, None) => false,
            (Self::Regex(pattern), Some(value)) => pattern.matches(value)?,
            (Self::Mod { divisor, remainder }, Some(value)) => {
                whole(value).is_some_and(|value| value.wrapping_rem(*divisor) == *remainder)
            }
            (Self::Type(types), Some(value)) => types.contains(value),
            (Self::Exists, Some(_)) => true,
            (Self::Size(size), Some(Bson::Array(array))) => array.len() == *size,
            (Self::Bits(bits), Some(value)) => bits.match_value(value)?,
            _ => false,
        };
        Ok(passed.then_some(None))
    }
}

impl Comparison {
    /// Compares within a type only, except that null equals undefined and missing, and that the
    /// lowest and the highest key compare with all.
    pub(crate) fn holds(self, value: Option<&Bson>, operand: &Bson) -> bool {
        let value = value.unwrap_or(&Bson::Undefined);
        if rank(value) != rank(operand) {
            return match operand {
                Bson::MaxKey => matches!(self, Self::Less | Self::LessOrEqual),
                Bson::MinKey => matches!(self, Self::Greater | Self::GreaterOrEqual),
                Bson::Null => matches!(value, Bson::Undefined) && self.includes_equal(),
                _ => false,
            };
        }
        let (left_nan, right_nan) = (is_nan(value), is_nan(operand));
        if left_nan || right_nan {
            return left_nan && right_nan && self.includes_equal();
        }
        self.accepts(compare(value, operand))
    }

    fn accepts(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }

    fn includes_equal(self) -> bool {
        self.accepts(Ordering::Equal)
    }
}

fn is_nan(value: &Bson) -> bool {
    Number::of(value).is_some_and(Number::is_nan)
}

fn is_in(value: Option<&Bson>, values: &[Bson], patterns: &[crate::regex::Pattern]) -> Result<bool> {
    let Some(present) = value else { return Ok(values.contains(&Bson::Null)) };
    if values.iter().any(|operand| Comparison::Equal.holds(value, operand)) {
        return Ok(true);
    }
    any(patterns, |pattern| pattern.matches(present))
}

/// A number without its fraction, if it fits in 64 bits.
fn whole(value: &Bson) -> Option<i64> {
    match Number::of(value)? {
        Number::Double(double) => crate::number::exact_i64(double.trunc()),
        Number::Decimal(decimal) => decimal.to_int(crate::decimal::Rounding::Truncate),
        other => other.to_exact_i64(),
    }
}

/// An array as the document its elements make, by position.
pub(crate) fn as_document(array: &[Bson]) -> Document {
    array.iter().enumerate().map(|(index, element)| (index.to_string(), element.clone())).collect()
}

fn position(array: &[Bson], mut passes: impl FnMut(&Bson) -> Result<bool>) -> Result<Option<Option<usize>>> {
    for (index, element) in array.iter().enumerate() {
        if passes(element)? {
            return Ok(Some(Some(index)));
        }
    }
    Ok(None)
}

fn all<T>(items: &[T], mut test: impl FnMut(&T) -> Result<bool>) -> Result<bool> {
    any(items, |item| test(item).map(|passed| !passed)).map(|failed| !failed)
}

fn any<T>(items: &[T], mut test: impl FnMut(&T) -> Result<bool>) -> Result<bool> {
    for item in items {
        if test(item)? {
            return Ok(true);
        }
    }
    Ok(false)
}
