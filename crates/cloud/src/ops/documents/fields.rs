use bson::oid::ObjectId;
use bson::spec::ElementType;
use bson::{Bson, Document};
use tandem_contract::{Error, ErrorKind, HostArgs, Result};

use crate::values;

/// Options of the driver that change how a server works but not what comes back. They are taken
/// and have no effect, so that code written for the driver runs.
const WITHOUT_EFFECT: &[&str] = &[
    "allowDiskUse",
    "background",
    "bypassDocumentValidation",
    "comment",
    "hint",
    "noCursorTimeout",
    "readConcern",
    "readPreference",
    "retryWrites",
    "writeConcern",
];

/// The named parts of a request, taken one by one. `null` and `undefined` count as left out.
pub(super) struct Fields {
    /// Whose they are, for messages: `find`, `find options`.
    owner: String,
    fields: Document,
}

impl Fields {
    /// The parts of the request of `verb`.
    pub(super) fn parse(verb: &str, args: &HostArgs) -> Result<Self> {
        Ok(Self::new(verb, values::parse(&args.text, args.bytes.as_ref())?))
    }

    pub(super) fn new(owner: impl Into<String>, fields: Document) -> Self {
        Self { owner: owner.into(), fields }
    }

    /// Makes messages speak of `owner`.
    pub(super) fn rename(&mut self, owner: String) {
        self.owner = owner;
    }

    pub(super) fn take(&mut self, name: &str) -> Option<Bson> {
        self.fields.get_mut(name).map(std::mem::take).filter(|value| *value != Bson::Null)
    }

    pub(super) fn document(&mut self, name: &str) -> Result<Option<Document>> {
        match self.take(name) {
            None => Ok(None),
            Some(Bson::Document(document)) => Ok(Some(document)),
            Some(other) => Err(self.wrong(name, "an object", &other)),
        }
    }

    pub(super) fn required_document(&mut self, name: &str) -> Result<Document> {
        self.document(name)?.ok_or_else(|| self.invalid(&format!("{name} is missing")))
    }

    pub(super) fn documents(&mut self, name: &str) -> Result<Vec<Document>> {
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(Bson::Array(items)) => self.all_documents(name, items),
            Some(other) => Err(self.wrong(name, "an array of objects", &other)),
        }
    }

    pub(super) fn all_documents(&self, name: &str, items: Vec<Bson>) -> Result<Vec<Document>> {
        let document = |(index, item)| match item {
            Bson::Document(document) => Ok(document),
            other => Err(self.wrong(&format!("{name}[{index}]"), "an object", &other)),
        };
        items.into_iter().enumerate().map(document).collect()
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>> {
        match self.take(name) {
            None => Ok(None),
            Some(Bson::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(name, "a string", &other)),
        }
    }

    pub(super) fn required_text(&mut self, name: &str) -> Result<String> {
        self.text(name)?.ok_or_else(|| self.invalid(&format!("{name} is missing")))
    }

    /// From its 24 digits.
    pub(super) fn object_id(&mut self, name: &str) -> Result<Option<ObjectId>> {
        let digits = self.text(name)?;
        let read = |digits: String| {
            ObjectId::parse_str(digits).map_err(|error| self.invalid(&format!("{name}: {error}")))
        };
        digits.map(read).transpose()
    }

    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>> {
        match self.take(name) {
            None => Ok(None),
            Some(Bson::Boolean(flag)) => Ok(Some(flag)),
            Some(other) => Err(self.wrong(name, "true or false", &other)),
        }
    }

    pub(super) fn integer(&mut self, name: &str) -> Result<Option<i64>> {
        match self.take(name) {
            None => Ok(None),
            Some(value) => match as_integer(&value) {
                Some(integer) => Ok(Some(integer)),
                None => Err(self.wrong(name, "a whole number", &value)),
            },
        }
    }

    pub(super) fn count(&mut self, name: &str) -> Result<Option<u64>> {
        let Some(integer) = self.integer(name)? else { return Ok(None) };
        let count = u64::try_from(integer);
        count.map(Some).map_err(|_| self.invalid(&format!("{name} must not be negative, it is {integer}")))
    }

    /// The verb's options, to be taken and then finished.
    pub(super) fn options(&mut self) -> Result<Self> {
        let options = self.document("options")?.unwrap_or_default();
        Ok(Self::new(format!("{} options", self.owner), options))
    }

    /// Refuses what was not taken: an option without effect where it should have one would make
    /// wrong answers.
    pub(super) fn finish(self) -> Result<()> {
        let left = self
            .fields
            .iter()
            .find(|(name, value)| **value != Bson::Null && !WITHOUT_EFFECT.contains(&name.as_str()));
        match left {
            None => Ok(()),
            Some((name, _)) => {
                Err(Error::new(ErrorKind::NotSupported, format!("NOT_SUPPORTED: {}: {name}", self.owner)))
            }
        }
    }

    pub(super) fn invalid(&self, problem: &str) -> Error {
        Error::new(ErrorKind::InvalidArgument, format!("{}: {problem}", self.owner))
    }

    pub(super) fn wrong(&self, name: &str, expected: &str, found: &Bson) -> Error {
        self.invalid(&format!("{name} must be {expected}, not {}", describe(found)))
    }
}

pub(super) fn as_integer(value: &Bson) -> Option<i64> {
    match value {
        Bson::Int32(number) => Some((*number).into()),
        Bson::Int64(number) => Some(*number),
        // Doubles are exact integers up to 2^53.
        Bson::Double(number) if number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0 => {
            Some(*number as i64)
        }
        _ => None,
    }
}

/// What kind of value it is, in a JavaScript programmer's words.
pub(super) fn describe(value: &Bson) -> String {
    match value {
        Bson::Null => "null".to_owned(),
        Bson::Boolean(flag) => flag.to_string(),
        Bson::Int32(number) => number.to_string(),
        Bson::Int64(number) => number.to_string(),
        Bson::Double(number) => number.to_string(),
        Bson::String(text) if text.len() <= 40 => format!("{text:?}"),
        Bson::String(_) => "a string".to_owned(),
        Bson::Array(_) => "an array".to_owned(),
        Bson::Document(_) => "an object".to_owned(),
        other => match other.element_type() {
            ElementType::DateTime => "a Date".to_owned(),
            ElementType::RegularExpression => "a RegExp".to_owned(),
            ElementType::Binary => "a Uint8Array".to_owned(),
            other => format!("a value of type {other:?}"),
        },
    }
}
