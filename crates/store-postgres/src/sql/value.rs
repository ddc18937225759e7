//! Rows as documents: Postgres' binary forms as BSON.

use bson::spec::BinarySubtype;
use bson::{Binary, Bson, DateTime, Document};
use sqlx::postgres::{PgRow, PgValueFormat};
use sqlx::{Column, Row, TypeInfo, ValueRef};
use tandem_contract::{Error, ErrorKind, Result};

use super::{numeric, sql_error};

/// From 1970-01-01 to 2000-01-01, where Postgres begins to count, in microseconds.
pub(super) const EPOCH_MICROS: i64 = 946_684_800_000_000;
const DAY_MILLIS: i64 = 86_400_000;

/// A row as a document, and about how many bytes it holds.
///
/// # Errors
/// `NotSupported` for a column of a type that has no place in a document, with what to do.
pub(super) fn document(row: &PgRow) -> Result<(Document, usize)> {
    const FIXED: usize = 16;
    let (mut document, mut size) = (Document::new(), 0);
    for column in row.columns() {
        let raw = row.try_get_raw(column.ordinal()).map_err(sql_error)?;
        let kind = raw.type_info();
        let kind = kind.name();
        let value = if raw.is_null() || kind == "VOID" {
            Bson::Null
        } else if raw.format() == PgValueFormat::Text {
            Bson::String(raw.as_str().map_err(Error::internal)?.to_owned())
        } else {
            let bytes = raw.as_bytes().map_err(Error::internal)?;
            size += bytes.len();
            decode(bytes, kind).ok_or_else(|| unknown(column.name(), kind))?
        };
        size += FIXED + column.name().len();
        document.insert(column.name(), value);
    }
    Ok((document, size))
}

fn unknown(column: &str, kind: &str) -> Error {
    Error::new(
        ErrorKind::NotSupported,
        format!("NOT_SUPPORTED: the type {kind} of column {column:?} on postgres: cast it to text"),
    )
}

fn decode(bytes: &[u8], kind: &str) -> Option<Bson> {
    if let Some(element) = kind.strip_suffix("[]") {
        return array(bytes, element);
    }
    Some(match kind {
        "BOOL" => Bson::Boolean(*bytes.first()? != 0),
        "INT2" => Bson::Int32(i16::from_be_bytes(bytes.try_into().ok()?).into()),
        "INT4" => Bson::Int32(i32::from_be_bytes(bytes.try_into().ok()?)),
        "INT8" => {
            let number = i64::from_be_bytes(bytes.try_into().ok()?);
            i32::try_from(number).map_or(Bson::Int64(number), Bson::Int32)
        }
        "OID" => Bson::Int64(u32::from_be_bytes(bytes.try_into().ok()?).into()),
        "FLOAT4" => Bson::Double(f32::from_be_bytes(bytes.try_into().ok()?).into()),
        "FLOAT8" => Bson::Double(f64::from_be_bytes(bytes.try_into().ok()?)),
        "NUMERIC" => {
            let text = numeric::decode(bytes)?;
            // More than 34 digits stay text, whole.
            text.parse().map_or_else(|_| Bson::String(text.clone()), Bson::Decimal128)
        }
        "TEXT" | "VARCHAR" | "CHAR" | "NAME" | "UNKNOWN" | "\"CHAR\"" | "CITEXT" | "XML" => {
            Bson::String(std::str::from_utf8(bytes).ok()?.to_owned())
        }
        "BYTEA" => Bson::Binary(Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() }),
        "UUID" => Bson::String(bson::Uuid::from_bytes(bytes.try_into().ok()?).to_string()),
        "TIMESTAMPTZ" | "TIMESTAMP" => {
            let micros = i64::from_be_bytes(bytes.try_into().ok()?);
            match micros {
                i64::MAX => Bson::DateTime(DateTime::MAX),
                i64::MIN => Bson::DateTime(DateTime::MIN),
                _ => Bson::DateTime(DateTime::from_millis(micros.div_euclid(1000) + EPOCH_MICROS / 1000)),
            }
        }
        "DATE" => {
            let days = i64::from(i32::from_be_bytes(bytes.try_into().ok()?));
            Bson::DateTime(DateTime::from_millis(days * DAY_MILLIS + EPOCH_MICROS / 1000))
        }
        "JSON" => json(bytes)?,
        "JSONB" => json(bytes.get(1..)?)?,
        _ => return None,
    })
}

fn json(bytes: &[u8]) -> Option<Bson> {
    let value: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    Some(from_json(value))
}

fn from_json(value: serde_json::Value) -> Bson {
    match value {
        serde_json::Value::Null => Bson::Null,
        serde_json::Value::Bool(value) => Bson::Boolean(value),
        serde_json::Value::String(text) => Bson::String(text),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(whole) => i32::try_from(whole).map_or(Bson::Int64(whole), Bson::Int32),
            None => Bson::Double(number.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::Array(items) => Bson::Array(items.into_iter().map(from_json).collect()),
        serde_json::Value::Object(fields) => {
            Bson::Document(fields.into_iter().map(|(name, value)| (name, from_json(value))).collect())
        }
    }
}

/// One dimension; nothing for more.
fn array(bytes: &[u8], kind: &str) -> Option<Bson> {
    let mut rest = bytes;
    let mut number = || {
        let (number, after) = rest.split_first_chunk::<4>()?;
        rest = after;
        Some(i32::from_be_bytes(*number))
    };
    let (dimensions, _holes, _oid) = (number()?, number()?, number()?);
    if dimensions == 0 {
        return Some(Bson::Array(Vec::new()));
    }
    let (count, _first) = (number()?, number()?);
    if dimensions != 1 {
        return None;
    }
    let mut elements = Vec::new();
    for _ in 0..count {
        let (length, after) = rest.split_first_chunk::<4>()?;
        rest = after;
        let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
            elements.push(Bson::Null);
            continue;
        };
        elements.push(decode(rest.get(..length)?, kind)?);
        rest = rest.get(length..)?;
    }
    Some(Bson::Array(elements))
}
