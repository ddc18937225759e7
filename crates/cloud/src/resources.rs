use tandem_contract::{Error, Invocation, Result};

use crate::ops;

/// What the host holds for one invocation; dropped with it.
#[derive(Default)]
pub(crate) struct Held {
    pub(crate) documents: ops::documents::Held,
    pub(crate) invoke: ops::invoke::Held,
    pub(crate) streams: ops::streams::Held,
    pub(crate) fetch: ops::fetch::Held,
}

/// What is held for `invocation`.
pub(crate) fn held(invocation: &Invocation) -> Result<&Held> {
    invocation
        .resources
        .get_or_init(|| Box::<Held>::default())
        .downcast_ref()
        .ok_or_else(|| Error::internal("the invocation's resources belong to another host"))
}
