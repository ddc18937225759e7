use bson::{Bson, Document};
use tandem_contract::Result;

use super::operators::{self, Named, Operator};
use super::string_regex::RegexSearch;
use super::{Expression, Names, Variable, control, fold};
use crate::error::{invalid, not_supported};
use crate::path::split_path;

pub(super) fn parse(value: &Bson, names: &Names) -> Result<Expression> {
    match value {
        Bson::String(text) if text.starts_with('$') => parse_path(text, names),
        Bson::Document(document) => parse_document(document, names),
        Bson::Array(array) => {
            let elements = array.iter().map(|value| parse(value, names));
            Ok(fold::array(elements.collect::<Result<_>>()?))
        }
        value => Ok(Expression::Literal(value.clone())),
    }
}

/// `$a.b` or `$$name.a.b`.
fn parse_path(text: &str, names: &Names) -> Result<Expression> {
    let Some(rest) = text.strip_prefix("$$") else {
        let path = &text[1..];
        check_field_path(path)?;
        return Ok(Expression::Field(split_path(path)));
    };
    let (name, path) = rest.split_once('.').map_or((rest, None), |(name, path)| (name, Some(path)));
    let path = match path {
        Some(path) => {
            check_field_path(path)?;
            split_path(path)
        }
        None => Vec::new(),
    };
    let variable = match name {
        "ROOT" | "CURRENT" => Variable::Root,
        "NOW" => Variable::Now,
        "REMOVE" => Variable::Remove,
        "CLUSTER_TIME" | "SEARCH_META" | "JS_SCOPE" | "IS_MR" => return Err(not_supported(text)),
        _ if names.contains(name) => Variable::User(name.to_owned()),
        _ => {
            check_variable(name)?;
            return Err(invalid(format!("The variable $${name} is not defined")));
        }
    };
    Ok(match (variable, path.is_empty()) {
        (Variable::Root, false) => Expression::Field(path),
        (variable, _) => Expression::Variable(variable, path),
    })
}

/// Refuses what no path in an expression may be.
pub(super) fn check_field_path(path: &str) -> Result<()> {
    crate::path::check_path(path)
}

/// Refuses what no name of a variable may be.
pub(crate) fn check_variable(name: &str) -> Result<()> {
    let first = name.chars().next();
    let starts = first.is_some_and(|first| first.is_ascii_lowercase() || !first.is_ascii());
    let rest = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii());
    if starts && rest {
        return Ok(());
    }
    Err(invalid(format!(
        "\"{name}\" cannot name a variable: it needs a small letter, then letters, digits or _"
    )))
}

fn parse_document(document: &Document, names: &Names) -> Result<Expression> {
    match document.iter().next() {
        Some((name, operand)) if name.starts_with('$') => {
            if document.len() > 1 {
                return Err(invalid(format!("An expression has one operator; {name} is not alone")));
            }
            parse_operator(name, operand, names)
        }
        _ => {
            let fields = document.iter().map(|(name, value)| {
                if name.is_empty() || name.starts_with('$') || name.contains(['.', '\0']) {
                    return Err(invalid(format!("\"{name}\" cannot be a field of an object expression")));
                }
                Ok((name.clone(), parse(value, names)?))
            });
            Ok(fold::object(fields.collect::<Result<_>>()?))
        }
    }
}

fn parse_operator(name: &str, operand: &Bson, names: &Names) -> Result<Expression> {
    if let Some(operator) = operators::operator(name) {
        let arguments = arguments(operator, operand, names)?;
        return match names.verbatim {
            true => Ok(Expression::Call(operator, arguments)),
            false => fold::call(operator, arguments),
        };
    }
    if let Some(operator) = operators::named(name) {
        return named(operator, operand, names);
    }
    if let Some(control) = control::parse(name, operand, names)? {
        return match names.verbatim {
            true => Ok(Expression::Control(Box::new(control))),
            false => control.fold(),
        };
    }
    if let Some(search) = RegexSearch::parse(name, operand, names)? {
        return Ok(Expression::Search(Box::new(search)));
    }
    match name {
        "$literal" | "$const" => Ok(Expression::Literal(operand.clone())),
        _ if operators::LEFT_OUT.contains(&name) => Err(not_supported(name)),
        _ => Err(invalid(format!("There is no expression operator {name}"))),
    }
}

/// An array gives the arguments one by one, anything else is the only one.
fn arguments(operator: &Operator, operand: &Bson, names: &Names) -> Result<Vec<Expression>> {
    let arguments = match operand {
        Bson::Array(array) => array.iter().map(|value| parse(value, names)).collect::<Result<Vec<_>>>()?,
        value => vec![parse(value, names)?],
    };
    let (least, most) = operator.arity;
    if (least..=most).contains(&arguments.len()) {
        return Ok(arguments);
    }
    let takes = match (least, most) {
        (least, most) if least == most => least.to_string(),
        (least, usize::MAX) => format!("at least {least}"),
        (least, most) => format!("{least} to {most}"),
    };
    Err(invalid(format!("{} takes {takes} arguments, not {}", operator.name, arguments.len())))
}

fn named(operator: &'static Named, operand: &Bson, names: &Names) -> Result<Expression> {
    let fields = match operand {
        Bson::Document(fields) => fields,
        // The parts of dates take their date bare, too.
        Bson::Array(array) if operator.bare && array.len() == 1 => {
            return bare(operator, &array[0], names);
        }
        value if operator.bare && !matches!(value, Bson::Array(_)) => return bare(operator, value, names),
        _ => return Err(invalid(format!("{} needs a document with its parameters", operator.name))),
    };
    let is_expression = fields.keys().next().is_some_and(|first| first.starts_with('$'));
    if operator.bare && (is_expression || fields.is_empty()) {
        return bare(operator, operand, names);
    }
    if let Some(unknown) = fields.keys().find(|name| !operator.parameters.contains(&name.as_str())) {
        return Err(invalid(format!("{} has no parameter \"{unknown}\"", operator.name)));
    }
    let mut arguments = Vec::with_capacity(operator.parameters.len());
    for (index, parameter) in operator.parameters.iter().enumerate() {
        let argument = fields.get(parameter);
        if argument.is_none() && index < operator.required {
            return Err(invalid(format!("{} needs the parameter \"{parameter}\"", operator.name)));
        }
        let verbatim = operator.verbatim.contains(parameter);
        let parse = |argument: &Bson| {
            if verbatim { Ok(Expression::Literal(argument.clone())) } else { parse(argument, names) }
        };
        arguments.push(argument.map(parse).transpose()?);
    }
    finish_named(operator, arguments, names)
}

fn finish_named(
    operator: &'static Named,
    arguments: Vec<Option<Expression>>,
    names: &Names,
) -> Result<Expression> {
    if let Some(check) = operator.check {
        check(operator.name, &arguments)?;
    }
    let known = arguments.iter().flatten().all(fold::is_literal);
    let expression = Expression::Named(operator, arguments);
    if operator.folds && known && !names.verbatim { fold::evaluate(expression) } else { Ok(expression) }
}

fn bare(operator: &'static Named, value: &Bson, names: &Names) -> Result<Expression> {
    let mut arguments = vec![Some(parse(value, names)?)];
    arguments.resize_with(operator.parameters.len(), || None);
    finish_named(operator, arguments, names)
}
