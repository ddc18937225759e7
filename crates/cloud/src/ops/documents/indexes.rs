use std::sync::Arc;

use bson::{Bson, Document, doc};
use tandem_contract::{Error, ErrorKind, HostArgs, HostValue, IndexSpec, Invocation, Result};

use super::fields::Fields;
use super::sort::ordered_keys;
use super::target::target;
use crate::cloud::Cloud;
use crate::values;

/// `{keys, options}`; gives the index's name.
pub(super) async fn create(
    cloud: Arc<Cloud>,
    invocation: Arc<Invocation>,
    args: HostArgs,
) -> Result<HostValue> {
    let mut request = Fields::parse("createIndex", &args)?;
    let mut options = request.options()?;
    let target = target(&cloud, &invocation, &mut request, &mut options)?;
    let keys = ordered_keys(&mut request, "keys")?.filter(|keys| !keys.is_empty());
    let index = IndexSpec {
        keys: keys.ok_or_else(|| request.invalid("at least one path is needed"))?,
        name: options.text("name")?,
        unique: options.flag("unique")?.unwrap_or(false),
        sparse: options.flag("sparse")?.unwrap_or(false),
        partial_filter: options.document("partialFilterExpression")?,
        expire_after_seconds: options.count("expireAfterSeconds")?,
    };
    options.finish()?;
    Ok(HostValue::Text(cloud.documents.create_index(&target, index).await?))
}

/// `{name}`.
pub(super) async fn drop_index(
    cloud: Arc<Cloud>,
    invocation: Arc<Invocation>,
    args: HostArgs,
) -> Result<HostValue> {
    let mut request = Fields::parse("dropIndex", &args)?;
    let mut options = request.options()?;
    let target = target(&cloud, &invocation, &mut request, &mut options)?;
    options.finish()?;
    let name = request.required_text("name")?;
    cloud.documents.drop_index(&target, &name).await?;
    Ok(HostValue::Undefined)
}

/// Gives an array of what the driver tells of an index.
pub(super) async fn list(
    cloud: Arc<Cloud>,
    invocation: Arc<Invocation>,
    args: HostArgs,
) -> Result<HostValue> {
    let mut request = Fields::parse("listIndexes", &args)?;
    let mut options = request.options()?;
    let target = target(&cloud, &invocation, &mut request, &mut options)?;
    options.take("batchSize");
    options.finish()?;
    let indexes = cloud.documents.list_indexes(&target).await?;
    values::reply(&Bson::Array(indexes.into_iter().map(describe_index).map(Bson::Document).collect()))
}

fn describe_index(index: IndexSpec) -> Document {
    let mut description = doc! { "v": 2, "key": index.keys };
    if let Some(name) = index.name {
        description.insert("name", name);
    }
    if index.unique {
        description.insert("unique", true);
    }
    if index.sparse {
        description.insert("sparse", true);
    }
    if let Some(filter) = index.partial_filter {
        description.insert("partialFilterExpression", filter);
    }
    if let Some(seconds) = index.expire_after_seconds {
        description.insert("expireAfterSeconds", seconds as f64);
    }
    description
}

/// Gives whether there was a collection.
pub(super) async fn drop_collection(
    cloud: Arc<Cloud>,
    invocation: Arc<Invocation>,
    args: HostArgs,
) -> Result<HostValue> {
    let mut request = Fields::parse("drop", &args)?;
    let mut options = request.options()?;
    let target = target(&cloud, &invocation, &mut request, &mut options)?;
    options.finish()?;
    Ok(HostValue::Bool(cloud.documents.drop_collection(&target).await?))
}

/// `{filter, options}`; gives an array of `{name, type}`. The filter may name one collection.
pub(super) async fn list_collections(
    cloud: Arc<Cloud>,
    _invocation: Arc<Invocation>,
    args: HostArgs,
) -> Result<HostValue> {
    let mut request = Fields::parse("listCollections", &args)?;
    let mut options = request.options()?;
    for known in ["nameOnly", "authorizedCollections", "batchSize", "maxTimeMS"] {
        options.take(known);
    }
    options.finish()?;
    let wanted = wanted_name(request.document("filter")?.unwrap_or_default())?;
    let names = cloud.documents.list_collections().await?;
    let listed = names.into_iter().filter(|name| wanted.as_ref().is_none_or(|wanted| wanted == name));
    let listed = listed.map(|name| Bson::Document(doc! { "name": name, "type": "collection" }));
    values::reply(&Bson::Array(listed.collect()))
}

fn wanted_name(mut filter: Document) -> Result<Option<String>> {
    let name = match filter.remove("name") {
        None => None,
        Some(Bson::String(name)) => Some(name),
        Some(_) => {
            return Err(Error::new(
                ErrorKind::NotSupported,
                "NOT_SUPPORTED: listCollections: a name that is not a string",
            ));
        }
    };
    match filter.keys().next() {
        None => Ok(name),
        Some(other) => Err(Error::new(
            ErrorKind::NotSupported,
            format!("NOT_SUPPORTED: listCollections: a filter on {other}"),
        )),
    }
}
