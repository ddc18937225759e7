use std::collections::BTreeMap;
use std::sync::Arc;

use bson::{Bson, Document, doc};
use tandem_contract::{Error, ErrorKind, HostArgs, HostValue, Invocation, Result, WriteFailure, WriteModel};

use super::fields::Fields;
use super::target::target;
use super::updates::{read_delete, read_update, with_id_first};
use crate::cloud::Cloud;
use crate::values;

/// The driver's names of what a bulk write is made of.
const VERBS: [&str; 6] = ["insertOne", "updateOne", "updateMany", "replaceOne", "deleteOne", "deleteMany"];

/// The server's code of a duplicate key, which the driver passes on.
const DUPLICATE_KEY: i32 = 11000;

/// `{operations, options}`; gives the counts of the driver's `BulkWriteResult` and `failures`.
pub(super) async fn bulk_write(
    cloud: Arc<Cloud>,
    invocation: Arc<Invocation>,
    args: HostArgs,
) -> Result<HostValue> {
    let mut request = Fields::parse("bulkWrite", &args)?;
    let mut options = request.options()?;
    let target = target(&cloud, &invocation, &mut request, &mut options)?;
    let ordered = options.flag("ordered")?.unwrap_or(true);
    options.finish()?;
    let operations = request.documents("operations")?;
    if operations.is_empty() {
        return Err(request.invalid("at least one operation is needed"));
    }
    let models = operations.into_iter().enumerate().map(read_model).collect::<Result<_>>()?;
    let result = cloud.documents.bulk_write(&target, models, ordered).await?;
    values::reply(&Bson::Document(doc! {
        "acknowledged": true,
        "insertedCount": result.inserted_ids.len() as f64,
        "matchedCount": result.matched as f64,
        "modifiedCount": result.modified as f64,
        "deletedCount": result.deleted as f64,
        "upsertedCount": result.upserted_ids.len() as f64,
        "insertedIds": numbered(result.inserted_ids),
        "upsertedIds": numbered(result.upserted_ids),
        "failures": failures(result.failures),
    }))
}

/// `{verb: {…}}`
pub(super) fn read_model((index, operation): (usize, Document)) -> Result<WriteModel> {
    let owner = format!("bulkWrite operations[{index}]");
    let mut names = operation.into_iter();
    let (Some((verb, body)), None) = (names.next(), names.next()) else {
        return Err(Error::new(
            ErrorKind::InvalidArgument,
            format!("{owner}: exactly one of {} is needed", VERBS.join(", ")),
        ));
    };
    let owner = format!("{owner}.{verb}");
    let Bson::Document(mut body) = body else {
        return Err(Fields::new(owner, Document::new()).invalid("it must be an object"));
    };
    if verb == "insertOne" {
        return read_insert(owner, body);
    }
    let options = ["upsert", "arrayFilters"].into_iter();
    let options = options.filter_map(|name| Some((name.to_owned(), body.remove(name)?))).collect();
    let mut options = Fields::new(owner.clone(), options);
    let mut body = Fields::new(owner, body);
    let model = match read_update(&verb, &mut body, &mut options)? {
        Some(update) => Some(WriteModel::Update(update)),
        None => read_delete(&verb, &mut body)?.map(WriteModel::Delete),
    };
    let model = model.ok_or_else(|| body.invalid(&format!("the verbs are {}", VERBS.join(", "))))?;
    options.finish()?;
    body.finish()?;
    Ok(model)
}

/// `{document}`, or the document itself, as the driver takes it.
fn read_insert(owner: String, body: Document) -> Result<WriteModel> {
    match body.get("document") {
        None | Some(Bson::Null) => Ok(WriteModel::Insert(with_id_first(body))),
        Some(Bson::Document(_)) => {
            let document = Fields::new(owner, body).required_document("document")?;
            Ok(WriteModel::Insert(with_id_first(document)))
        }
        Some(other) => Err(Fields::new(owner, Document::new()).wrong("document", "an object", other)),
    }
}

/// Values by their place in the batch, as the driver gives them.
pub(super) fn numbered(values: BTreeMap<usize, Bson>) -> Document {
    values.into_iter().map(|(index, value)| (index.to_string(), value)).collect()
}

/// What failed, as the driver's `WriteError`.
pub(super) fn failures(failures: Vec<WriteFailure>) -> Vec<Bson> {
    let failure = |failure: WriteFailure| {
        let code = match failure.error.kind() {
            ErrorKind::DuplicateKey => Bson::Int32(DUPLICATE_KEY),
            kind => Bson::String(kind.code().to_owned()),
        };
        // The same place as the driver's 32-bit index; no batch is longer.
        doc! { "index": failure.index as f64, "code": code, "errmsg": failure.error.message() }
    };
    failures.into_iter().map(failure).map(Bson::Document).collect()
}
