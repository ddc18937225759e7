use std::sync::Arc;

use bson::{Bson, doc};
use tandem_contract::{
    Error, FindAndModify, HostArgs, HostValue, Invocation, ModifyAction, Result, ReturnDocument,
};

use super::bulk::{failures, numbered};
use super::fields::Fields;
use super::sort::sort;
use super::target::target;
use super::updates::{read_delete, read_update, replacement, update_spec, with_id, with_id_first};
use crate::cloud::Cloud;
use crate::values;

/// `{document, id, options}`; gives the driver's `InsertOneResult`. With the digits of an ObjectId in `id` that
/// becomes the document's, and nothing is given: the script knows it.
pub(super) async fn insert_one(
    cloud: Arc<Cloud>,
    invocation: Arc<Invocation>,
    args: HostArgs,
) -> Result<HostValue> {
    let mut request = Fields::parse("insertOne", &args)?;
    let mut options = request.options()?;
    let target = target(&cloud, &invocation, &mut request, &mut options)?;
    options.finish()?;
    let document = request.required_document("document")?;
    let id = request.object_id("id")?;
    let is_given = id.is_some();
    let document = match id {
        Some(id) => with_id(document, Bson::ObjectId(id)),
        None => with_id_first(document),
    };
    let mut inserted = cloud.documents.insert(&target, vec![document], true).await?;
    if let Some(failure) = inserted.failures.pop() {
        return Err(failure.error);
    }
    if is_given {
        return Ok(HostValue::Undefined);
    }
    let id = inserted.inserted_ids.remove(&0).ok_or_else(|| Error::internal("an insert gave no _id"))?;
    values::reply(&Bson::Document(doc! { "acknowledged": true, "insertedId": id }))
}

/// `{documents, options}`; gives the driver's `InsertManyResult` and `failures`.
pub(super) async fn insert_many(
    cloud: Arc<Cloud>,
    invocation: Arc<Invocation>,
    args: HostArgs,
) -> Result<HostValue> {
    let mut request = Fields::parse("insertMany", &args)?;
    let mut options = request.options()?;
    let target = target(&cloud, &invocation, &mut request, &mut options)?;
    let ordered = options.flag("ordered")?.unwrap_or(true);
    options.finish()?;
    let documents = request.documents("documents")?;
    if documents.is_empty() {
        return Err(request.invalid("at least one document is needed"));
    }
    let documents = documents.into_iter().map(with_id_first).collect();
    let inserted = cloud.documents.insert(&target, documents, ordered).await?;
    values::reply(&Bson::Document(doc! {
        "acknowledged": true,
        "insertedCount": inserted.inserted_ids.len() as f64,
        "insertedIds": numbered(inserted.inserted_ids),
        "failures": failures(inserted.failures),
    }))
}

/// `{verb, filter, update | replacement, options}`; gives the driver's `UpdateResult`.
pub(super) async fn update(
    cloud: Arc<Cloud>,
    invocation: Arc<Invocation>,
    args: HostArgs,
) -> Result<HostValue> {
    let (verb, mut request) = with_verb(&args)?;
    let mut options = request.options()?;
    let target = target(&cloud, &invocation, &mut request, &mut options)?;
    let update = read_update(&verb, &mut request, &mut options)?;
    let update = update.ok_or_else(|| Error::internal("documents.update: unknown verb"))?;
    options.finish()?;
    let result = cloud.documents.update(&target, update).await?;
    values::reply(&Bson::Document(doc! {
        "acknowledged": true,
        "matchedCount": result.matched as f64,
        "modifiedCount": result.modified as f64,
        "upsertedCount": i32::from(result.upserted_id.is_some()),
        "upsertedId": result.upserted_id.unwrap_or(Bson::Null),
    }))
}

/// `{verb, filter, options}`; gives the driver's `DeleteResult`.
pub(super) async fn delete(
    cloud: Arc<Cloud>,
    invocation: Arc<Invocation>,
    args: HostArgs,
) -> Result<HostValue> {
    let (verb, mut request) = with_verb(&args)?;
    let mut options = request.options()?;
    let target = target(&cloud, &invocation, &mut request, &mut options)?;
    options.finish()?;
    let delete = read_delete(&verb, &mut request)?;
    let delete = delete.ok_or_else(|| Error::internal("documents.delete: unknown verb"))?;
    let deleted = cloud.documents.delete(&target, delete).await?;
    values::reply(&Bson::Document(doc! { "acknowledged": true, "deletedCount": deleted as f64 }))
}

/// `{verb, filter, update | replacement, options}`; gives the document or null.
pub(super) async fn find_and_modify(
    cloud: Arc<Cloud>,
    invocation: Arc<Invocation>,
    args: HostArgs,
) -> Result<HostValue> {
    let (verb, mut request) = with_verb(&args)?;
    let mut options = request.options()?;
    let target = target(&cloud, &invocation, &mut request, &mut options)?;
    let action = match verb.as_str() {
        "findOneAndUpdate" => Some(update_spec(&mut request, "update")?),
        "findOneAndReplace" => Some(replacement(&mut request, "replacement")?),
        "findOneAndDelete" => None,
        _ => return Err(Error::internal("documents.findAndModify: unknown verb")),
    };
    let action = match action {
        None => ModifyAction::Delete,
        Some(update) => ModifyAction::Update {
            update,
            upsert: options.flag("upsert")?.unwrap_or(false),
            returning: returning(&mut options)?,
            array_filters: options.documents("arrayFilters")?,
        },
    };
    let operation = FindAndModify {
        filter: request.required_document("filter")?,
        sort: sort(&mut options, "sort")?,
        projection: options.document("projection")?.filter(|projection| !projection.is_empty()),
        action,
    };
    // The script's: which shape the result has.
    options.flag("includeResultMetadata")?;
    options.finish()?;
    let found = cloud.documents.find_and_modify(&target, operation).await?;
    values::reply(&found.map_or(Bson::Null, Bson::Document))
}

fn returning(options: &mut Fields) -> Result<ReturnDocument> {
    match options.text("returnDocument")?.as_deref() {
        None | Some("before") => Ok(ReturnDocument::Before),
        Some("after") => Ok(ReturnDocument::After),
        Some(other) => {
            Err(options.invalid(&format!("returnDocument must be \"before\" or \"after\", not {other:?}")))
        }
    }
}

/// A request that several verbs of the driver share, speaking of the one that was called.
fn with_verb(args: &HostArgs) -> Result<(String, Fields)> {
    let mut request = Fields::parse("collection", args)?;
    let verb = request.required_text("verb")?;
    request.rename(verb.clone());
    Ok((verb, request))
}
