use std::sync::Arc;

use tandem_contract::{Error, HostArgs, HostValue, Invocation, Result};

use super::held::OpenTransaction;
use crate::cloud::Cloud;
use crate::resources::held;

/// Gives the number of a new transaction.
pub(super) async fn begin(
    cloud: Arc<Cloud>,
    invocation: Arc<Invocation>,
    _args: HostArgs,
) -> Result<HostValue> {
    let transaction = OpenTransaction::begin(Arc::clone(&cloud.documents)).await?;
    let handle = cloud.next_handle();
    held(&invocation)?.documents.keep_transaction(handle, transaction)?;
    Ok(HostValue::Number(handle as f64))
}

/// The text is a transaction's number.
pub(super) async fn commit(
    _cloud: Arc<Cloud>,
    invocation: Arc<Invocation>,
    args: HostArgs,
) -> Result<HostValue> {
    let handle = parse_handle(&args.text)?;
    let transaction = held(&invocation)?.documents.take_transaction(handle);
    let transaction = transaction.ok_or_else(|| Error::internal("documents.commit: no such transaction"))?;
    transaction.commit().await?;
    Ok(HostValue::Undefined)
}

/// The text is a transaction's number. No error when it is over.
pub(super) async fn abort(
    _cloud: Arc<Cloud>,
    invocation: Arc<Invocation>,
    args: HostArgs,
) -> Result<HostValue> {
    let transaction = held(&invocation)?.documents.take_transaction(parse_handle(&args.text)?);
    if let Some(transaction) = transaction {
        transaction.abort().await?;
    }
    Ok(HostValue::Undefined)
}

fn parse_handle(text: &str) -> Result<u64> {
    text.parse().map_err(|_| Error::internal("documents: malformed number of a transaction"))
}
