use bson::{Bson, Document};
use tandem_contract::Result;

use super::Stages;
use super::bucket::Bucket;
use super::group::Group;
use super::lookup::Lookup;
use super::unwind::Unwind;
use crate::depth::check_document;
use crate::error::{invalid, not_supported};
use crate::expression::{Expression, Scope};
use crate::filter::Filter;
use crate::projection::Projection;
use crate::sort::Sort;

/// One stage of a pipeline.
#[derive(Clone, Debug)]
pub(super) enum Stage {
    Match {
        document: Document,
        filter: Filter,
    },
    /// `$project`, `$addFields`, `$set` and `$unset`.
    Project(Projection),
    ReplaceRoot(Expression),
    Group(Box<Group>),
    Bucket(Box<Bucket>),
    Sort(Sort),
    Limit(u64),
    Skip(u64),
    Count(String),
    Unwind(Unwind),
    Lookup(Box<Lookup>),
    UnionWith {
        collection: String,
        stages: Stages,
    },
    Facet(Vec<(String, Stages)>),
    Sample(u64),
}

impl Stage {
    /// What a stage that looks at one document only makes of it.
    pub(super) fn transform(&self, scope: &Scope<'_>) -> Result<Document> {
        match self {
            Self::Project(projection) => projection.apply_in(scope),
            Self::ReplaceRoot(root) => match root.evaluate(scope)? {
                Some(Bson::Document(document)) => {
                    check_document(&document)?;
                    Ok(document)
                }
                other => {
                    let kind = other.as_ref().map_or("missing", crate::bson_type::type_name);
                    Err(invalid(format!("A new root must be a document, not {kind}")))
                }
            },
            _ => Err(not_supported("this stage in an update")),
        }
    }

    pub(super) fn foreign_collections(&self, names: &mut Vec<String>) {
        match self {
            Self::Lookup(lookup) => lookup.foreign_collections(names),
            Self::UnionWith { collection, stages } => {
                names.push(collection.clone());
                stages.foreign_collections(names);
            }
            Self::Facet(facets) => facets.iter().for_each(|(_, stages)| stages.foreign_collections(names)),
            _ => {}
        }
    }
}
