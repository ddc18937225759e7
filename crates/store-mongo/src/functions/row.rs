//! A function's document, with the defaults for what another tool left out or wrote its own way.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bson::{Bson, DateTime, Document, doc};
use tandem_contract::{Function, FunctionDraft, FunctionSummary, Language, Revision};

use super::digest::sha256;

/// See the module.
pub(super) struct Row(Document);

impl Row {
    pub(super) const fn new(document: Document) -> Self {
        Self(document)
    }

    pub(super) fn id(&self) -> Option<Bson> {
        self.0.get("_id").cloned()
    }

    pub(super) fn name(&self) -> String {
        self.text("name").unwrap_or_default().to_owned()
    }

    /// What the document holds for it, of any type; `None` when it has no such field.
    pub(super) fn stored_revision(&self) -> Option<&Bson> {
        self.0.get("revision")
    }

    pub(super) fn revision(&self) -> Revision {
        self.0.get("revision").and_then(integer).map_or(1, i64::unsigned_abs)
    }

    pub(super) fn stored_hash(&self) -> Option<&str> {
        self.text("hash")
    }

    pub(super) fn set_hash(&mut self, hash: String) {
        self.0.insert("hash", hash);
    }

    pub(super) fn hash(&self) -> String {
        match self.stored_hash() {
            Some(hash) => hash.to_owned(),
            None => self.text("compiled").map(sha256).unwrap_or_default(),
        }
    }

    /// When it was first published; a driver's `_id` tells for rows without a time.
    pub(super) fn created_at(&self) -> SystemTime {
        let from_id = || match self.0.get("_id") {
            Some(Bson::ObjectId(id)) => Some(id.timestamp().to_system_time()),
            _ => None,
        };
        self.time(["created_at", "createdAt"]).or_else(from_id).unwrap_or(UNIX_EPOCH)
    }

    pub(super) fn has_created_at(&self) -> bool {
        self.time(["created_at", "createdAt"]).is_some()
    }

    /// The fields that hold the source: tools disagree on the name, and each must find its own
    /// up to date.
    pub(super) fn source_fields(&self) -> &'static [&'static str] {
        match (self.0.contains_key("source"), self.0.contains_key("code")) {
            (true, true) => &["source", "code"],
            (false, true) => &["code"],
            _ => &["source"],
        }
    }

    pub(super) fn function(&self) -> Function {
        let summary = self.summary();
        Function {
            source: self.text("source").or_else(|| self.text("code")).unwrap_or_default().to_owned(),
            compiled: self.text("compiled").map(str::to_owned),
            source_map: self.text("source_map").map(str::to_owned),
            name: summary.name,
            language: summary.language,
            hash: summary.hash,
            methods: summary.methods,
            description: summary.description,
            revision: summary.revision,
            created_at: summary.created_at,
            updated_at: summary.updated_at,
        }
    }

    pub(super) fn summary(&self) -> FunctionSummary {
        let created_at = self.created_at();
        FunctionSummary {
            name: self.name(),
            language: match self.text("language") {
                Some("javascript" | "js") => Language::JavaScript,
                _ => Language::TypeScript,
            },
            hash: self.hash(),
            methods: self.methods(),
            description: self.text("description").unwrap_or_default().to_owned(),
            revision: self.revision(),
            created_at,
            updated_at: self.time(["updated_at", "updatedAt"]).unwrap_or(created_at),
        }
    }

    /// An array, or a text with commas.
    fn methods(&self) -> Vec<String> {
        let words: Vec<&str> = match self.0.get("methods") {
            Some(Bson::Array(items)) => items.iter().filter_map(Bson::as_str).collect(),
            Some(Bson::String(text)) => text.split([',', ' ']).collect(),
            _ => Vec::new(),
        };
        let words = words.into_iter().map(str::trim).filter(|word| !word.is_empty());
        words.map(str::to_ascii_uppercase).collect()
    }

    /// A field as it is stored.
    pub(super) fn field(&self, name: &str) -> Option<&Bson> {
        self.0.get(name)
    }

    fn text(&self, field: &str) -> Option<&str> {
        self.0.get(field).and_then(Bson::as_str)
    }

    fn time(&self, fields: [&str; 2]) -> Option<SystemTime> {
        fields.into_iter().find_map(|field| time(self.0.get(field)?))
    }
}

/// A date, milliseconds since 1970, or RFC 3339.
fn time(value: &Bson) -> Option<SystemTime> {
    match value {
        Bson::DateTime(date) => Some(date.to_system_time()),
        Bson::Timestamp(stamp) => Some(UNIX_EPOCH + Duration::from_secs(stamp.time.into())),
        Bson::String(text) => DateTime::parse_rfc3339_str(text).ok().map(DateTime::to_system_time),
        number => integer(number)
            .and_then(|millis| u64::try_from(millis).ok())
            .and_then(|millis| UNIX_EPOCH.checked_add(Duration::from_millis(millis))),
    }
}

pub(crate) fn integer(value: &Bson) -> Option<i64> {
    match value {
        Bson::Int32(number) => Some((*number).into()),
        Bson::Int64(number) => Some(*number),
        // Saturates; a fraction means nothing here.
        Bson::Double(number) if number.is_finite() => Some(*number as i64),
        _ => None,
    }
}

/// What a publish sets, but for the source, `_id`, `name` and `created_at`.
pub(super) fn fields(draft: &FunctionDraft, revision: Revision, updated_at: SystemTime) -> Document {
    doc! {
        "language": match draft.language {
            Language::TypeScript => "typescript",
            Language::JavaScript => "javascript",
        },
        "compiled": &draft.compiled,
        "source_map": draft.source_map.clone(),
        "hash": &draft.hash,
        "methods": &draft.methods,
        "description": &draft.description,
        "revision": revision.cast_signed(),
        "updated_at": DateTime::from_system_time(updated_at),
    }
}

/// What a later read will return for `draft`.
pub(super) fn stored(
    draft: &FunctionDraft,
    revision: Revision,
    created_at: SystemTime,
    updated_at: SystemTime,
) -> Function {
    let draft = draft.clone();
    Function {
        name: draft.name.as_str().to_owned(),
        source: draft.source,
        language: draft.language,
        compiled: Some(draft.compiled),
        source_map: draft.source_map,
        hash: draft.hash,
        methods: draft.methods,
        description: draft.description,
        revision,
        created_at,
        updated_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_other_tools_are_read() {
        let id = bson::oid::ObjectId::parse_str("5f5e10000000000000000000").unwrap();
        let row = Row::new(doc! {
            "_id": id, "name": "a", "code": "source", "compiled": "text", "methods": "get, post",
            "createdAt": 1_600_000_000_000.0, "updatedAt": "2020-09-13T12:26:41Z",
        });
        let function = row.function();
        assert_eq!((function.source.as_str(), function.compiled.as_deref()), ("source", Some("text")));
        assert_eq!(function.hash, sha256("text"));
        assert_eq!(function.methods, ["GET", "POST"]);
        assert_eq!(function.revision, 1);
        assert_eq!(function.created_at, UNIX_EPOCH + Duration::from_secs(1_600_000_000));
        assert_eq!(function.updated_at, UNIX_EPOCH + Duration::from_secs(1_600_000_001));
        assert_eq!(row.source_fields(), ["code"]);
    }

    #[test]
    fn an_object_id_tells_the_time_of_a_row_without_one() {
        let id = bson::oid::ObjectId::parse_str("5f5e10000000000000000000").unwrap();
        let row = Row::new(doc! { "_id": id, "name": "a" });
        assert_eq!(row.created_at(), UNIX_EPOCH + Duration::from_secs(0x5f5e_1000));
        assert_eq!(row.function().compiled, None);
    }

    #[test]
    fn what_cannot_be_read_has_defaults() {
        let row = Row::new(doc! { "_id": 1, "name": "a", "methods": 3, "revision": "x", "created_at": {} });
        let summary = row.summary();
        assert_eq!((summary.revision, summary.created_at), (1, UNIX_EPOCH));
        assert!(summary.methods.is_empty() && summary.hash.is_empty());
    }
}
