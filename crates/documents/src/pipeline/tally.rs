//! Counts at the start of a pipeline, which a store may have without reading documents.

use bson::{Bson, Document};

use super::group::Group;
use super::run::count;
use super::stage::Stage;

/// What a `$count`, or a `$group` that only counts, makes of its input.
#[derive(Clone, Debug)]
pub struct Tally {
    /// The path that documents are grouped by; `None` for all of them together.
    pub by: Option<String>,
    with_id: bool,
    fields: Vec<String>,
}

impl Tally {
    pub(super) fn of(stage: &Stage) -> Option<Self> {
        match stage {
            Stage::Count(field) => Some(Self { by: None, with_id: false, fields: vec![field.clone()] }),
            Stage::Group(group) => Self::of_group(group),
            _ => None,
        }
    }

    fn of_group(group: &Group) -> Option<Self> {
        Some(Self { by: group.path()?, with_id: true, fields: group.counts()? })
    }

    /// The document of a group of `documents`, above 0, whose first one has the value `id`.
    pub fn document(&self, id: Bson, documents: u64) -> Document {
        let number = count(usize::try_from(documents).unwrap_or(usize::MAX));
        let id = self.with_id.then(|| ("_id".to_owned(), id));
        let counts = self.fields.iter().map(|field| (field.clone(), number.clone()));
        id.into_iter().chain(counts).collect()
    }
}
