use bson::{Bson, doc};
use tandem_contract::Result;

use super::arithmetic::NULL;
use super::operators::Named;
use super::string::{string, text};
use super::{Expression, Names, Scope, Value, is_nullish};
use crate::depth::check_size;
use crate::error::invalid;
use crate::regex::Pattern;
use crate::work::Growing;

const NAMES: [&str; 3] = ["$regexMatch", "$regexFind", "$regexFindAll"];
const REPLACE: &[&str] = &["input", "find", "replacement"];

pub(super) const NAMED: &[Named] =
    &[Named::new("$replaceOne", REPLACE, 3, replace), Named::new("$replaceAll", REPLACE, 3, replace)];

/// `$regexMatch`, `$regexFind` or `$regexFindAll`.
#[derive(Clone, Debug)]
pub(crate) struct RegexSearch {
    name: &'static str,
    input: Expression,
    pattern: Source,
}

/// A pattern that is compiled once, or one that depends on the document.
#[derive(Clone, Debug)]
enum Source {
    Fixed(Option<Pattern>),
    Computed(Expression, Option<Expression>),
}

impl RegexSearch {
    /// Parses an operator of this kind; `None` when it is another.
    pub(super) fn parse(name: &str, operand: &Bson, names: &Names) -> Result<Option<Self>> {
        let Some(name) = NAMES.into_iter().find(|known| *known == name) else { return Ok(None) };
        let fields = super::control::fields(name, operand, &["input", "regex", "options"])?;
        let required = |field| Expression::parse(super::control::required(name, fields, field)?, names);
        let (input, regex) = (required("input")?, required("regex")?);
        let options = fields.get("options").map(|options| Expression::parse(options, names)).transpose()?;
        let pattern = match (&regex, &options) {
            (Expression::Literal(regex), None) => Source::Fixed(compile(name, Some(regex), None)?),
            (Expression::Literal(regex), Some(Expression::Literal(options))) => {
                Source::Fixed(compile(name, Some(regex), Some(options))?)
            }
            _ => Source::Computed(regex, options),
        };
        Ok(Some(Self { name, input, pattern }))
    }

    pub(super) fn evaluate(&self, scope: &Scope<'_>) -> Result<Value> {
        let input = self.input.evaluate(scope)?;
        if !is_nullish(&input) {
            text(self.name, &input)?;
        }
        let computed;
        let pattern = match &self.pattern {
            Source::Fixed(pattern) => pattern,
            Source::Computed(regex, options) => {
                let regex = regex.evaluate(scope)?;
                let options = options.as_ref().map(|options| options.evaluate(scope)).transpose()?.flatten();
                computed = compile(self.name, regex.as_ref(), options.as_ref())?;
                &computed
            }
        };
        let (Some(Bson::String(input)), Some(pattern)) = (&input, pattern) else {
            return Ok(Some(match self.name {
                "$regexMatch" => Bson::Boolean(false),
                "$regexFind" => Bson::Null,
                _ => Bson::Array(Vec::new()),
            }));
        };
        match self.name {
            "$regexMatch" => Ok(Some(Bson::Boolean(pattern.is_match(input)?))),
            "$regexFind" => Ok(Some(match pattern.captures(input, 0)? {
                Some(groups) => {
                    let before = groups.first().copied().flatten().unwrap_or_default().0;
                    found(input, &groups, input[..before].chars().count())
                }
                None => Bson::Null,
            })),
            _ => find_all(pattern, input),
        }
    }
}

/// The pattern of an operator; `None` when it is null.
fn compile(name: &str, regex: Option<&Bson>, options: Option<&Bson>) -> Result<Option<Pattern>> {
    let options = match options {
        None | Some(Bson::Null | Bson::Undefined) => None,
        Some(Bson::String(options)) => Some(options.as_str()),
        Some(_) => return Err(invalid(format!("{name} needs a string as its options"))),
    };
    match regex {
        None | Some(Bson::Null | Bson::Undefined) => Ok(None),
        Some(Bson::String(source)) => Pattern::new(source, options.unwrap_or_default()).map(Some),
        Some(Bson::RegularExpression(regex)) => {
            let own = regex.options.as_str();
            if options.is_some() && !own.is_empty() {
                return Err(invalid(format!("{name} has options both in its regex and beside it")));
            }
            Pattern::new(regex.pattern.as_str(), options.unwrap_or(own)).map(Some)
        }
        Some(_) => Err(invalid(format!("{name} needs a string or a regular expression as its regex"))),
    }
}

type Groups = [Option<(usize, usize)>];

/// `index` is the place of the match in characters.
fn found(input: &str, groups: &Groups, index: usize) -> Bson {
    let whole = groups.first().copied().flatten().unwrap_or_default();
    let captures = groups.iter().skip(1).map(|group| match group {
        Some((start, end)) => Bson::String(input[*start..*end].to_owned()),
        None => Bson::Null,
    });
    Bson::Document(doc! {
        "match": &input[whole.0..whole.1],
        "idx": index as i32,
        "captures": captures.collect::<Vec<_>>(),
    })
}

fn find_all(pattern: &Pattern, input: &str) -> Result<Value> {
    let mut all = Growing::default();
    let (mut start, mut counted, mut characters) = (0, 0, 0);
    while let Some(groups) = pattern.captures(input, start)? {
        let (from, to) = groups.first().copied().flatten().unwrap_or_default();
        characters += input[counted..from].chars().count();
        counted = from;
        all.push(found(input, &groups, characters))?;
        // An empty match moves on by a character.
        start = if from == to { to + input[to..].chars().next().map_or(1, char::len_utf8) } else { to };
        if start >= input.len() {
            break;
        }
    }
    Ok(all.into_value())
}

fn replace(name: &'static str, arguments: Vec<Option<Value>>) -> Result<Value> {
    let values: Vec<Value> = arguments.into_iter().map(Option::flatten).collect();
    for value in values.iter().filter(|value| !is_nullish(value)) {
        text(name, value)?;
    }
    if values.iter().any(is_nullish) {
        return NULL;
    }
    let (input, find, replacement) =
        (text(name, &values[0])?, text(name, &values[1])?, text(name, &values[2])?);
    if name == "$replaceOne" {
        return string(input.replacen(find, replacement, 1));
    }
    let count = if replacement.len() > find.len() { input.matches(find).count() } else { 0 };
    check_size(input.len() + count.saturating_mul(replacement.len()))?;
    string(input.replace(find, replacement))
}
