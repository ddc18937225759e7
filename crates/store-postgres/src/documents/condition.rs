//! Conditions on the JSONB of documents: what the server leaves out without sending it. Each lets
//! every document through that can match, so that the filter, which looks at all that comes, has
//! the last word.

use bson::Bson;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgTypeInfo, Postgres};
use sqlx::{Encode, Type};
use tandem_documents::{Predicate, Test};

use super::json::{DATE, NUMBER, OBJECT_ID, TEXT, number, write_text};

/// A predicate on JSONB in SQL's path language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct JsonPath(String);

/// The conditions of `predicates` that JSONB shows, together, and which of them they are.
pub(super) fn condition<'p>(
    predicates: impl Iterator<Item = &'p Predicate>,
) -> (Option<JsonPath>, Vec<&'p Predicate>) {
    /// Longer lists cost the server more than they leave out.
    const LONGEST: usize = 16 << 10;
    let (mut texts, mut used) = (Vec::new(), Vec::new());
    for predicate in predicates {
        if let Some(text) = of_predicate(predicate).filter(|text| text.len() < LONGEST) {
            texts.push(text);
            used.push(predicate);
        }
    }
    ((!texts.is_empty()).then(|| JsonPath(texts.join(" && "))), used)
}

/// Lax paths look into arrays, one level at each step, as filters do.
fn of_predicate(predicate: &Predicate) -> Option<String> {
    let mut path = "$".to_owned();
    for part in predicate.path.split('.') {
        path.push('.');
        write_text(part, &mut path)?;
    }
    let test = match &predicate.test {
        Test::Exists => return Some(format!("exists({path})")),
        Test::Eq(value) => equal(value)?,
        Test::In(values) if values.is_empty() => return None,
        Test::In(values) => values.iter().map(equal).collect::<Option<Vec<_>>>()?.join(" || "),
        Test::Range { lower, upper } => range(lower.as_ref(), upper.as_ref())?,
    };
    Some(format!("exists({path} ? ({test}))"))
}

fn equal(value: &Bson) -> Option<String> {
    match value {
        // Numbers that JSON does not show exactly have to be looked at.
        Bson::Int32(_) | Bson::Int64(_) | Bson::Double(_) => {
            Some(format!("@ == {} || exists(@.\"{NUMBER}\")", number(value)?))
        }
        _ => {
            let (field, operand) = operand(value)?;
            Some(format!("@{field} == {operand}"))
        }
    }
}

fn range(lower: Option<&(Bson, bool)>, upper: Option<&(Bson, bool)>) -> Option<String> {
    let kind = |bound: Option<&(Bson, bool)>| bound.map(|(value, _)| std::mem::discriminant(value));
    let lower = lower.filter(|(value, _)| *value != Bson::Double(f64::NEG_INFINITY));
    // Texts end where documents begin.
    let upper = upper
        .filter(|(value, _)| !matches!(value, Bson::Document(_)) && *value != Bson::Double(f64::INFINITY));
    let example = lower.or(upper).map(|(value, _)| value)?;
    let beside = match example {
        Bson::Int32(_) | Bson::Int64(_) | Bson::Double(_) => format!(" || exists(@.\"{NUMBER}\")"),
        Bson::String(_) => format!(" || exists(@.\"{TEXT}\")"),
        Bson::DateTime(_) | Bson::ObjectId(_) => String::new(),
        _ => return None,
    };
    let is_number = |value: &Bson| matches!(value, Bson::Int32(_) | Bson::Int64(_) | Bson::Double(_));
    if let (Some((low, _)), Some((high, _))) = (lower, upper)
        && kind(lower) != kind(upper)
        && !(is_number(low) && is_number(high))
    {
        return None;
    }
    let bound = |bound: Option<&(Bson, bool)>, strict: &str, loose: &str| match bound {
        None => Some(None),
        Some((value, inclusive)) => {
            let (field, operand) = operand(value)?;
            Some(Some(format!("@{field} {} {operand}", if *inclusive { loose } else { strict })))
        }
    };
    let bounds = [bound(lower, ">", ">=")?, bound(upper, "<", "<=")?];
    Some(format!("({}){beside}", bounds.into_iter().flatten().collect::<Vec<_>>().join(" && ")))
}

/// Where the value is, beside the item itself, and how it is written there.
fn operand(value: &Bson) -> Option<(String, String)> {
    let mut text = String::new();
    match value {
        Bson::Int32(_) | Bson::Int64(_) | Bson::Double(_) => Some((String::new(), number(value)?)),
        Bson::Boolean(value) => Some((String::new(), value.to_string())),
        Bson::String(value) => {
            write_text(value, &mut text)?;
            Some((String::new(), text))
        }
        Bson::ObjectId(id) => Some((format!(".\"{OBJECT_ID}\""), format!("\"{}\"", id.to_hex()))),
        Bson::DateTime(date) => Some((format!(".\"{DATE}\""), date.timestamp_millis().to_string())),
        _ => None,
    }
}

impl Type<Postgres> for JsonPath {
    fn type_info() -> PgTypeInfo {
        /// `jsonpath` in `pg_type.dat`; numbers of built-in types never change.
        const JSONPATH: u32 = 4072;
        PgTypeInfo::with_oid(Oid(JSONPATH))
    }
}

impl Encode<'_, Postgres> for JsonPath {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        /// The only version of the binary form; the text follows it.
        const VERSION: u8 = 1;
        buffer.push(VERSION);
        buffer.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }
}
