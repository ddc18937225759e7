use bson::{Bson, DateTime, Timestamp};
use tandem_contract::Result;

use super::UpdateContext;
use super::arrays::{self, Pull, Push};
use super::numeric::{self, Bit};
use crate::compare::compare;
use crate::error::invalid;
use crate::number::Number;

/// What an update does to the value at one path.
#[derive(Clone, Debug)]
pub(super) enum Modifier {
    Set(Bson),
    SetOnInsert(Bson),
    Unset,
    Increment(Number),
    Multiply(Number),
    Min(Bson),
    Max(Bson),
    CurrentDate,
    CurrentTimestamp,
    Bit(Vec<Bit>),
    Push(Push),
    AddToSet(Vec<Bson>),
    Pull(Pull),
    Pop {
        first: bool,
    },
    /// Takes the value of the source with this number.
    Rename(usize),
}

/// What is at a path after a modifier.
pub(super) enum Effect {
    Value(Bson),
    Nothing,
}

const NAMES: [&str; 14] = [
    "$set",
    "$setOnInsert",
    "$unset",
    "$inc",
    "$mul",
    "$min",
    "$max",
    "$currentDate",
    "$bit",
    "$push",
    "$addToSet",
    "$pull",
    "$pullAll",
    "$pop",
];

impl Modifier {
    pub(super) fn parse(operator: &str, path: &str, operand: &Bson) -> Result<Self> {
        let number =
            || Number::of(operand).ok_or_else(|| invalid(format!("{operator} of \"{path}\" needs a number")));
        Ok(match operator {
            "$set" => Self::Set(operand.clone()),
            "$setOnInsert" => Self::SetOnInsert(operand.clone()),
            "$unset" => Self::Unset,
            "$inc" => Self::Increment(number()?),
            "$mul" => Self::Multiply(number()?),
            "$min" => Self::Min(operand.clone()),
            "$max" => Self::Max(operand.clone()),
            "$currentDate" => parse_current_date(path, operand)?,
            "$bit" => Self::Bit(Bit::parse(path, operand)?),
            "$push" => Self::Push(Push::parse(operand)?),
            "$addToSet" => Self::AddToSet(arrays::parse_add_to_set(operand)?),
            "$pull" => Self::Pull(Pull::parse(operand)?),
            "$pullAll" => Self::Pull(Pull::parse_all(operand)?),
            "$pop" => match number()?.to_exact_i64() {
                Some(1) => Self::Pop { first: false },
                Some(-1) => Self::Pop { first: true },
                _ => return Err(invalid(format!("$pop of \"{path}\" takes 1 or -1"))),
            },
            _ => return Err(unknown(operator)),
        })
    }

    pub(super) fn check_name(operator: &str) -> Result<()> {
        if NAMES.contains(&operator) || operator == "$rename" { Ok(()) } else { Err(unknown(operator)) }
    }

    /// Changes a value that is there.
    pub(super) fn change(&self, value: Bson, path: &str, context: &UpdateContext) -> Result<Effect> {
        Ok(Effect::Value(match self {
            Self::Set(new) => new.clone(),
            Self::SetOnInsert(new) if context.inserting => new.clone(),
            Self::SetOnInsert(_) | Self::Rename(_) => value,
            Self::Unset => return Ok(Effect::Nothing),
            Self::Increment(amount) => numeric::increment(&value, *amount, path)?,
            Self::Multiply(factor) => numeric::multiply(&value, *factor, path)?,
            Self::Min(new) if compare(new, &value).is_lt() => new.clone(),
            Self::Max(new) if compare(new, &value).is_gt() => new.clone(),
            Self::Min(_) | Self::Max(_) => value,
            Self::CurrentDate => Bson::DateTime(context.date()),
            Self::CurrentTimestamp => Bson::Timestamp(timestamp(context.date())),
            Self::Bit(bits) => numeric::bits(&value, bits, path)?,
            Self::Push(push) => Bson::Array(push.apply(array("$push", value, path)?)),
            Self::AddToSet(values) => {
                Bson::Array(arrays::add_to_set(array("$addToSet", value, path)?, values))
            }
            Self::Pull(pull) => Bson::Array(pull.apply(array("$pull", value, path)?)?),
            Self::Pop { first } => {
                let mut array = array("$pop", value, path)?;
                if *first && !array.is_empty() {
                    array.remove(0);
                } else {
                    array.pop();
                }
                Bson::Array(array)
            }
        }))
    }

    /// Whether the document counts as modified even when `value` stays as it is.
    pub(super) fn always_modifies(&self, value: &Bson) -> bool {
        match self {
            Self::Push(push) => push.always_modifies(),
            // It never equals what it was.
            Self::Increment(_) | Self::Multiply(_) => {
                matches!(value, Bson::Double(number) if number.is_nan())
            }
            _ => false,
        }
    }

    /// The value where there was none.
    pub(super) fn create(&self, context: &UpdateContext) -> Result<Effect> {
        Ok(Effect::Value(match self {
            Self::Set(new) | Self::Min(new) | Self::Max(new) => new.clone(),
            Self::SetOnInsert(new) if context.inserting => new.clone(),
            Self::SetOnInsert(_) | Self::Unset | Self::Rename(_) | Self::Pull(_) | Self::Pop { .. } => {
                return Ok(Effect::Nothing);
            }
            Self::Increment(amount) => amount.into_bson(),
            Self::Multiply(factor) => numeric::zero_like(*factor),
            Self::CurrentDate => Bson::DateTime(context.date()),
            Self::CurrentTimestamp => Bson::Timestamp(timestamp(context.date())),
            Self::Bit(bits) => numeric::bits(&Bson::Int32(0), bits, "")?,
            Self::Push(push) => Bson::Array(push.apply(Vec::new())),
            Self::AddToSet(values) => Bson::Array(arrays::add_to_set(Vec::new(), values)),
        }))
    }

    /// Whether a path that cannot exist is an error even though nothing would be made there.
    pub(super) fn needs_viable_path(&self, context: &UpdateContext) -> bool {
        match self {
            Self::Unset | Self::Rename(_) => false,
            Self::SetOnInsert(_) => context.inserting,
            _ => true,
        }
    }
}

fn unknown(operator: &str) -> tandem_contract::Error {
    invalid(format!("There is no update operator {operator}"))
}

fn array(operator: &str, value: Bson, path: &str) -> Result<Vec<Bson>> {
    match value {
        Bson::Array(array) => Ok(array),
        other => {
            let kind = crate::bson_type::type_name(&other);
            Err(invalid(format!("{operator} needs an array at \"{path}\", which holds {kind}")))
        }
    }
}

fn parse_current_date(path: &str, operand: &Bson) -> Result<Modifier> {
    let kind = match operand {
        Bson::Boolean(_) => Some("date"),
        Bson::Document(document) if document.len() == 1 => document.get_str("$type").ok(),
        _ => None,
    };
    match kind {
        Some("date") => Ok(Modifier::CurrentDate),
        Some("timestamp") => Ok(Modifier::CurrentTimestamp),
        _ => Err(invalid(format!(
            "$currentDate of \"{path}\" takes true, {{$type: \"date\"}} or {{$type: \"timestamp\"}}"
        ))),
    }
}

fn timestamp(date: DateTime) -> Timestamp {
    Timestamp { time: u32::try_from(date.timestamp_millis() / 1000).unwrap_or_default(), increment: 1 }
}
