use std::time::Duration;

use tandem_contract::{Error, ErrorKind, Invocation, Result, Target};

use super::fields::Fields;
use crate::cloud::Cloud;
use crate::resources::held;

/// The longest name of a collection, in bytes: what MongoDB leaves of its 255 for a namespace
/// after the longest database name, rounded down.
const LONGEST_NAME: usize = 120;

/// Where a request goes, from its `collection` and `transaction`. `options` may shorten the time
/// it may take.
pub(super) fn target(
    cloud: &Cloud,
    invocation: &Invocation,
    request: &mut Fields,
    options: &mut Fields,
) -> Result<Target> {
    let collection = request.required_text("collection")?;
    check_name(&collection)?;
    let transaction = match request.count("transaction")? {
        None => None,
        Some(handle) => Some(held(invocation)?.documents.transaction(handle)?),
    };
    let mut timeout = cloud.time_left(invocation);
    if let Some(milliseconds) = options.count("maxTimeMS")?.filter(|milliseconds| *milliseconds > 0) {
        timeout = timeout.min(Duration::from_millis(milliseconds));
    }
    Ok(Target { collection, transaction, timeout: Some(timeout) })
}

pub(super) fn check_name(name: &str) -> Result<()> {
    let rule = if name.is_empty() || name.len() > LONGEST_NAME {
        "it must have 1 to 120 bytes"
    } else if name.contains(['\0', '$']) {
        "it must not contain `$` or NUL"
    } else if name.starts_with("system.") {
        "names that start with `system.` are reserved"
    } else {
        return Ok(());
    };
    let shown: String = name.chars().take(LONGEST_NAME).collect();
    Err(Error::new(ErrorKind::InvalidArgument, format!("Invalid collection name {shown:?}: {rule}")))
}
