//! BSON to SQLite's five types and back.

use bson::spec::BinarySubtype;
use bson::{Binary, Bson, Document};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments, Column, Row, TypeInfo, ValueRef};
use tandem_contract::{Error, ErrorKind, Result};

use super::sql_error;

/// Adds a parameter; `at` counts from 0.
///
/// # Errors
/// `InvalidArgument` for a value that SQLite has no type for.
pub(super) fn bind(arguments: &mut SqliteArguments, at: usize, value: Bson) -> Result<()> {
    let added = match value {
        Bson::Null | Bson::Undefined => arguments.add(None::<i64>),
        Bson::Boolean(value) => arguments.add(i64::from(value)),
        Bson::Int32(value) => arguments.add(i64::from(value)),
        Bson::Int64(value) => arguments.add(value),
        Bson::Double(value) => arguments.add(value),
        Bson::String(value) => arguments.add(value),
        Bson::ObjectId(value) => arguments.add(value.to_hex()),
        Bson::Decimal128(value) => arguments.add(value.to_string()),
        Bson::DateTime(value) => {
            arguments.add(value.try_to_rfc3339_string().map_err(|_| refuse(at, "date"))?)
        }
        Bson::Binary(value) => arguments.add(value.bytes),
        Bson::Array(_) => return Err(refuse(at, "array")),
        Bson::Document(_) => return Err(refuse(at, "object")),
        _ => return Err(refuse(at, "value")),
    };
    added.map_err(Error::internal)
}

fn refuse(at: usize, what: &str) -> Error {
    Error::new(
        ErrorKind::InvalidArgument,
        format!("SQL: parameter {} is {what} that SQLite has no type for; pass text, such as JSON", at + 1),
    )
}

/// A row as a document, and about how many bytes it holds.
pub(super) fn document(row: &SqliteRow) -> Result<(Document, usize)> {
    let (mut document, mut bytes) = (Document::new(), 0);
    for column in row.columns() {
        let at = column.ordinal();
        let raw = row.try_get_raw(at).map_err(sql_error)?;
        let kind = if raw.is_null() { "NULL".to_owned() } else { raw.type_info().name().to_owned() };
        drop(raw);
        let value = match kind.as_str() {
            "NULL" => Bson::Null,
            "INTEGER" => integer(row.try_get_unchecked(at).map_err(sql_error)?),
            "REAL" => Bson::Double(row.try_get_unchecked(at).map_err(sql_error)?),
            "TEXT" => Bson::String(row.try_get_unchecked(at).map_err(sql_error)?),
            _ => {
                let bytes = row.try_get_unchecked(at).map_err(sql_error)?;
                Bson::Binary(Binary { subtype: BinarySubtype::Generic, bytes })
            }
        };
        bytes += column.name().len() + size(&value);
        document.insert(column.name(), value);
    }
    Ok((document, bytes))
}

fn integer(value: i64) -> Bson {
    i32::try_from(value).map_or(Bson::Int64(value), Bson::Int32)
}

fn size(value: &Bson) -> usize {
    const FIXED: usize = 16;
    match value {
        Bson::String(text) => FIXED + text.len(),
        Bson::Binary(binary) => FIXED + binary.bytes.len(),
        _ => FIXED,
    }
}
