//! What functions must not reach through documents: the collections that hold functions, where
//! both share a database, and stages that tell of the server rather than of documents.

use std::collections::HashSet;

use bson::{Bson, Document};
use parking_lot::RwLock;
use tandem_contract::{Error, ErrorKind, Result};

use crate::error::BACKEND;
use crate::functions::COUNTERS;

/// Stages that show hosts, users or other databases' work, or never end.
const REFUSED_STAGES: &[&str] = &[
    "$changeStream",
    "$collStats",
    "$currentOp",
    "$indexStats",
    "$listLocalSessions",
    "$listSessions",
    "$planCacheStats",
    "$shardedDataDistribution",
];

/// Names of collections that hold functions.
#[derive(Default)]
pub(super) struct Reserved(RwLock<HashSet<String>>);

impl Reserved {
    /// A function store has a collection of counters beside its own.
    pub(super) fn learn(&self, names: &[String]) {
        let stores = names.iter().filter_map(|name| name.strip_suffix(COUNTERS));
        let stores: HashSet<String> = stores.map(str::to_owned).collect();
        if *self.0.read() != stores {
            *self.0.write() = stores;
        }
    }

    /// # Errors
    /// `InvalidArgument` for a name that is not for documents.
    pub(super) fn check(&self, name: &str) -> Result<()> {
        let rule = if name.is_empty() || name.len() > 120 {
            "it must have 1 to 120 bytes"
        } else if name.contains(['\0', '$']) {
            "it must not contain NUL or `$`"
        } else if name.starts_with("system.") {
            "names that start with `system.` are reserved"
        } else if name.ends_with(COUNTERS) || self.0.read().contains(name) {
            "it holds functions; give documents a database of their own to use the name"
        } else {
            return Ok(());
        };
        Err(Error::new(ErrorKind::InvalidArgument, format!("Invalid collection name {name:?}: {rule}")))
    }

    /// Checks the stages, and the pipelines in them, for what is refused.
    ///
    /// # Errors
    /// `NotSupported` for a stage, `InvalidArgument` for a name.
    pub(super) fn check_pipeline(&self, stages: &[Document]) -> Result<()> {
        for (name, body) in stages.iter().flatten() {
            if REFUSED_STAGES.contains(&name.as_str()) {
                return Err(Error::not_supported(name, BACKEND));
            }
            match (name.as_str(), body) {
                ("$lookup" | "$graphLookup", Bson::Document(body)) => {
                    self.check_source(name, body.get("from"))?;
                    self.check_nested(body.get("pipeline"))?;
                }
                ("$unionWith", Bson::Document(body)) => {
                    self.check_source(name, body.get("coll"))?;
                    self.check_nested(body.get("pipeline"))?;
                }
                ("$merge", Bson::Document(body)) => {
                    self.check_source(name, body.get("into"))?;
                    self.check_nested(body.get("whenMatched"))?;
                }
                ("$unionWith" | "$merge", source) => self.check_source(name, Some(source))?,
                ("$out", source) => self.check_source(name, Some(source))?,
                ("$facet", Bson::Document(facets)) => {
                    for pipeline in facets.values() {
                        self.check_nested(Some(pipeline))?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A collection's name, or `{db, coll}`, which reaches for other databases.
    fn check_source(&self, stage: &str, source: Option<&Bson>) -> Result<()> {
        match source {
            Some(Bson::String(name)) => self.check(name),
            Some(Bson::Document(place)) if place.contains_key("db") => {
                Err(Error::not_supported(&format!("{stage} with a database"), BACKEND))
            }
            Some(Bson::Document(place)) => match place.get_str("coll") {
                Ok(name) => self.check(name),
                Err(_) => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn check_nested(&self, pipeline: Option<&Bson>) -> Result<()> {
        let Some(Bson::Array(stages)) = pipeline else { return Ok(()) };
        let stages: Vec<Document> = stages.iter().filter_map(Bson::as_document).cloned().collect();
        self.check_pipeline(&stages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::doc;

    fn reserved() -> Reserved {
        let reserved = Reserved::default();
        reserved.learn(&["functions".to_owned(), "functions.tandem".to_owned(), "users".to_owned()]);
        reserved
    }

    #[test]
    fn collections_of_functions_are_refused_everywhere() {
        let reserved = reserved();
        for stage in [
            doc! { "$lookup": { "from": "functions", "as": "x", "pipeline": [] } },
            doc! { "$graphLookup": { "from": "functions.tandem" } },
            doc! { "$unionWith": "functions" },
            doc! { "$unionWith": { "coll": "users", "pipeline": [{ "$unionWith": "functions" }] } },
            doc! { "$out": "functions" },
            doc! { "$merge": { "into": "functions" } },
            doc! { "$merge": { "into": { "db": "other", "coll": "users" } } },
            doc! { "$out": { "db": "other", "coll": "users" } },
            doc! { "$facet": { "a": [{ "$lookup": { "from": "users", "pipeline": [{ "$lookup": { "from": "functions" } }] } }] } },
        ] {
            assert!(reserved.check_pipeline(std::slice::from_ref(&stage)).is_err(), "{stage}");
        }
        assert!(
            reserved.check_pipeline(&[doc! { "$lookup": { "from": "users" } }, doc! { "$out": "x" }]).is_ok()
        );
        assert!(reserved.check("users").is_ok() && reserved.check("functions").is_err());
    }

    #[test]
    fn stages_that_tell_of_the_server_are_refused_by_name() {
        let error = reserved().check_pipeline(&[doc! { "$indexStats": {} }]).unwrap_err();
        assert_eq!(error.message(), "NOT_SUPPORTED: $indexStats on mongo");
    }
}
