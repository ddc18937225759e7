//! Aggregation expressions: values computed from a document.

mod arithmetic;
mod array;
mod array_build;
mod comparison;
mod control;
mod convert;
mod date;
mod date_format;
mod date_math;
mod date_parse;
mod fold;
mod number_format;
mod object;
mod operators;
mod parse;
mod path;
mod rounding;
mod set;
mod string;
mod string_regex;
mod string_search;
mod summation;

use bson::{Bson, DateTime, Document};
use tandem_contract::Result;

use crate::depth::{check_size, value_size};
use crate::error::not_supported;
use crate::number::Number;
use crate::work::{self, Growing};
use control::Control;
use operators::{Named, Operator, Run};
use string_regex::RegexSearch;

pub(crate) use arithmetic::binary;
pub(crate) use array::SortBy;
pub(crate) use object::set_path as set_object_path;
pub(crate) use parse::check_variable;
pub(crate) use summation::Summation;

/// A computed value; `None` is a missing one.
pub(crate) type Value = Option<Bson>;

/// A parsed expression.
#[derive(Clone, Debug)]
pub(crate) enum Expression {
    Literal(Bson),
    /// `$a.b`: the path in the current document.
    Field(Vec<String>),
    /// `$$name.a.b`.
    Variable(Variable, Vec<String>),
    Object(Vec<(String, Expression)>),
    Array(Vec<Expression>),
    Call(&'static Operator, Vec<Expression>),
    Named(&'static Named, Vec<Option<Expression>>),
    Search(Box<RegexSearch>),
    Control(Box<Control>),
}

/// What `$$…` names.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Variable {
    Root,
    Now,
    Remove,
    User(String),
}

/// The variables an expression may use besides the system's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    names: Vec<String>,
    verbatim: bool,
}

impl Names {
    /// For expressions that are left as they are written: MongoDB computes nothing of an update's
    /// pipeline beforehand, so that an error in what is never reached is none.
    pub(crate) fn verbatim() -> Self {
        Self { verbatim: true, ..Self::default() }
    }

    /// These and more.
    pub(crate) fn with<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Self {
        let mut all = self.clone();
        all.names.extend(names.into_iter().map(str::to_owned));
        all
    }

    fn contains(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }
}

/// What an expression is evaluated against.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    root: &'a Document,
    now: Option<DateTime>,
    frame: Option<&'a Frame<'a>>,
}

/// A variable and those around it.
pub(crate) struct Frame<'a> {
    name: &'a str,
    value: Value,
    outer: Option<&'a Frame<'a>>,
}

impl<'a> Scope<'a> {
    pub(crate) fn new(root: &'a Document, now: Option<DateTime>) -> Self {
        work::begin_document();
        Self { root, now, frame: None }
    }

    /// The same variables about another document.
    pub(crate) fn about<'b>(self, root: &'b Document) -> Scope<'b>
    where
        'a: 'b,
    {
        Scope { root, now: self.now, frame: self.frame }
    }

    pub(crate) fn root(&self) -> &'a Document {
        self.root
    }

    pub(crate) fn with_frame(self, frame: Option<&'a Frame<'a>>) -> Self {
        Self { frame, ..self }
    }

    pub(crate) fn frame(&self) -> Option<&'a Frame<'a>> {
        self.frame
    }

    fn get(&self, name: &str) -> Option<&'a Bson> {
        let mut frame = self.frame;
        while let Some(current) = frame {
            if current.name == name {
                return current.value.as_ref();
            }
            frame = current.outer;
        }
        None
    }
}

impl<'a> Frame<'a> {
    pub(crate) fn new(name: &'a str, value: Value, outer: Option<&'a Frame<'a>>) -> Self {
        Self { name, value, outer }
    }
}

impl Expression {
    /// Parses an expression that may use these variables.
    ///
    /// # Errors
    /// `InvalidArgument` for what MongoDB would not take either, `NotSupported` for operators that
    /// are left out.
    pub(crate) fn parse(value: &Bson, names: &Names) -> Result<Self> {
        parse::parse(value, names)
    }

    /// Computes the value.
    pub(crate) fn evaluate(&self, scope: &Scope<'_>) -> Result<Value> {
        match self {
            Self::Literal(value) => Ok(Some(value.clone())),
            Self::Field(path) => Ok(path::in_document(scope.root, path)),
            Self::Variable(variable, path) => variable.evaluate(path, scope),
            Self::Object(fields) => {
                let mut document = Document::new();
                for (name, expression) in fields {
                    if let Some(value) = expression.evaluate(scope)? {
                        document.insert(name.clone(), value);
                    }
                }
                Ok(Some(Bson::Document(document)))
            }
            Self::Array(elements) => {
                let mut values = Growing::default();
                for element in elements {
                    values.push(element.evaluate(scope)?.unwrap_or(Bson::Null))?;
                }
                Ok(values.into_value())
            }
            Self::Call(operator, arguments) => {
                let mut values = arguments.iter().map(|argument| argument.evaluate(scope));
                match operator.run {
                    Run::All(run) => run(operator.name, values.collect::<Result<_>>()?),
                    Run::Each(run) => run(operator.name, &mut values),
                }
            }
            Self::Named(operator, arguments) => {
                let evaluate = |argument: &Option<Self>| {
                    argument.as_ref().map(|argument| argument.evaluate(scope)).transpose()
                };
                (operator.run)(operator.name, arguments.iter().map(evaluate).collect::<Result<_>>()?)
            }
            Self::Search(search) => search.evaluate(scope),
            Self::Control(control) => control.evaluate(scope),
        }
    }

    /// The value of a variable that the caller sets.
    pub(crate) fn user_variable(name: &str) -> Self {
        Self::Variable(Variable::User(name.to_owned()), Vec::new())
    }

    /// Whether the value counts as true.
    pub(crate) fn is_true(&self, scope: &Scope<'_>) -> Result<bool> {
        Ok(truthy(self.evaluate(scope)?.as_ref()))
    }
}

impl Variable {
    fn evaluate(&self, path: &[String], scope: &Scope<'_>) -> Result<Value> {
        match self {
            Self::Root if path.is_empty() => Ok(Some(Bson::Document(scope.root.clone()))),
            Self::Root => Ok(path::in_document(scope.root, path)),
            Self::Remove => Ok(None),
            Self::Now if !path.is_empty() => Ok(None),
            Self::Now => match scope.now {
                Some(now) => Ok(Some(Bson::DateTime(now))),
                None => Err(not_supported("$$NOW where no time is given")),
            },
            Self::User(name) => {
                let value = scope.get(name);
                Ok(if path.is_empty() {
                    value.cloned()
                } else {
                    value.and_then(|value| path::follow(value, path))
                })
            }
        }
    }
}

/// Whether a value counts as true: all but missing, null, undefined, `false` and zero.
pub(crate) fn truthy(value: Option<&Bson>) -> bool {
    match value {
        None | Some(Bson::Null | Bson::Undefined) => false,
        Some(Bson::Boolean(value)) => *value,
        Some(value) => Number::of(value).is_none_or(|number| !number.is_zero()),
    }
}

/// Whether a value is missing, null or undefined, which most operators answer with null.
pub(crate) fn is_nullish(value: &Value) -> bool {
    matches!(value, None | Some(Bson::Null | Bson::Undefined))
}

/// The name of a value's type, `missing` included.
pub(crate) fn type_name(value: &Value) -> &'static str {
    value.as_ref().map_or("missing", crate::bson_type::type_name)
}

/// Refuses a value that no document could hold. Called where values can double at every step.
fn bounded(value: Value) -> Result<Value> {
    if let Some(Bson::Array(_) | Bson::Document(_) | Bson::String(_)) = &value {
        check_size(value.as_ref().map_or(0, value_size))?;
    }
    Ok(value)
}
