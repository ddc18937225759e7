use bson::{Bson, Document};
use tandem_contract::{Delete, Result, Update, UpdateSpec};

use super::fields::Fields;

/// The change that `name` asks for: update operators or a pipeline.
pub(super) fn update_spec(fields: &mut Fields, name: &str) -> Result<UpdateSpec> {
    match fields.take(name) {
        Some(Bson::Document(operators)) => {
            if operators.is_empty() || operators.keys().any(|key| !key.starts_with('$')) {
                return Err(fields.invalid(
                    "the update must be made of operators such as {$set: …}; to replace a document use replaceOne",
                ));
            }
            Ok(UpdateSpec::Operators(operators))
        }
        Some(Bson::Array(stages)) => Ok(UpdateSpec::Pipeline(fields.all_documents(name, stages)?)),
        Some(other) => Err(fields.wrong(name, "an object or an array", &other)),
        None => Err(fields.invalid(&format!("{name} is missing"))),
    }
}

/// The document that replaces another.
pub(super) fn replacement(fields: &mut Fields, name: &str) -> Result<UpdateSpec> {
    let document = fields.required_document(name)?;
    if document.keys().next().is_some_and(|key| key.starts_with('$')) {
        return Err(fields.invalid("the replacement must not contain operators such as $set; use updateOne"));
    }
    Ok(UpdateSpec::Replacement(document))
}

/// Which update a verb of collections and bulk writes stands for, and which field says how.
pub(super) fn read_update(verb: &str, request: &mut Fields, options: &mut Fields) -> Result<Option<Update>> {
    let (update, many) = match verb {
        "updateOne" => (update_spec(request, "update")?, false),
        "updateMany" => (update_spec(request, "update")?, true),
        "replaceOne" => (replacement(request, "replacement")?, false),
        _ => return Ok(None),
    };
    Ok(Some(Update {
        filter: request.required_document("filter")?,
        update,
        many,
        upsert: options.flag("upsert")?.unwrap_or(false),
        array_filters: options.documents("arrayFilters")?,
    }))
}

/// Which deletion a verb of collections and bulk writes stands for.
pub(super) fn read_delete(verb: &str, request: &mut Fields) -> Result<Option<Delete>> {
    let many = match verb {
        "deleteOne" => false,
        "deleteMany" => true,
        _ => return Ok(None),
    };
    Ok(Some(Delete { filter: request.required_document("filter")?, many }))
}

/// Documents keep `_id` in front, wherever the function wrote it.
pub(super) fn with_id_first(mut document: Document) -> Document {
    if document.keys().next().is_none_or(|first| first == "_id") {
        return document;
    }
    match document.remove("_id") {
        Some(id) => with_id(document, id),
        None => document,
    }
}

/// The document with `id` for its `_id`, in front.
pub(super) fn with_id(mut document: Document, id: Bson) -> Document {
    document.remove("_id");
    let mut ordered = Document::new();
    ordered.insert("_id", id);
    ordered.extend(document);
    ordered
}
