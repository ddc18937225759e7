use std::fmt;

use bson::oid::ObjectId;
use bson::raw::CString;
use bson::spec::BinarySubtype;
use bson::{Binary, Bson, DateTime, Document, JavaScriptCodeWithScope, Regex, Timestamp};
use bytes::Bytes;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use tandem_contract::{Error, ErrorKind, Result};

use super::TAG;
use super::surrogates::replace_lone_surrogates;

/// How deep a request may nest: the 100 levels that MongoDB allows a document, and those of the
/// request around it. Scripts refuse with the path before this does.
const DEEPEST: usize = 120;

/// Reads the request of an operation.
///
/// # Errors
/// `InvalidArgument` when the text is not an object in the form described in [`super`].
pub(crate) fn parse(text: &str, bytes: Option<&Bytes>) -> Result<Document> {
    match parse_value(text, bytes) {
        Ok(Bson::Document(document)) => Ok(document),
        Ok(_) => Err(malformed("the request is not an object")),
        // JavaScript strings may hold half of a surrogate pair, which UTF-8 cannot; drivers send
        // the replacement character instead.
        Err(error) => match replace_lone_surrogates(text) {
            Some(repaired) => parse(&repaired, bytes),
            None => Err(malformed(without_place(&error))),
        },
    }
}

fn malformed(reason: impl fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("A document cannot be read: {reason}"))
}

/// What is wrong, but not where: functions do not see the text of their requests.
fn without_place(error: &serde_json::Error) -> String {
    let place = format!(" at line {} column {}", error.line(), error.column());
    let text = error.to_string();
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}

pub(super) fn parse_value(text: &str, bytes: Option<&Bytes>) -> serde_json::Result<Bson> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Value { bytes, depth: 0 }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// Reads one value that is `depth` levels down.
#[derive(Clone, Copy)]
struct Value<'a> {
    bytes: Option<&'a Bytes>,
    depth: usize,
}

impl Value<'_> {
    fn deeper<E: serde::de::Error>(self) -> std::result::Result<Self, E> {
        if self.depth >= DEEPEST {
            return Err(E::custom("it is nested too deeply"));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = Bson;

    fn deserialize<D: serde::Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> std::result::Result<Bson, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = Bson;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> std::result::Result<Bson, E> {
        Ok(Bson::Null)
    }

    fn visit_bool<E>(self, value: bool) -> std::result::Result<Bson, E> {
        Ok(Bson::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> std::result::Result<Bson, E> {
        Ok(i32::try_from(value).map_or(Bson::Double(value as f64), Bson::Int32))
    }

    fn visit_u64<E>(self, value: u64) -> std::result::Result<Bson, E> {
        Ok(i32::try_from(value).map_or(Bson::Double(value as f64), Bson::Int32))
    }

    fn visit_f64<E>(self, value: f64) -> std::result::Result<Bson, E> {
        Ok(Bson::Double(value))
    }

    fn visit_str<E>(self, value: &str) -> std::result::Result<Bson, E> {
        Ok(Bson::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> std::result::Result<Bson, E> {
        Ok(Bson::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> std::result::Result<Bson, A::Error> {
        let inner = self.deeper()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            array.push(item);
        }
        Ok(Bson::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> std::result::Result<Bson, A::Error> {
        let inner = self.deeper()?;
        let mut document = Document::new();
        while let Some(name) = fields.next_key::<String>()? {
            if name == TAG && document.is_empty() {
                return Tagged::read(inner, fields)?.into_bson(self.bytes).map_err(A::Error::custom);
            }
            if name.contains('\0') {
                return Err(A::Error::custom("a field's name contains a NUL character"));
            }
            document.insert(name, fields.next_value_seed(inner)?);
        }
        Ok(Bson::Document(document))
    }
}

/// The parts of a tagged object; which ones there are depends on the tag.
struct Tagged {
    tag: String,
    value: Bson,
    options: String,
    scope: Bson,
    numbers: Numbers,
}

/// The small integers of a tagged object.
#[derive(Default)]
struct Numbers {
    subtype: u8,
    at: usize,
    length: usize,
    time: u32,
    increment: u32,
}

impl Tagged {
    fn read<'de, A: MapAccess<'de>>(inner: Value<'_>, mut fields: A) -> std::result::Result<Self, A::Error> {
        let mut tagged = Self {
            tag: fields.next_value()?,
            value: Bson::Null,
            options: String::new(),
            scope: Bson::Null,
            numbers: Numbers::default(),
        };
        while let Some(name) = fields.next_key::<String>()? {
            match name.as_str() {
                "v" => tagged.value = fields.next_value_seed(inner)?,
                "o" => tagged.options = fields.next_value()?,
                "scope" => tagged.scope = fields.next_value_seed(inner)?,
                "s" => tagged.numbers.subtype = fields.next_value()?,
                "at" => tagged.numbers.at = fields.next_value()?,
                "len" => tagged.numbers.length = fields.next_value()?,
                "t" => tagged.numbers.time = fields.next_value()?,
                "i" => tagged.numbers.increment = fields.next_value()?,
                _ => return Err(A::Error::custom(format!("a value of type {} has no {name:?}", tagged.tag))),
            }
        }
        Ok(tagged)
    }

    fn into_bson(self, bytes: Option<&Bytes>) -> std::result::Result<Bson, String> {
        Ok(match self.tag.as_str() {
            "oid" => Bson::ObjectId(ObjectId::parse_str(self.text()?).map_err(|e| e.to_string())?),
            "date" => Bson::DateTime(DateTime::from_millis(self.milliseconds()?)),
            "double" => Bson::Double(self.parsed()?),
            "long" => Bson::Int64(self.parsed()?),
            "decimal" => Bson::Decimal128(self.parsed()?),
            "bin" => Bson::Binary(self.binary(bytes)?),
            "regex" => Bson::RegularExpression(Regex {
                pattern: c_string(self.text()?)?,
                options: c_string(&sorted(&self.options))?,
            }),
            "ts" => Bson::Timestamp(Timestamp { time: self.numbers.time, increment: self.numbers.increment }),
            "code" => self.code()?,
            "map" => Bson::Document(self.map()?),
            "min" => Bson::MinKey,
            "max" => Bson::MaxKey,
            "undefined" => Bson::Undefined,
            other => return Err(format!("no type is called {other:?}")),
        })
    }

    fn text(&self) -> std::result::Result<&str, String> {
        self.value.as_str().ok_or_else(|| format!("a value of type {} has no text", self.tag))
    }

    fn parsed<T: std::str::FromStr>(&self) -> std::result::Result<T, String> {
        let text = self.text()?;
        text.parse().map_err(|_| format!("{text:?} is not a value of type {}", self.tag))
    }

    fn milliseconds(&self) -> std::result::Result<i64, String> {
        match self.value {
            Bson::Int32(value) => Ok(value.into()),
            // JavaScript's dates end at 8.64e15, far below what a double holds exactly.
            Bson::Double(value) if value.fract() == 0.0 && value.abs() <= 8.64e15 => Ok(value as i64),
            Bson::String(ref text) => text.parse().map_err(|_| format!("{text:?} is not a date")),
            _ => Err("a date is not a whole number of milliseconds".to_owned()),
        }
    }

    fn binary(&self, bytes: Option<&Bytes>) -> std::result::Result<Binary, String> {
        let subtype = BinarySubtype::from(self.numbers.subtype);
        let all = match (&self.value, bytes) {
            (Bson::String(text), _) => return decode_base64(text).map(|bytes| Binary { subtype, bytes }),
            (_, Some(bytes)) => bytes,
            (_, None) => return Err("bytes are missing".to_owned()),
        };
        let end = self.numbers.at.checked_add(self.numbers.length).filter(|end| *end <= all.len());
        let end = end.ok_or("bytes are out of range")?;
        Ok(Binary { subtype, bytes: all[self.numbers.at..end].to_vec() })
    }

    fn code(self) -> std::result::Result<Bson, String> {
        let Bson::String(code) = self.value else { return Err("code has no text".to_owned()) };
        match self.scope {
            Bson::Null => Ok(Bson::JavaScriptCode(code)),
            Bson::Document(scope) => {
                Ok(Bson::JavaScriptCodeWithScope(JavaScriptCodeWithScope { code, scope }))
            }
            _ => Err("the scope of code is not a document".to_owned()),
        }
    }

    fn map(self) -> std::result::Result<Document, String> {
        let Bson::Array(pairs) = self.value else { return Err("a map has no pairs".to_owned()) };
        let mut document = Document::new();
        for pair in pairs {
            match pair {
                Bson::Array(pair) => match <[Bson; 2]>::try_from(pair) {
                    Ok([Bson::String(name), value]) if !name.contains('\0') => document.insert(name, value),
                    _ => return Err("a map has a key that is not a string without NUL".to_owned()),
                },
                _ => return Err("a map has something else than pairs".to_owned()),
            };
        }
        Ok(document)
    }
}

fn decode_base64(text: &str) -> std::result::Result<Vec<u8>, String> {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.decode(text).map_err(|error| error.to_string())
}

fn c_string(text: &str) -> std::result::Result<CString, String> {
    CString::try_from(text).map_err(|_| "a regular expression contains a NUL character".to_owned())
}

/// BSON wants the options of a regular expression in alphabetical order.
fn sorted(options: &str) -> String {
    let mut options: Vec<char> = options.chars().collect();
    options.sort_unstable();
    options.into_iter().collect()
}
