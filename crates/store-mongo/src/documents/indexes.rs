//! Indexes.

use std::time::Duration;

use bson::{Bson, Document};
use futures_util::TryStreamExt;
use mongodb::IndexModel;
use mongodb::options::{CreateIndexOptions, IndexOptions};
use tandem_contract::{Error, ErrorKind, IndexSpec, Result, Target};

use super::{Inner, refuse_inside};

const ID_INDEX: &str = "_id_";

impl Inner {
    pub(super) async fn create_index(&self, target: &Target, spec: IndexSpec) -> Result<String> {
        let collection = self.collection(target)?;
        refuse_inside(target, "createIndex")?;
        if is_on_id(&spec.keys) {
            check_on_id(&spec)?;
            return Ok(ID_INDEX.to_owned());
        }
        let options = IndexOptions::builder()
            .name(spec.name)
            .unique(spec.unique.then_some(true))
            .sparse(spec.sparse.then_some(true))
            .partial_filter_expression(spec.partial_filter)
            .expire_after(spec.expire_after_seconds.map(Duration::from_secs))
            .build();
        let model = IndexModel::builder().keys(spec.keys).options(options).build();
        let mut create = CreateIndexOptions::default();
        create.max_time = target.timeout;
        let made = async { collection.create_index(model).with_options(create).await };
        Ok(self.connection.run(target.timeout, made).await?.index_name)
    }

    pub(super) async fn drop_index(&self, target: &Target, name: &str) -> Result<()> {
        let collection = self.collection(target)?;
        refuse_inside(target, "dropIndex")?;
        if name == ID_INDEX {
            return Err(Error::new(ErrorKind::InvalidArgument, "The index on _id cannot be dropped"));
        }
        // To the server `*` means all.
        let dropped = match name {
            "*" | "" => Err(Error::new(ErrorKind::NotFound, "")),
            name => self.connection.run(target.timeout, async { collection.drop_index(name).await }).await,
        };
        dropped.map_err(|error| match error.kind() {
            ErrorKind::NotFound => Error::new(
                ErrorKind::NotFound,
                format!("There is no index {name:?} on collection {:?}", target.collection),
            ),
            _ => error,
        })
    }

    pub(super) async fn list_indexes(&self, target: &Target) -> Result<Vec<IndexSpec>> {
        let collection = self.collection(target)?;
        let listed = async { collection.list_indexes().await?.try_collect::<Vec<_>>().await };
        match self.connection.run(target.timeout, listed).await {
            Ok(models) => Ok(models.into_iter().map(spec).collect()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

fn spec(model: IndexModel) -> IndexSpec {
    let options = model.options.unwrap_or_default();
    IndexSpec {
        keys: model.keys,
        name: options.name,
        unique: options.unique.unwrap_or(false),
        sparse: options.sparse.unwrap_or(false),
        partial_filter: options.partial_filter_expression,
        expire_after_seconds: options.expire_after.map(|time| time.as_secs()),
    }
}

fn is_on_id(keys: &Document) -> bool {
    let ascending = keys.get("_id").is_some_and(|way| match way {
        Bson::Int32(way) => *way > 0,
        Bson::Int64(way) => *way > 0,
        Bson::Double(way) => *way > 0.0,
        _ => false,
    });
    keys.len() == 1 && ascending
}

/// The index on `_id` is unique by nature; no other option makes sense on it.
fn check_on_id(spec: &IndexSpec) -> Result<()> {
    if spec.sparse || spec.partial_filter.is_some() || spec.expire_after_seconds.is_some() {
        return Err(Error::new(
            ErrorKind::InvalidArgument,
            "The index on _id takes none of sparse, partialFilterExpression and expireAfterSeconds",
        ));
    }
    Ok(())
}
