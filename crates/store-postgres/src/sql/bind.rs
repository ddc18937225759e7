//! Parameters, each written as the type that the server expects at its place.

use bson::Bson;
use serde_json::{Number, Value};
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgTypeInfo, Postgres};
use sqlx::{Arguments, Encode, Type, TypeInfo};
use tandem_contract::{Error, ErrorKind, Result};

use super::numeric;
use super::value::EPOCH_MICROS;

/// Adds a parameter; `at` counts from 0.
///
/// # Errors
/// `InvalidArgument` for a value that the expected type does not hold.
pub(super) fn bind(
    arguments: &mut PgArguments,
    at: usize,
    value: &Bson,
    expected: &PgTypeInfo,
) -> Result<()> {
    let bytes = match value {
        Bson::Null | Bson::Undefined => None,
        value => Some(encode(value, expected.name()).ok_or_else(|| refuse(at, value, expected.name()))?),
    };
    arguments.add(Parameter { bytes, kind: expected.clone() }).map_err(Error::internal)
}

/// Bytes that are ready to be sent.
struct Parameter {
    bytes: Option<Vec<u8>>,
    kind: PgTypeInfo,
}

impl Type<Postgres> for Parameter {
    fn type_info() -> PgTypeInfo {
        <str as Type<Postgres>>::type_info()
    }

    fn compatible(_: &PgTypeInfo) -> bool {
        true
    }
}

impl Encode<'_, Postgres> for Parameter {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> std::result::Result<IsNull, BoxDynError> {
        match &self.bytes {
            None => Ok(IsNull::Yes),
            Some(bytes) => {
                buffer.extend_from_slice(bytes);
                Ok(IsNull::No)
            }
        }
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(self.kind.clone())
    }
}

/// The binary form of `value` as the type of that name; nothing when it has none.
fn encode(value: &Bson, kind: &str) -> Option<Vec<u8>> {
    if let Some(element) = kind.strip_suffix("[]") {
        return array(value.as_array()?, element);
    }
    Some(match kind {
        "BOOL" => vec![value.as_bool()?.into()],
        "INT2" => i16::try_from(whole(value)?).ok()?.to_be_bytes().into(),
        "INT4" => i32::try_from(whole(value)?).ok()?.to_be_bytes().into(),
        "INT8" => whole(value)?.to_be_bytes().into(),
        // Rounded to fewer digits, as the server does.
        "FLOAT4" => (number(value)? as f32).to_be_bytes().into(),
        "FLOAT8" => number(value)?.to_be_bytes().into(),
        "NUMERIC" => numeric::encode(&decimal(value)?)?,
        "BYTEA" => match value {
            Bson::Binary(binary) => binary.bytes.clone(),
            Bson::ObjectId(id) => id.bytes().into(),
            _ => return None,
        },
        "UUID" => uuid(value)?,
        "TIMESTAMPTZ" | "TIMESTAMP" => {
            (millis(value)?.checked_mul(1000)? - EPOCH_MICROS).to_be_bytes().into()
        }
        "DATE" => {
            const DAY: i64 = 86_400_000_000;
            let days = (millis(value)?.checked_mul(1000)? - EPOCH_MICROS).div_euclid(DAY);
            i32::try_from(days).ok()?.to_be_bytes().into()
        }
        "JSON" => json(value)?.into_bytes(),
        "JSONB" => [&[1], json(value)?.as_bytes()].concat(),
        "TEXT" | "VARCHAR" | "CHAR" | "NAME" | "UNKNOWN" | "\"CHAR\"" => text(value)?.into_bytes(),
        _ => return None,
    })
}

/// One dimension; elements of another array are refused.
fn array(elements: &[Bson], kind: &str) -> Option<Vec<u8>> {
    let oid = match kind {
        "BOOL" => 16_u32,
        "BYTEA" => 17,
        "INT8" => 20,
        "INT2" => 21,
        "INT4" => 23,
        "TEXT" => 25,
        "JSON" => 114,
        "FLOAT4" => 700,
        "FLOAT8" => 701,
        "VARCHAR" => 1043,
        "DATE" => 1082,
        "TIMESTAMP" => 1114,
        "TIMESTAMPTZ" => 1184,
        "NUMERIC" => 1700,
        "UUID" => 2950,
        "JSONB" => 3802,
        _ => return None,
    };
    let holes = elements.iter().any(|element| matches!(element, Bson::Null | Bson::Undefined));
    let dimensions = u32::from(!elements.is_empty());
    let mut out = Vec::new();
    for number in [dimensions, u32::from(holes), oid] {
        out.extend_from_slice(&number.to_be_bytes());
    }
    if dimensions == 1 {
        out.extend_from_slice(&u32::try_from(elements.len()).ok()?.to_be_bytes());
        out.extend_from_slice(&1_u32.to_be_bytes());
    }
    for element in elements {
        match element {
            Bson::Null | Bson::Undefined => out.extend_from_slice(&(-1_i32).to_be_bytes()),
            element => {
                let bytes = encode(element, kind)?;
                out.extend_from_slice(&i32::try_from(bytes.len()).ok()?.to_be_bytes());
                out.extend_from_slice(&bytes);
            }
        }
    }
    Some(out)
}

fn whole(value: &Bson) -> Option<i64> {
    /// 2^63, the first double above every 64-bit number.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    match value {
        Bson::Int32(value) => Some((*value).into()),
        Bson::Int64(value) => Some(*value),
        Bson::Double(value) if value.fract() == 0.0 && value.abs() < LIMIT => Some(*value as i64),
        Bson::Decimal128(value) => value.to_string().parse().ok(),
        _ => None,
    }
}

fn number(value: &Bson) -> Option<f64> {
    match value {
        Bson::Int32(value) => Some((*value).into()),
        // A double is what the place holds.
        Bson::Int64(value) => Some(*value as f64),
        Bson::Double(value) => Some(*value),
        Bson::Decimal128(value) => value.to_string().parse().ok(),
        _ => None,
    }
}

fn decimal(value: &Bson) -> Option<String> {
    match value {
        Bson::Double(value) if value.is_nan() => Some("NaN".to_owned()),
        Bson::Double(value) if value.is_infinite() => {
            Some(if *value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned())
        }
        Bson::Double(value) => Some(value.to_string()),
        Bson::Int32(_) | Bson::Int64(_) | Bson::Decimal128(_) => Some(value.to_string()),
        _ => None,
    }
}

fn millis(value: &Bson) -> Option<i64> {
    match value {
        Bson::DateTime(date) => Some(date.timestamp_millis()),
        Bson::String(text) => {
            bson::DateTime::parse_rfc3339_str(text).ok().map(|date| date.timestamp_millis())
        }
        _ => None,
    }
}

fn uuid(value: &Bson) -> Option<Vec<u8>> {
    let text = value.as_str()?;
    Some(bson::Uuid::parse_str(text).ok()?.bytes().into())
}

/// Where the server leaves the type open it takes text.
fn text(value: &Bson) -> Option<String> {
    let text = match value {
        Bson::String(text) | Bson::Symbol(text) => text.clone(),
        Bson::ObjectId(id) => id.to_hex(),
        Bson::DateTime(date) => date.try_to_rfc3339_string().ok()?,
        Bson::Boolean(_) | Bson::Int32(_) | Bson::Int64(_) | Bson::Double(_) | Bson::Decimal128(_) => {
            value.to_string()
        }
        Bson::Document(_) | Bson::Array(_) => json(value)?,
        _ => return None,
    };
    (!text.contains('\0')).then_some(text)
}

fn json(value: &Bson) -> Option<String> {
    let text = to_json(value)?.to_string();
    // Postgres' JSON has no NUL.
    (!text.contains("\\u0000")).then_some(text)
}

/// Ids and dates become the texts that JavaScript gives them; nothing for what JSON lacks.
fn to_json(value: &Bson) -> Option<Value> {
    Some(match value {
        Bson::Null | Bson::Undefined => Value::Null,
        Bson::Boolean(value) => Value::from(*value),
        Bson::Int32(value) => Value::from(*value),
        Bson::Int64(value) => Value::from(*value),
        Bson::Double(value) => Value::Number(Number::from_f64(*value)?),
        Bson::String(_) | Bson::Symbol(_) | Bson::ObjectId(_) | Bson::DateTime(_) | Bson::Decimal128(_) => {
            Value::String(text(value)?)
        }
        Bson::Array(items) => Value::Array(items.iter().map(to_json).collect::<Option<_>>()?),
        Bson::Document(fields) => {
            let field = |(name, value): (&String, &Bson)| Some((name.clone(), to_json(value)?));
            Value::Object(fields.iter().map(field).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

fn refuse(at: usize, value: &Bson, expected: &str) -> Error {
    let what = match value {
        Bson::Array(_) => "an array".to_owned(),
        Bson::Document(_) => "an object".to_owned(),
        value => format!("a value of type {:?}", value.element_type()),
    };
    Error::new(
        ErrorKind::InvalidArgument,
        format!(
            "SQL: parameter {} is {what} and does not fit the type {expected} that the statement expects there",
            at + 1
        ),
    )
}
