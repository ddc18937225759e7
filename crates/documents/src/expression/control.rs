//! Operators that decide themselves which of their arguments are evaluated, and with what variables.

use bson::{Bson, Document};
use tandem_contract::Result;

use super::parse::{self, check_variable};
use super::{Expression, Frame, Names, Scope, Value, bounded, fold, is_nullish, truthy, type_name};
use crate::error::invalid;
use crate::work::{Growing, step};

/// An operator with control over evaluation.
#[derive(Clone, Debug)]
pub(crate) enum Control {
    And(Vec<Expression>),
    Or(Vec<Expression>),
    Condition([Expression; 3]),
    IfNull(Vec<Expression>),
    Switch { branches: Vec<(Expression, Expression)>, default: Option<Expression> },
    Let { variables: Vec<(String, Expression)>, body: Expression },
    Map { input: Expression, variable: String, body: Expression },
    Filter { input: Expression, variable: String, condition: Expression, limit: Option<Expression> },
    Reduce { input: Expression, initial: Expression, body: Expression },
}

pub(super) fn parse(name: &str, operand: &Bson, names: &Names) -> Result<Option<Control>> {
    let list = || match operand {
        Bson::Array(array) => array.iter().map(|value| parse::parse(value, names)).collect(),
        value => Ok(vec![parse::parse(value, names)?]),
    };
    Ok(Some(match name {
        "$and" => Control::And(list()?),
        "$or" => Control::Or(list()?),
        "$ifNull" => {
            let arguments: Vec<_> = list()?;
            if arguments.len() < 2 {
                return Err(invalid("$ifNull takes at least 2 arguments"));
            }
            Control::IfNull(arguments)
        }
        "$cond" => parse_condition(operand, names)?,
        "$switch" => parse_switch(operand, names)?,
        "$let" => parse_let(operand, names)?,
        "$map" => parse_map(operand, names)?,
        "$filter" => parse_filter(operand, names)?,
        "$reduce" => parse_reduce(operand, names)?,
        _ => return Ok(None),
    }))
}

/// The fields of an operand that must be a document with these parameters.
pub(super) fn fields<'a>(name: &str, operand: &'a Bson, parameters: &[&str]) -> Result<&'a Document> {
    let Bson::Document(fields) = operand else {
        return Err(invalid(format!("{name} needs a document with its parameters")));
    };
    match fields.keys().find(|field| !parameters.contains(&field.as_str())) {
        Some(unknown) => Err(invalid(format!("{name} has no parameter \"{unknown}\""))),
        None => Ok(fields),
    }
}

pub(super) fn required<'a>(name: &str, fields: &'a Document, parameter: &str) -> Result<&'a Bson> {
    fields.get(parameter).ok_or_else(|| invalid(format!("{name} needs the parameter \"{parameter}\"")))
}

fn parse_condition(operand: &Bson, names: &Names) -> Result<Control> {
    let parts = match operand {
        Bson::Array(parts) if parts.len() == 3 => [&parts[0], &parts[1], &parts[2]],
        Bson::Document(_) => {
            let fields = fields("$cond", operand, &["if", "then", "else"])?;
            let part = |parameter| required("$cond", fields, parameter);
            [part("if")?, part("then")?, part("else")?]
        }
        _ => return Err(invalid("$cond takes 3 arguments: if, then, else")),
    };
    let [condition, then, otherwise] = parts.map(|part| parse::parse(part, names));
    Ok(Control::Condition([condition?, then?, otherwise?]))
}

fn parse_switch(operand: &Bson, names: &Names) -> Result<Control> {
    let fields = fields("$switch", operand, &["branches", "default"])?;
    let Bson::Array(branches) = required("$switch", fields, "branches")? else {
        return Err(invalid("$switch needs an array of branches"));
    };
    if branches.is_empty() {
        return Err(invalid("$switch needs at least one branch"));
    }
    let branches = branches.iter().map(|branch| {
        let branch = self::fields("A branch of $switch", branch, &["case", "then"])?;
        let part = |parameter| parse::parse(required("A branch of $switch", branch, parameter)?, names);
        Ok((part("case")?, part("then")?))
    });
    let branches = branches.collect::<Result<_>>()?;
    let default = fields.get("default").map(|default| parse::parse(default, names)).transpose()?;
    Ok(Control::Switch { branches, default })
}

fn parse_let(operand: &Bson, names: &Names) -> Result<Control> {
    let fields = fields("$let", operand, &["vars", "in"])?;
    let Bson::Document(variables) = required("$let", fields, "vars")? else {
        return Err(invalid("$let needs a document of variables"));
    };
    let parsed = variables.iter().map(|(name, value)| {
        if name == "CURRENT" {
            return Err(crate::error::not_supported("$let of CURRENT"));
        }
        check_variable(name)?;
        Ok((name.clone(), parse::parse(value, names)?))
    });
    let parsed = parsed.collect::<Result<_>>()?;
    let inner = names.with(variables.keys().map(String::as_str));
    Ok(Control::Let { variables: parsed, body: parse::parse(required("$let", fields, "in")?, &inner)? })
}

/// The name that elements get: `as`, or `this`.
fn element_name(name: &str, fields: &Document) -> Result<String> {
    match fields.get("as") {
        None => Ok("this".to_owned()),
        Some(Bson::String(variable)) => check_variable(variable).map(|()| variable.clone()),
        Some(_) => Err(invalid(format!("{name} needs a string as \"as\""))),
    }
}

fn parse_map(operand: &Bson, names: &Names) -> Result<Control> {
    let fields = fields("$map", operand, &["input", "as", "in"])?;
    let input = parse::parse(required("$map", fields, "input")?, names)?;
    let variable = element_name("$map", fields)?;
    let body = parse::parse(required("$map", fields, "in")?, &names.with([variable.as_str()]))?;
    Ok(Control::Map { input, variable, body })
}

fn parse_filter(operand: &Bson, names: &Names) -> Result<Control> {
    let fields = fields("$filter", operand, &["input", "as", "cond", "limit"])?;
    let input = parse::parse(required("$filter", fields, "input")?, names)?;
    let variable = element_name("$filter", fields)?;
    let condition = parse::parse(required("$filter", fields, "cond")?, &names.with([variable.as_str()]))?;
    let limit = fields.get("limit").map(|limit| parse::parse(limit, names)).transpose()?;
    Ok(Control::Filter { input, variable, condition, limit })
}

fn parse_reduce(operand: &Bson, names: &Names) -> Result<Control> {
    let fields = fields("$reduce", operand, &["input", "initialValue", "in"])?;
    let input = parse::parse(required("$reduce", fields, "input")?, names)?;
    let initial = parse::parse(required("$reduce", fields, "initialValue")?, names)?;
    let body = parse::parse(required("$reduce", fields, "in")?, &names.with(["this", "value"]))?;
    Ok(Control::Reduce { input, initial, body })
}

impl Control {
    /// Decides at once what does not depend on the document.
    pub(super) fn fold(self) -> Result<Expression> {
        use fold::is_literal;
        match self {
            Self::And(arguments) if has_constant(&arguments, false) => Ok(Expression::Literal(false.into())),
            Self::Or(arguments) if has_constant(&arguments, true) => Ok(Expression::Literal(true.into())),
            Self::Condition([Expression::Literal(condition), then, otherwise]) => {
                Ok(if truthy(Some(&condition)) { then } else { otherwise })
            }
            control => {
                let known = match &control {
                    Self::And(arguments) | Self::Or(arguments) | Self::IfNull(arguments) => {
                        arguments.iter().all(is_literal)
                    }
                    Self::Switch { branches, default } => {
                        branches.iter().all(|(case, then)| is_literal(case) && is_literal(then))
                            && default.iter().all(is_literal)
                    }
                    _ => false,
                };
                let expression = Expression::Control(Box::new(control));
                if known { fold::evaluate(expression) } else { Ok(expression) }
            }
        }
    }

    pub(super) fn evaluate(&self, scope: &Scope<'_>) -> Result<Value> {
        match self {
            Self::And(arguments) => any(arguments, scope, false).map(|any| Some(Bson::Boolean(!any))),
            Self::Or(arguments) => any(arguments, scope, true).map(|any| Some(Bson::Boolean(any))),
            Self::Condition([condition, then, otherwise]) => {
                if condition.is_true(scope)? {
                    then.evaluate(scope)
                } else {
                    otherwise.evaluate(scope)
                }
            }
            Self::IfNull(arguments) => {
                let mut value = None;
                for argument in arguments {
                    value = argument.evaluate(scope)?;
                    if !is_nullish(&value) {
                        break;
                    }
                }
                Ok(value)
            }
            Self::Switch { branches, default } => {
                for (case, then) in branches {
                    if case.is_true(scope)? {
                        return then.evaluate(scope);
                    }
                }
                let nothing = || invalid("No case of a $switch is true and it has no default");
                default.as_ref().ok_or_else(nothing)?.evaluate(scope)
            }
            Self::Let { variables, body } => {
                let values = variables
                    .iter()
                    .map(|(name, value)| Ok((name.as_str(), bounded(value.evaluate(scope)?)?)));
                with_variables(
                    &mut values.collect::<Result<Vec<_>>>()?.into_iter(),
                    body,
                    scope,
                    scope.frame(),
                )
            }
            Self::Map { input, variable, body } => map(input, variable, body, scope),
            Self::Filter { input, variable, condition, limit } => {
                filter(input, (variable, condition), limit.as_ref(), scope)
            }
            Self::Reduce { input, initial, body } => reduce(input, initial, body, scope),
        }
    }
}

fn has_constant(arguments: &[Expression], wanted: bool) -> bool {
    arguments.iter().any(|argument| match argument {
        Expression::Literal(value) => truthy(Some(value)) == wanted,
        _ => false,
    })
}

fn any(arguments: &[Expression], scope: &Scope<'_>, wanted: bool) -> Result<bool> {
    for argument in arguments {
        if argument.is_true(scope)? == wanted {
            return Ok(true);
        }
    }
    Ok(false)
}

fn with_variables(
    variables: &mut dyn Iterator<Item = (&str, Value)>,
    body: &Expression,
    scope: &Scope<'_>,
    outer: Option<&Frame<'_>>,
) -> Result<Value> {
    match variables.next() {
        Some((name, value)) => {
            let frame = Frame::new(name, value, outer);
            with_variables(variables, body, scope, Some(&frame))
        }
        None => body.evaluate(&scope.with_frame(outer)),
    }
}

/// The array an operator works on; `None` when it is null or missing.
fn input_array(name: &str, input: &Expression, scope: &Scope<'_>) -> Result<Option<Vec<Bson>>> {
    match input.evaluate(scope)? {
        Some(Bson::Array(array)) => Ok(Some(array)),
        value if is_nullish(&value) => Ok(None),
        value => Err(invalid(format!("{name} needs an array as its input, not {}", type_name(&value)))),
    }
}

fn map(input: &Expression, variable: &str, body: &Expression, scope: &Scope<'_>) -> Result<Value> {
    let Some(array) = input_array("$map", input, scope)? else { return Ok(Some(Bson::Null)) };
    let mut mapped = Growing::default();
    for element in array {
        let frame = Frame::new(variable, Some(element), scope.frame());
        mapped.push(body.evaluate(&scope.with_frame(Some(&frame)))?.unwrap_or(Bson::Null))?;
    }
    Ok(mapped.into_value())
}

fn filter(
    input: &Expression,
    (variable, condition): (&str, &Expression),
    limit: Option<&Expression>,
    scope: &Scope<'_>,
) -> Result<Value> {
    let Some(array) = input_array("$filter", input, scope)? else { return Ok(Some(Bson::Null)) };
    let limit = match limit.map(|limit| limit.evaluate(scope)).transpose()? {
        None => usize::MAX,
        Some(limit) if is_nullish(&limit) => usize::MAX,
        Some(limit) => filter_limit(&limit)?,
    };
    let mut kept = Vec::new();
    for element in array {
        step()?;
        let frame = Frame::new(variable, Some(element), scope.frame());
        if condition.is_true(&scope.with_frame(Some(&frame)))? {
            kept.extend(frame.value);
            if kept.len() >= limit {
                break;
            }
        }
    }
    Ok(Some(Bson::Array(kept)))
}

fn filter_limit(limit: &Value) -> Result<usize> {
    let number = limit.as_ref().and_then(crate::number::Number::of).and_then(|limit| limit.to_exact_i64());
    let number = number.and_then(|number| i32::try_from(number).ok()).filter(|number| *number > 0);
    number.map(|number| number as usize).ok_or_else(|| invalid("$filter needs a positive 32-bit limit"))
}

fn reduce(input: &Expression, initial: &Expression, body: &Expression, scope: &Scope<'_>) -> Result<Value> {
    let Some(array) = input_array("$reduce", input, scope)? else { return Ok(Some(Bson::Null)) };
    let mut value = initial.evaluate(scope)?;
    for element in array {
        step()?;
        let this = Frame::new("this", Some(element), scope.frame());
        let accumulated = Frame::new("value", value, Some(&this));
        value = bounded(body.evaluate(&scope.with_frame(Some(&accumulated)))?)?;
    }
    Ok(value)
}
