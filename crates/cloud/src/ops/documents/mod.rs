//! `cloud.database()`: the verbs of the MongoDB driver over whichever store there is.
//!
//! A request is one object in the form of [`crate::values`]: `collection`, `transaction` (the
//! number that `documents.begin` gave, or null), the verb's arguments and its `options` as the
//! function gave them. What a function may pass is checked here, so that the scripts only carry.

use super::{Op, async_op};

mod bulk;
mod counts;
mod cursors;
mod fields;
mod held;
mod indexes;
mod sort;
mod sql;
mod target;
#[cfg(test)]
mod tests;
mod transactions;
mod types;
mod updates;
mod writes;

pub(crate) use held::Held;

pub(super) const OPS: &[Op] = &[
    async_op!("documents.find", cursors::find),
    async_op!("documents.findOne", cursors::find_one),
    async_op!("documents.aggregate", cursors::aggregate),
    async_op!("documents.next", cursors::next),
    async_op!("documents.close", cursors::close),
    async_op!("documents.explain", cursors::explain),
    async_op!("documents.insertOne", writes::insert_one),
    async_op!("documents.insertMany", writes::insert_many),
    async_op!("documents.update", writes::update),
    async_op!("documents.delete", writes::delete),
    async_op!("documents.findAndModify", writes::find_and_modify),
    async_op!("documents.bulkWrite", bulk::bulk_write),
    async_op!("documents.count", counts::count),
    async_op!("documents.estimatedCount", counts::estimated_count),
    async_op!("documents.distinct", counts::distinct),
    async_op!("documents.createIndex", indexes::create),
    async_op!("documents.dropIndex", indexes::drop_index),
    async_op!("documents.listIndexes", indexes::list),
    async_op!("documents.drop", indexes::drop_collection),
    async_op!("documents.listCollections", indexes::list_collections),
    async_op!("documents.begin", transactions::begin),
    async_op!("documents.commit", transactions::commit),
    async_op!("documents.abort", transactions::abort),
    async_op!("documents.sql", sql::sql),
    Op::sync("documents.idSeed", types::id_seed),
    Op::sync("documents.decimal", types::decimal),
    Op::sync("documents.decodeBase64", types::decode_base64),
    Op::sync("documents.encodeBase64", types::encode_base64),
];
