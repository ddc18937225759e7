use std::sync::Arc;

use bson::Bson;
use tandem_contract::{HostArgs, HostValue, Invocation, Result};

use super::fields::Fields;
use super::target::target;
use crate::cloud::Cloud;
use crate::values;

/// `{filter, options}`; gives a number.
pub(super) async fn count(
    cloud: Arc<Cloud>,
    invocation: Arc<Invocation>,
    args: HostArgs,
) -> Result<HostValue> {
    let mut request = Fields::parse("countDocuments", &args)?;
    let mut options = request.options()?;
    let target = target(&cloud, &invocation, &mut request, &mut options)?;
    let filter = request.document("filter")?.unwrap_or_default();
    let skip = options.count("skip")?.unwrap_or(0);
    let limit = options.count("limit")?.filter(|limit| *limit > 0);
    options.finish()?;
    Ok(number(cloud.documents.count(&target, filter, skip, limit).await?))
}

/// `{options}`; gives a number.
pub(super) async fn estimated_count(
    cloud: Arc<Cloud>,
    invocation: Arc<Invocation>,
    args: HostArgs,
) -> Result<HostValue> {
    let mut request = Fields::parse("estimatedDocumentCount", &args)?;
    let mut options = request.options()?;
    let target = target(&cloud, &invocation, &mut request, &mut options)?;
    options.finish()?;
    Ok(number(cloud.documents.estimated_count(&target).await?))
}

/// `{path, filter, options}`; gives an array.
pub(super) async fn distinct(
    cloud: Arc<Cloud>,
    invocation: Arc<Invocation>,
    args: HostArgs,
) -> Result<HostValue> {
    let mut request = Fields::parse("distinct", &args)?;
    let mut options = request.options()?;
    let target = target(&cloud, &invocation, &mut request, &mut options)?;
    options.finish()?;
    let path = request.required_text("path")?;
    let filter = request.document("filter")?.unwrap_or_default();
    values::reply(&Bson::Array(cloud.documents.distinct(&target, &path, filter).await?))
}

fn number(count: u64) -> HostValue {
    // Exact up to 2^53 documents.
    HostValue::Number(count as f64)
}
