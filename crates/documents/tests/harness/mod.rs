//! Runs one recorded case through the public interface.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use bson::{Bson, Document, doc};
use tandem_contract::{Error, ErrorKind, Result, SystemEntropy, UpdateSpec};
use tandem_documents::{
    Filter, Lookup, Pipeline, PipelineEnv, Projection, Sort, Update, UpdateContext, compare, distinct_values,
    upsert_document,
};

#[derive(bson::serde_helpers::serde::Deserialize)]
#[serde(crate = "bson::serde_helpers::serde")]
pub struct Group {
    pub documents: Vec<Document>,
}
