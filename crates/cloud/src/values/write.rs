use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bson::{Binary, Bson, Document};
use serde::Serialize;
use tandem_contract::{Error, ErrorKind, Result};

use super::LARGEST_SAFE;

/// Documents nest this deep at most on their way out. Deeper ones come from no function.
const DEEPEST: usize = 250;

/// Writes values as JSON text in the form described in [`super`].
#[derive(Default)]
pub(super) struct JsonWriter {
    pub(super) text: Vec<u8>,
    /// Whether something tagged was written since this was last reset.
    pub(super) tagged: bool,
}

impl JsonWriter {
    pub(super) fn value(&mut self, value: &Bson, depth: usize) -> Result<()> {
        match value {
            Bson::Null => self.raw("null"),
            Bson::Boolean(value) => self.raw(if *value { "true" } else { "false" }),
            Bson::String(text) | Bson::Symbol(text) => self.json(text)?,
            Bson::Int32(number) => self.json(number)?,
            Bson::Int64(number) => self.long(*number)?,
            Bson::Double(number) => self.double(*number)?,
            Bson::Document(document) => self.document(document, depth)?,
            Bson::Array(items) => self.array(items, depth)?,
            Bson::ObjectId(id) => self.tagged_text("oid", &id.to_hex())?,
            Bson::DateTime(date) => self.date(date.timestamp_millis())?,
            Bson::Decimal128(number) => self.tagged_text("decimal", &number.to_string())?,
            Bson::Binary(binary) => self.binary(binary)?,
            Bson::RegularExpression(regex) => {
                self.open("regex");
                self.field("v", regex.pattern.as_str())?;
                self.field("o", regex.options.as_str())?;
                self.raw("}");
            }
            Bson::Timestamp(timestamp) => {
                self.open("ts");
                self.field("t", &timestamp.time)?;
                self.field("i", &timestamp.increment)?;
                self.raw("}");
            }
            Bson::JavaScriptCode(code) => self.tagged_text("code", code)?,
            Bson::JavaScriptCodeWithScope(code) => {
                self.open("code");
                self.field("v", &code.code)?;
                self.raw(",\"scope\":");
                self.document(&code.scope, depth)?;
                self.raw("}");
            }
            Bson::MinKey => self.bare("min"),
            Bson::MaxKey => self.bare("max"),
            Bson::Undefined => self.bare("undefined"),
            Bson::DbPointer(_) => {
                return Err(Error::new(
                    ErrorKind::NotSupported,
                    "A document holds a DBPointer, which functions cannot read",
                ));
            }
        }
        Ok(())
    }

    pub(super) fn document(&mut self, document: &Document, depth: usize) -> Result<()> {
        self.check_depth(depth)?;
        self.raw("{");
        for (index, (name, value)) in document.iter().enumerate() {
            if index > 0 {
                self.raw(",");
            }
            self.json(name)?;
            self.raw(":");
            self.value(value, depth + 1)?;
        }
        self.raw("}");
        Ok(())
    }

    pub(super) fn raw(&mut self, text: &str) {
        self.text.extend_from_slice(text.as_bytes());
    }

    pub(super) fn json<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        serde_json::to_writer(&mut self.text, value).map_err(Error::internal)
    }

    fn array(&mut self, items: &[Bson], depth: usize) -> Result<()> {
        self.check_depth(depth)?;
        self.raw("[");
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.raw(",");
            }
            self.value(item, depth + 1)?;
        }
        self.raw("]");
        Ok(())
    }

    fn long(&mut self, number: i64) -> Result<()> {
        if number.unsigned_abs() <= LARGEST_SAFE {
            self.json(&number)
        } else {
            self.tagged_text("long", &number.to_string())
        }
    }

    fn double(&mut self, number: f64) -> Result<()> {
        if number.is_nan() {
            self.tagged_text("double", "NaN")
        } else if number.is_infinite() {
            self.tagged_text("double", if number > 0.0 { "Infinity" } else { "-Infinity" })
        } else {
            self.json(&number)
        }
    }

    fn date(&mut self, milliseconds: i64) -> Result<()> {
        self.open("date");
        // As text where a double would round: JavaScript makes an invalid date of it anyway, but
        // not a wrong one.
        if milliseconds.unsigned_abs() <= LARGEST_SAFE {
            self.field("v", &milliseconds)?;
        } else {
            self.field("v", &milliseconds.to_string())?;
        }
        self.raw("}");
        Ok(())
    }

    fn binary(&mut self, binary: &Binary) -> Result<()> {
        self.open("bin");
        self.raw(",\"v\":\"");
        let start = self.text.len();
        let length = base64::encoded_len(binary.bytes.len(), true)
            .ok_or_else(|| Error::internal("binary data is too long for this machine"))?;
        self.text.resize(start + length, 0);
        STANDARD.encode_slice(&binary.bytes, &mut self.text[start..]).map_err(Error::internal)?;
        self.raw("\"");
        self.field("s", &u8::from(binary.subtype))?;
        self.raw("}");
        Ok(())
    }

    fn tagged_text(&mut self, tag: &str, text: &str) -> Result<()> {
        self.open(tag);
        self.field("v", text)?;
        self.raw("}");
        Ok(())
    }

    fn bare(&mut self, tag: &str) {
        self.open(tag);
        self.raw("}");
    }

    fn open(&mut self, tag: &str) {
        self.tagged = true;
        self.raw("{\"\\u0000\":\"");
        self.raw(tag);
        self.raw("\"");
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<()> {
        self.raw(",\"");
        self.raw(name);
        self.raw("\":");
        self.json(value)
    }

    fn check_depth(&self, depth: usize) -> Result<()> {
        if depth < DEEPEST {
            return Ok(());
        }
        Err(Error::new(ErrorKind::InvalidArgument, "A document is nested too deeply to be read"))
    }
}
