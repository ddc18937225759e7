//! What is the same for every document is computed once, when an expression is parsed, and in the
//! order MongoDB's optimizer does it: it shows in rounding and in which errors are raised.

use bson::Bson;
use tandem_contract::Result;

use super::operators::Operator;
use super::{Expression, Scope};

/// How operands of an operator may be regrouped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Grouping {
    No,
    /// Neighbouring constants become one.
    Neighbours,
    /// All constants become one, at the end.
    All,
}

fn grouping(name: &str, operands: usize) -> Grouping {
    match name {
        "$add" | "$multiply" | "$setUnion" | "$setIntersection" => Grouping::All,
        // A single operand may be an array that stands for several.
        "$sum" | "$min" | "$max" if operands > 1 => Grouping::All,
        "$mergeObjects" if operands > 1 => Grouping::Neighbours,
        "$concat" | "$concatArrays" => Grouping::Neighbours,
        _ => Grouping::No,
    }
}

/// Computes a call as far as its operands are known.
///
/// # Errors
/// What the operator raises for operands that are all constant, wherever the call stands.
pub(super) fn call(operator: &'static Operator, operands: Vec<Expression>) -> Result<Expression> {
    if operands.iter().all(is_literal) {
        return evaluate(Expression::Call(operator, operands));
    }
    if operator.name == "$setEquals" {
        return Ok(Expression::Call(operator, constant_first(operands)));
    }
    let grouping = grouping(operator.name, operands.len());
    let operands = match grouping {
        Grouping::No => operands,
        grouping => regroup(operator, flatten(operator, operands), grouping)?,
    };
    Ok(Expression::Call(operator, operands))
}

/// The others are compared with a constant first, if there is one.
fn constant_first(mut operands: Vec<Expression>) -> Vec<Expression> {
    if let Some(index) = operands.iter().position(is_literal) {
        operands[..=index].rotate_right(1);
    }
    operands
}

/// `add(a, add(b, c))` is `add(a, b, c)`.
fn flatten(operator: &'static Operator, operands: Vec<Expression>) -> Vec<Expression> {
    let mut flat = Vec::with_capacity(operands.len());
    for operand in operands {
        match operand {
            Expression::Call(inner, operands)
                if std::ptr::eq(inner, operator) && grouping(inner.name, operands.len()) != Grouping::No =>
            {
                flat.extend(operands);
            }
            operand => flat.push(operand),
        }
    }
    flat
}

fn regroup(
    operator: &'static Operator,
    operands: Vec<Expression>,
    grouping: Grouping,
) -> Result<Vec<Expression>> {
    let (mut regrouped, mut constants) = (Vec::with_capacity(operands.len()), Vec::new());
    for operand in operands {
        if is_literal(&operand) {
            constants.push(operand);
            continue;
        }
        if grouping == Grouping::Neighbours {
            regrouped.extend(join(operator, std::mem::take(&mut constants))?);
        }
        regrouped.push(operand);
    }
    regrouped.extend(join(operator, constants)?);
    Ok(regrouped)
}

fn join(operator: &'static Operator, constants: Vec<Expression>) -> Result<Vec<Expression>> {
    if constants.len() < 2 {
        return Ok(constants);
    }
    Ok(vec![evaluate(Expression::Call(operator, constants))?])
}

/// The value of an expression without variables; itself if the value is missing.
pub(super) fn evaluate(expression: Expression) -> Result<Expression> {
    let nothing = bson::Document::new();
    Ok(match expression.evaluate(&Scope::new(&nothing, None))? {
        Some(value) => Expression::Literal(value),
        None => expression,
    })
}

pub(super) fn is_literal(expression: &Expression) -> bool {
    matches!(expression, Expression::Literal(_))
}

/// An array or object of constants is one.
pub(super) fn array(elements: Vec<Expression>) -> Expression {
    let literal = |element: &Expression| match element {
        Expression::Literal(value) => Some(value.clone()),
        _ => None,
    };
    match elements.iter().map(literal).collect::<Option<Vec<Bson>>>() {
        Some(values) => Expression::Literal(Bson::Array(values)),
        None => Expression::Array(elements),
    }
}

/// An object of constants is one.
pub(super) fn object(fields: Vec<(String, Expression)>) -> Expression {
    let literal = |(name, value): &(String, Expression)| match value {
        Expression::Literal(value) => Some((name.clone(), value.clone())),
        _ => None,
    };
    match fields.iter().map(literal).collect::<Option<bson::Document>>() {
        Some(document) => Expression::Literal(Bson::Document(document)),
        None => Expression::Object(fields),
    }
}
