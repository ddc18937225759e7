//! Filters, updates, pipelines, projections and sorts are read or refused, and run or fail.
#![no_main]

use std::time::UNIX_EPOCH;

use bson::{Bson, Document};
use libfuzzer_sys::fuzz_target;
use tandem_documents::{Filter, Pipeline, Projection, Sort};

fuzz_target!(|data: &[u8]| {
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(data) else { return };
    let Ok(Bson::Array(parts)) = Bson::try_from(value) else { return };
    let documents: Vec<Document> = parts.into_iter().filter_map(|part| part.as_document().cloned()).collect();
    let Some((first, rest)) = documents.split_first() else { return };
    if let Ok(filter) = Filter::parse(first) {
        let filter = filter.with_now(UNIX_EPOCH);
        let _ = filter.predicates();
        for document in rest {
            let _ = filter.matches(document);
        }
    }
    if let Ok(projection) = Projection::parse(first) {
        let projection = projection.with_now(UNIX_EPOCH);
        for document in rest {
            let _ = projection.apply(document, None);
        }
    }
    if let Ok(sort) = Sort::parse(first) {
        let mut documents = rest.to_vec();
        let _ = sort.sort(&mut documents);
    }
    if let Ok(pipeline) = Pipeline::parse(rest) {
        let _ = pipeline.foreign_collections();
        let _ = pipeline.split_leading();
    }
});
