use std::collections::BTreeMap;

use bson::{Bson, Document};
use tandem_contract::Result;

use super::ranking::{Ranking, Selection};
use super::statistics::{Average, Deviation};
use crate::compare::{GroupKey, compare, group_key};
use crate::depth::check_size;
use crate::error::{invalid, not_supported};
use crate::expression::{Expression, Names, Scope, Summation, Value, is_nullish, type_name};
use crate::number::Number;

/// What a group computes for a field.
#[derive(Clone, Debug)]
pub(super) struct Accumulator {
    kind: Kind,
    input: Expression,
}

#[derive(Clone, Debug)]
enum Kind {
    Sum,
    Average,
    Min,
    Max,
    First,
    Last,
    Push,
    AddToSet,
    MergeObjects,
    DeviationPopulation,
    DeviationSample,
    Ranking(Selection),
}

/// What an accumulator has gathered.
pub(super) enum State {
    Sum(Summation),
    Average(Average),
    Extreme(Option<Bson>),
    First(Option<Value>),
    Last(Value),
    Push(Vec<Bson>, usize),
    Set(BTreeMap<GroupKey, usize>, Vec<Bson>, usize),
    Merge(Document),
    Deviation(Deviation, bool),
    Ranking(Ranking),
}

impl Accumulator {
    /// Parses `{$sum: expression}`.
    pub(super) fn parse(field: &str, accumulator: &Bson, names: &Names) -> Result<Self> {
        let wrong = || invalid(format!("The field \"{field}\" of a group needs one accumulator"));
        let accumulator = accumulator.as_document().filter(|fields| fields.len() == 1).ok_or_else(wrong)?;
        let (name, operand) = accumulator.iter().next().ok_or_else(wrong)?;
        let kind = match name.as_str() {
            "$sum" => Kind::Sum,
            "$avg" => Kind::Average,
            "$min" => Kind::Min,
            "$max" => Kind::Max,
            "$first" => Kind::First,
            "$last" => Kind::Last,
            "$push" => Kind::Push,
            "$addToSet" => Kind::AddToSet,
            "$mergeObjects" => Kind::MergeObjects,
            "$stdDevPop" => Kind::DeviationPopulation,
            "$stdDevSamp" => Kind::DeviationSample,
            "$count" => {
                return match operand {
                    Bson::Document(nothing) if nothing.is_empty() => {
                        Ok(Self { kind: Kind::Sum, input: Expression::Literal(Bson::Int32(1)) })
                    }
                    _ => Err(invalid("$count takes an empty document")),
                };
            }
            "$accumulator" | "$function" => return Err(not_supported(name)),
            _ => {
                let (selection, input) = Selection::parse(name, operand, names)?;
                return Ok(Self { kind: Kind::Ranking(selection), input });
            }
        };
        if matches!(operand, Bson::Array(_)) {
            return Err(invalid(format!("{name} in a group takes one expression, not an array of them")));
        }
        Ok(Self { kind, input: Expression::parse(operand, names)? })
    }

    /// Whether it counts documents: a sum of ones.
    pub(super) fn is_count(&self) -> bool {
        matches!((&self.kind, &self.input), (Kind::Sum, Expression::Literal(Bson::Int32(1))))
    }

    /// The state of a new group, whose `_id` the scope is about.
    pub(super) fn open(&self, scope: &Scope<'_>) -> Result<State> {
        Ok(match &self.kind {
            Kind::Sum => State::Sum(Summation::default()),
            Kind::Average => State::Average(Average::default()),
            Kind::Min | Kind::Max => State::Extreme(None),
            Kind::First => State::First(None),
            Kind::Last => State::Last(None),
            Kind::Push => State::Push(Vec::new(), 0),
            Kind::AddToSet => State::Set(BTreeMap::new(), Vec::new(), 0),
            Kind::MergeObjects => State::Merge(Document::new()),
            Kind::DeviationPopulation => State::Deviation(Deviation::default(), false),
            Kind::DeviationSample => State::Deviation(Deviation::default(), true),
            Kind::Ranking(selection) => State::Ranking(selection.open(scope)?),
        })
    }

    /// Takes a document in.
    pub(super) fn add(&self, state: &mut State, scope: &Scope<'_>) -> Result<()> {
        let value = self.input.evaluate(scope)?;
        match state {
            State::Sum(sum) => numbers(&value, |number| sum.add(number)),
            State::Average(average) => numbers(&value, |number| average.add(number)),
            State::Deviation(deviation, _) => numbers(&value, |number| deviation.add(number)),
            State::Extreme(best) => {
                if let Some(value) = value.filter(|value| !matches!(value, Bson::Null | Bson::Undefined)) {
                    let wanted = if matches!(self.kind, Kind::Min) { -1 } else { 1 };
                    let better = best.as_ref().is_none_or(|best| compare(&value, best) as i32 == wanted);
                    if better {
                        *best = Some(value);
                    }
                }
            }
            State::First(first) => {
                first.get_or_insert(value);
            }
            State::Last(last) => *last = value,
            State::Push(values, size) => {
                if let Some(value) = value {
                    grow(size, &value)?;
                    values.push(value);
                }
            }
            State::Set(known, values, size) => {
                if let Some(value) = value
                    && known.insert(group_key(&value), values.len()).is_none()
                {
                    grow(size, &value)?;
                    values.push(value);
                }
            }
            State::Merge(merged) => match value {
                Some(Bson::Document(document)) => merged.extend(document),
                value if is_nullish(&value) => {}
                value => {
                    return Err(invalid(format!("$mergeObjects needs documents, not {}", type_name(&value))));
                }
            },
            State::Ranking(ranking) => ranking.add(value, scope)?,
        }
        Ok(())
    }
}

impl State {
    pub(super) fn result(self) -> Bson {
        match self {
            Self::Sum(sum) => sum.result(),
            Self::Average(average) => average.result(),
            Self::Deviation(deviation, sample) => deviation.result(sample),
            Self::Extreme(best) => best.unwrap_or(Bson::Null),
            Self::First(first) => first.flatten().unwrap_or(Bson::Null),
            Self::Last(last) => last.unwrap_or(Bson::Null),
            Self::Push(values, _) | Self::Set(_, values, _) => Bson::Array(values),
            Self::Merge(merged) => Bson::Document(merged),
            Self::Ranking(ranking) => ranking.result(),
        }
    }
}

fn numbers(value: &Value, add: impl FnOnce(Number)) {
    if let Some(number) = value.as_ref().and_then(Number::of) {
        add(number);
    }
}

/// Refuses an array that no document could hold before it is gathered.
fn grow(size: &mut usize, value: &Bson) -> Result<()> {
    *size = size.saturating_add(crate::depth::value_size(value) + 3);
    check_size(*size)
}

/// How many values `$firstN` and its like keep.
pub(crate) fn positive_count(name: &str, count: &Value) -> Result<usize> {
    let number = count.as_ref().and_then(Number::of).and_then(Number::to_exact_i64);
    let number = number.and_then(|number| usize::try_from(number).ok()).filter(|number| *number > 0);
    number.ok_or_else(|| invalid(format!("{name} needs a positive whole number as \"n\"")))
}
