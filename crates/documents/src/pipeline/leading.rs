use bson::Document;

use super::Stages;
use super::stage::Stage;
use crate::filter::Filter;
use crate::sort::Sort;

/// The start of a pipeline as a query: filter, then sort, then skip, then limit.
#[derive(Clone, Debug, Default)]
pub struct Leading {
    /// The leading `$match` stages, as one document and parsed. A filter with `$expr` still needs
    /// its time: [`Filter::with_now`].
    pub filter: Option<(Document, Filter)>,
    /// The `$sort` after them.
    pub sort: Option<Sort>,
    /// The `$skip` after that.
    pub skip: u64,
    /// The `$limit` after that.
    pub limit: Option<u64>,
}

/// Takes off the stages that a [`Leading`] holds.
pub(super) fn split(stages: &mut Stages) -> Leading {
    let mut leading = Leading::default();
    let mut taken = 0;
    for stage in &stages.stages {
        let bare = leading.skip == 0 && leading.limit.is_none();
        match stage {
            Stage::Match { document, filter }
                if bare && leading.sort.is_none() && leading.filter.is_none() =>
            {
                leading.filter = Some((document.clone(), filter.clone()));
            }
            Stage::Sort(sort) if bare && leading.sort.is_none() => leading.sort = Some(sort.clone()),
            Stage::Skip(skip) if leading.limit.is_none() => leading.skip = leading.skip.saturating_add(*skip),
            Stage::Limit(limit) => {
                leading.limit = Some(leading.limit.map_or(*limit, |earlier| earlier.min(*limit)));
            }
            _ => break,
        }
        taken += 1;
    }
    stages.stages.drain(..taken);
    leading
}
