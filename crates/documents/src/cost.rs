//! Which operations may compute for long about a single document.

use bson::{Bson, Document};
use tandem_contract::{Aggregate, Delete, Find, FindAndModify, ModifyAction, Update, UpdateSpec, WriteModel};

/// Operators with operands of their own that only compare, or take apart what is there.
const LIGHT: [&str; 25] = [
    "$eq",
    "$ne",
    "$gt",
    "$gte",
    "$lt",
    "$lte",
    "$in",
    "$nin",
    "$and",
    "$or",
    "$nor",
    "$not",
    "$all",
    "$size",
    "$exists",
    "$type",
    "$mod",
    "$bitsAllSet",
    "$bitsAllClear",
    "$bitsAnySet",
    "$bitsAnyClear",
    "$elemMatch",
    "$slice",
    "$meta",
    "$comment",
];

/// What a store runs apart from the threads that serve others, if it is costly: it has an expression
/// or a regular expression.
pub trait Cost {
    /// Whether it may compute for long about a single document.
    fn is_costly(&self) -> bool;
}

/// A filter or a projection.
impl Cost for Document {
    fn is_costly(&self) -> bool {
        self.iter().any(|(name, value)| (name.starts_with('$') && !LIGHT.contains(&&**name)) || costly(value))
    }
}

fn costly(value: &Bson) -> bool {
    match value {
        Bson::Document(document) => document.is_costly(),
        Bson::Array(array) => array.iter().any(costly),
        Bson::RegularExpression(_) => true,
        _ => false,
    }
}

impl Cost for Find {
    fn is_costly(&self) -> bool {
        self.filter.is_costly() || self.projection.is_costly()
    }
}

/// What a pipeline computes beyond its filters runs apart in any case.
impl Cost for Aggregate {
    fn is_costly(&self) -> bool {
        self.pipeline.iter().any(|stage| stage.get("$match").is_some_and(costly))
    }
}

impl Cost for Update {
    fn is_costly(&self) -> bool {
        self.filter.is_costly() || self.update.is_costly()
    }
}

impl Cost for UpdateSpec {
    fn is_costly(&self) -> bool {
        matches!(self, Self::Pipeline(_))
    }
}

impl Cost for Delete {
    fn is_costly(&self) -> bool {
        self.filter.is_costly()
    }
}

impl Cost for FindAndModify {
    fn is_costly(&self) -> bool {
        let changes = match &self.action {
            ModifyAction::Update { update, .. } => update.is_costly(),
            ModifyAction::Delete => false,
        };
        changes || self.filter.is_costly() || self.projection.is_costly()
    }
}

impl Cost for WriteModel {
    fn is_costly(&self) -> bool {
        match self {
            Self::Insert(_) => false,
            Self::Update(update) => update.is_costly(),
            Self::Delete(delete) => delete.is_costly(),
        }
    }
}

impl<T: Cost> Cost for Option<T> {
    fn is_costly(&self) -> bool {
        self.as_ref().is_some_and(T::is_costly)
    }
}

impl<T: Cost> Cost for [T] {
    fn is_costly(&self) -> bool {
        self.iter().any(T::is_costly)
    }
}

#[cfg(test)]
mod tests {
    use bson::doc;

    use super::*;

    #[test]
    fn what_computes_is_told_from_what_compares() {
        for light in [
            doc! {},
            doc! { "a": 1, "b": { "$in": [1, { "c": 2 }] } },
            doc! { "$or": [{ "a": { "$gt": 1 } }, { "$and": [{ "b": { "$elemMatch": { "c": 1 } } }] }] },
            doc! { "a": 1, "b": { "$slice": 3 } },
        ] {
            assert!(!light.is_costly(), "{light}");
        }
        let text = |text: &str| text.to_owned().try_into().unwrap();
        let regex = bson::Regex { pattern: text("x"), options: text("") };
        for heavy in [
            doc! { "$or": [{ "a": 1 }, { "$expr": { "$gt": ["$a", 1] } }] },
            doc! { "a": { "$not": { "$regex": "x" } } },
            doc! { "a": { "$in": [regex] } },
            doc! { "a": { "b": { "$concat": ["$a", "b"] } } },
        ] {
            assert!(heavy.is_costly(), "{heavy}");
        }
    }
}
