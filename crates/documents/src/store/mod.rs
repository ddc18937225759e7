//! What the stores share that keep documents as BSON rows beside encoded keys: identity, index
//! definitions and entries, and the choice of the keys that answer a query. Nothing here does I/O;
//! a store supplies the tables.

mod entry;
mod expiry;
mod gather;
mod identity;
mod index;
mod key_range;
mod plan;
mod row;

use tandem_contract::{Error, ErrorKind, Result};

pub use entry::{Entry, check_same_id, duplicate, entries_of};
pub use expiry::{SWEEP_INTERVAL, expired};
pub use gather::{Gather, Window};
pub use identity::{ObjectIds, id_key};
pub use index::{Definition, ID_INDEX, Index, id_index};
pub use key_range::{KeyRange, after_prefix};
pub use plan::{Access, Plan, Selection, Source, plan, single_id};
pub use row::{MAX_DOCUMENT, decode_body, encode_body};

/// Checks the name of a collection.
///
/// # Errors
/// `InvalidArgument` with the rule that the name breaks.
pub fn check_name(name: &str) -> Result<()> {
    const MAX_LENGTH: usize = 120;
    let rule = if name.is_empty() || name.len() > MAX_LENGTH {
        "it must have 1 to 120 bytes"
    } else if name.contains(['\0', '$']) {
        "it must not contain NUL or `$`"
    } else if name.starts_with("system.") {
        "names that start with `system.` are reserved"
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::InvalidArgument, format!("Invalid collection name {name:?}: {rule}")))
}

/// The document language does not know which backend it works for; whoever reads of a feature
/// that is left out has to.
#[must_use]
pub fn name_backend(error: Error, backend: &str) -> Error {
    let suffix = format!(" on {backend}");
    if error.kind() != ErrorKind::NotSupported || error.message().contains(&suffix) {
        return error;
    }
    Error::new(ErrorKind::NotSupported, format!("{}{suffix}", error.message()))
}
