//! One operation, as cases write it, on any store.

use bson::{Bson, Document, doc};
use futures_util::TryStreamExt;
use tandem_contract::{
    Aggregate, Delete, DocumentStore, Error, ErrorKind, Find, FindAndModify, IndexSpec, ModifyAction, Result,
    ReturnDocument, Target, Update, UpdateSpec, WriteFailure, WriteModel,
};

/// Where all documents of a group are.
pub(crate) const COLLECTION: &str = "c";

/// An operation and how its answer is to be compared.
///
/// A document with one of `pipeline`, `distinct`, `count`, `delete`, `findAndModify`, `bulk`,
/// `update` and `replacement`; without any of them it is a find. Parts: `filter`, `sort`,
/// `projection`, `skip`, `limit`, `many`, `upsert`, `arrayFilters`, `remove`, `returning`,
/// `ordered`; `unordered` when the order of the answer is nobody's word.
pub(crate) struct Operation<'a>(pub(crate) &'a Document);

impl Operation<'_> {
    /// Whether it may change documents.
    pub(crate) fn writes(&self) -> bool {
        ["delete", "findAndModify", "bulk", "update", "replacement"]
            .iter()
            .any(|verb| self.0.contains_key(verb))
            || self
                .documents("pipeline")
                .iter()
                .any(|stage| stage.contains_key("$out") || stage.contains_key("$merge"))
    }

    /// Whether an error may leave some of its documents changed, and others not.
    pub(crate) fn is_of_many(&self) -> bool {
        self.flag("many") || self.0.contains_key("bulk")
    }

    pub(crate) async fn run(&self, store: &dyn DocumentStore) -> Result<Bson> {
        let target = target(COLLECTION);
        if self.0.contains_key("pipeline") {
            let pipeline = self.documents("pipeline");
            return list(store.aggregate(&target, Aggregate { pipeline }).await?.try_collect().await?);
        }
        if let Ok(path) = self.0.get_str("distinct") {
            let values = store.distinct(&target, path, self.part("filter")).await?;
            return Ok(Bson::Array(values));
        }
        if self.flag("count") {
            let counted = store.count(
                &target,
                self.part("filter"),
                self.number("skip").unwrap_or(0),
                self.number("limit"),
            );
            return Ok(Bson::Int64(counted.await?.cast_signed()));
        }
        if self.flag("delete") {
            let delete = Delete { filter: self.part("filter"), many: self.flag("many") };
            return Ok(Bson::Int64(store.delete(&target, delete).await?.cast_signed()));
        }
        if self.flag("findAndModify") {
            let found = store.find_and_modify(&target, self.find_and_modify()?).await?;
            return Ok(found.map_or(Bson::Null, Bson::Document));
        }
        if self.0.contains_key("bulk") {
            return self.bulk(store, &target).await;
        }
        if self.0.contains_key("update") || self.0.contains_key("replacement") {
            let done = store.update(&target, self.update()?).await?;
            let upserted = done.upserted_id.unwrap_or(Bson::Null);
            return Ok(doc! { "matched": done.matched.cast_signed(), "modified": done.modified.cast_signed(), "upserted": upserted }.into());
        }
        list(store.find(&target, self.find()).await?.try_collect().await?)
    }

    fn find(&self) -> Find {
        Find {
            filter: self.part("filter"),
            projection: self.0.get_document("projection").ok().cloned(),
            sort: self.0.get_document("sort").ok().cloned(),
            skip: self.number("skip").unwrap_or(0),
            limit: self.number("limit"),
        }
    }

    fn update(&self) -> Result<Update> {
        Ok(Update {
            filter: self.part("filter"),
            update: self.spec()?,
            many: self.flag("many"),
            upsert: self.flag("upsert"),
            array_filters: self.documents("arrayFilters"),
        })
    }

    fn spec(&self) -> Result<UpdateSpec> {
        match (self.0.get("update"), self.0.get("replacement")) {
            (Some(Bson::Array(_)), _) => Ok(UpdateSpec::Pipeline(self.documents("update"))),
            (Some(Bson::Document(operators)), _) => Ok(UpdateSpec::Operators(operators.clone())),
            (_, Some(Bson::Document(replacement))) => Ok(UpdateSpec::Replacement(replacement.clone())),
            _ => Err(Error::internal("the case has no update")),
        }
    }

    fn find_and_modify(&self) -> Result<FindAndModify> {
        let find = self.find();
        let action = match self.flag("remove") {
            true => ModifyAction::Delete,
            false => ModifyAction::Update {
                update: self.spec()?,
                upsert: self.flag("upsert"),
                returning: match self.0.get_str("returning") {
                    Ok("after") => ReturnDocument::After,
                    _ => ReturnDocument::Before,
                },
                array_filters: self.documents("arrayFilters"),
            },
        };
        Ok(FindAndModify { filter: find.filter, sort: find.sort, projection: find.projection, action })
    }

    async fn bulk(&self, store: &dyn DocumentStore, target: &Target) -> Result<Bson> {
        let bulk = self.documents("bulk");
        let models = bulk.iter().map(|model| {
            let operation = Operation(model);
            match model.get_document("insert") {
                Ok(document) => Ok(WriteModel::Insert(document.clone())),
                Err(_) if operation.flag("delete") => Ok(WriteModel::Delete(Delete {
                    filter: operation.part("filter"),
                    many: operation.flag("many"),
                })),
                Err(_) => operation.update().map(WriteModel::Update),
            }
        });
        let ordered = self.0.get_bool("ordered").unwrap_or(true);
        let done = store.bulk_write(target, models.collect::<Result<_>>()?, ordered).await?;
        let ids = |ids: std::collections::BTreeMap<usize, Bson>| -> Document {
            ids.into_iter().map(|(index, id)| (index.to_string(), id)).collect()
        };
        // What one does not know, another finds malformed.
        let failure = |failure: &WriteFailure| match failure.error.kind() {
            ErrorKind::NotSupported => format!("{} {}", failure.index, ErrorKind::InvalidArgument),
            kind => format!("{} {kind}", failure.index),
        };
        Ok(doc! {
            "inserted": ids(done.inserted_ids),
            "upserted": ids(done.upserted_ids),
            "counts": [done.matched.cast_signed(), done.modified.cast_signed(), done.deleted.cast_signed()],
            "failures": done.failures.iter().map(failure).collect::<Vec<_>>(),
        }
        .into())
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.0.get_bool(name).unwrap_or(false)
    }

    fn part(&self, name: &str) -> Document {
        self.0.get_document(name).cloned().unwrap_or_default()
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.0.get_i32(name).ok().and_then(|number| u64::try_from(number).ok())
    }

    fn documents(&self, name: &str) -> Vec<Document> {
        documents(self.0.get(name))
    }
}

pub(crate) fn target(collection: &str) -> Target {
    Target { collection: collection.to_owned(), transaction: None, timeout: None }
}

pub(crate) fn documents(value: Option<&Bson>) -> Vec<Document> {
    let array = value.and_then(Bson::as_array).cloned().unwrap_or_default();
    array.iter().filter_map(Bson::as_document).cloned().collect()
}

/// What is in a collection, in the order in which it was inserted.
pub(crate) async fn everything(store: &dyn DocumentStore, collection: &str) -> Result<Vec<Document>> {
    store.find(&target(collection), Find::default()).await?.try_collect().await
}

/// Makes a collection hold `documents` and nothing else.
pub(crate) async fn fill(store: &dyn DocumentStore, collection: &str, documents: &[Document]) -> Result<()> {
    let target = target(collection);
    store.delete(&target, Delete { filter: doc! {}, many: true }).await?;
    if documents.is_empty() {
        return Ok(());
    }
    let inserted = store.insert(&target, documents.to_vec(), true).await?;
    inserted.failures.into_iter().next().map_or(Ok(()), |failure| Err(failure.error))
}

/// An index on each path.
pub(crate) async fn make_indexes(
    store: &dyn DocumentStore,
    collection: &str,
    paths: &[String],
) -> Result<()> {
    for path in paths {
        let index = IndexSpec {
            keys: doc! { path: 1 },
            name: None,
            unique: false,
            sparse: false,
            partial_filter: None,
            expire_after_seconds: None,
        };
        store.create_index(&target(collection), index).await?;
    }
    Ok(())
}

/// All but that on `_id`.
pub(crate) async fn drop_indexes(store: &dyn DocumentStore, collection: &str) -> Result<()> {
    for index in store.list_indexes(&target(collection)).await?.into_iter().skip(1) {
        store.drop_index(&target(collection), index.name.as_deref().unwrap_or_default()).await?;
    }
    Ok(())
}

fn list(documents: Vec<Document>) -> Result<Bson> {
    Ok(Bson::Array(documents.into_iter().map(Bson::Document).collect()))
}
