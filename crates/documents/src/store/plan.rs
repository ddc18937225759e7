//! Which part of a query SQL answers: a range of one index that holds every document that can
//! match, and perhaps their order. What it yields is matched again in full.

use bson::{Bson, Document, doc};
use tandem_contract::Result;

use super::identity::id_key;
use super::index::{ID_INDEX, Index};
use super::key_range::{KeyRange, Points, Range};
use crate::compare::compare;
use crate::{Direction, Filter, Predicate, Sort, Test};

/// Ranges of one index that a query may fan out to.
const MAX_RANGES: usize = 1024;

/// What a query asks for, parsed.
pub struct Selection {
    /// The filter as it was written.
    pub document: Document,
    /// The filter.
    pub filter: Filter,
    /// The order asked for.
    pub sort: Option<Sort>,
}

impl Selection {
    /// Everything, in no order.
    ///
    /// # Errors
    /// None; the filter that is parsed is empty.
    pub fn everything() -> Result<Self> {
        Ok(Self { document: Document::new(), filter: Filter::parse(&Document::new())?, sort: None })
    }
}

/// How a query is run.
pub struct Plan {
    /// Where documents come from.
    pub access: Access,
    /// Documents come in the order of the query's sort.
    pub sorted: bool,
    /// The index's name.
    pub index: Option<String>,
    /// What the access yields matches, without a further look.
    pub exact: bool,
    /// The conditions that the access stands for.
    pub pushed: Vec<Predicate>,
}

/// Where documents come from.
pub enum Access {
    /// The whole collection, in insertion order.
    Natural,
    /// The documents with these `_id` keys.
    Ids(Vec<Vec<u8>>),
    /// The documents with keys in these ranges.
    Index {
        /// The index.
        source: Source,
        /// The ranges, none of which overlap.
        ranges: Vec<KeyRange>,
        /// Which way to read when the plan is sorted.
        order: Option<Direction>,
        /// Each range is one key: the query gives every field of the index.
        whole: bool,
    },
}

/// What holds keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The `_id`s of a collection.
    Id(i64),
    /// An index.
    Plain(i64),
    /// A unique index.
    Unique(i64),
}

/// Chooses the access to a collection with these indexes. `ids_cut` tells that the store holds some
/// `_id`s in part, so that their keys give no order.
pub fn plan(collection: i64, ids_cut: bool, indexes: &[Index], selection: &Selection) -> Plan {
    let predicates = selection.filter.predicates();
    let mut plan = choose(collection, ids_cut, indexes, selection, &predicates);
    let whole = selection.filter.exact_predicates();
    let stands_for_all = |whole: Vec<Predicate>| whole.iter().all(|one| plan.pushed.contains(one));
    plan.exact = match plan.access {
        Access::Natural => selection.document.is_empty(),
        Access::Ids(_) => whole.is_some_and(stands_for_all),
        Access::Index { source, .. } => {
            is_exact(ids_cut, indexes, source) && whole.is_some_and(stands_for_all)
        }
    };
    plan
}

fn choose(
    collection: i64,
    ids_cut: bool,
    indexes: &[Index],
    selection: &Selection,
    predicates: &[Predicate],
) -> Plan {
    if let Some(plan) = by_id(predicates) {
        return plan;
    }
    let id = Candidate::id(collection, ids_cut);
    let usable = indexes.iter().filter(|index| is_complete_for(index, selection, predicates));
    let best = usable
        .map(Candidate::of)
        .chain([id])
        .filter_map(|candidate| candidate.plan(predicates, selection.sort.as_ref()))
        .max_by_key(|(score, _)| *score);
    match best {
        Some((_, plan)) => plan,
        None => Plan::everything(),
    }
}

/// Whether each document has one key, and the key shows its values in full.
fn is_exact(ids_cut: bool, indexes: &[Index], source: Source) -> bool {
    match source {
        Source::Id(_) => !ids_cut,
        Source::Plain(id) | Source::Unique(id) => {
            indexes.iter().any(|index| index.id == id && !index.multikey && !index.cut)
        }
    }
}

impl Plan {
    /// The whole collection.
    pub const fn everything() -> Self {
        Self { access: Access::Natural, sorted: false, index: None, exact: false, pushed: Vec::new() }
    }

    /// What `explain` tells of it.
    pub fn explain(&self, backend: &str, selection: &Selection) -> Document {
        let mut pushed = Document::new();
        for predicate in &self.pushed {
            let mut condition = match pushed.remove(&predicate.path) {
                Some(Bson::Document(condition)) => condition,
                _ => Document::new(),
            };
            condition.extend(condition_of(&predicate.test));
            pushed.insert(predicate.path.clone(), condition);
        }
        let all = selection.filter.predicates();
        let is_pushed = |path: &str| {
            let mut of_path = all.iter().filter(|predicate| predicate.path == path).peekable();
            of_path.peek().is_some() && of_path.all(|predicate| self.pushed.contains(predicate))
        };
        let matched: Document =
            selection.document.clone().into_iter().filter(|(path, _)| !is_pushed(path)).collect();
        let mut out = doc! { "backend": backend, "pushed": pushed, "matched": matched };
        if let Some(index) = &self.index {
            out.insert("index", index);
        }
        if selection.sort.is_some() {
            out.insert("sort", if self.sorted { "index" } else { "memory" });
        }
        out
    }
}

fn condition_of(test: &Test) -> Document {
    match test {
        Test::Eq(value) => doc! { "$eq": value.clone() },
        Test::In(values) => doc! { "$in": values.clone() },
        Test::Exists => doc! { "$exists": true },
        Test::Range { lower, upper } => {
            let mut out = Document::new();
            if let Some((value, inclusive)) = lower {
                out.insert(if *inclusive { "$gte" } else { "$gt" }, value.clone());
            }
            if let Some((value, inclusive)) = upper {
                out.insert(if *inclusive { "$lte" } else { "$lt" }, value.clone());
            }
            out
        }
    }
}

/// The key of the one document that can match, when the filter gives its `_id`.
pub fn single_id(selection: &Selection) -> Option<Vec<u8>> {
    match by_id(&selection.filter.predicates())?.access {
        Access::Ids(mut keys) if keys.len() == 1 => keys.pop(),
        _ => None,
    }
}

/// `_id` is never an array: a document's `_id` alone decides.
fn by_id(predicates: &[Predicate]) -> Option<Plan> {
    let point = |predicate: &&Predicate| {
        predicate.path == "_id" && matches!(predicate.test, Test::Eq(_) | Test::In(_))
    };
    let predicate = predicates.iter().find(point)?;
    let mut keys: Vec<_> = match &predicate.test {
        Test::Eq(id) => vec![id_key(id)],
        Test::In(ids) => ids.iter().map(id_key).collect(),
        _ => return None,
    };
    keys.sort_unstable();
    keys.dedup();
    Some(Plan {
        access: Access::Ids(keys),
        sorted: false,
        index: Some(ID_INDEX.to_owned()),
        exact: false,
        pushed: vec![predicate.clone()],
    })
}

/// Whether the index holds every document that can match.
fn is_complete_for(index: &Index, selection: &Selection, predicates: &[Predicate]) -> bool {
    let spec = &index.definition.spec;
    let in_partial = spec.partial_filter.as_ref().is_none_or(|partial| implies(&selection.document, partial));
    let is_key = |path: &str| index.definition.keys.fields().iter().any(|(key, _)| key == path);
    let in_sparse = !spec.sparse
        || predicates.iter().any(|predicate| is_key(&predicate.path) && is_of_present(&predicate.test));
    in_partial && in_sparse
}

/// Whether each condition of `partial` stands in `filter` too, word for word.
fn implies(filter: &Document, partial: &Document) -> bool {
    partial.iter().all(|(path, condition)| states(filter, path, condition))
}

fn states(filter: &Document, path: &str, condition: &Bson) -> bool {
    let branches = filter.get_array("$and").map(Vec::as_slice).unwrap_or_default();
    filter.get(path) == Some(condition)
        || branches.iter().filter_map(Bson::as_document).any(|branch| states(branch, path, condition))
}

/// Whether a document without the path can never pass: a missing path counts as null.
fn is_of_present(test: &Test) -> bool {
    let above_null = |value: &Bson| compare(value, &Bson::Null).is_gt();
    match test {
        Test::Eq(value) => above_null(value),
        Test::In(values) => values.iter().all(above_null),
        Test::Range { lower, .. } => lower.as_ref().is_some_and(|(value, _)| above_null(value)),
        Test::Exists => true,
    }
}

/// An index that may be used.
struct Candidate<'a> {
    source: Source,
    name: &'a str,
    fields: Vec<(&'a str, Direction)>,
    multikey: bool,
    cut: bool,
    unique: bool,
    /// Being in it is a condition in itself.
    selective: bool,
}

impl<'a> Candidate<'a> {
    fn of(index: &'a Index) -> Self {
        let definition = &index.definition;
        let unique = definition.spec.unique;
        Self {
            source: if unique { Source::Unique(index.id) } else { Source::Plain(index.id) },
            name: &definition.name,
            fields: definition.keys.fields().iter().map(|(path, way)| (path.as_str(), *way)).collect(),
            multikey: index.multikey,
            cut: index.cut,
            unique,
            selective: definition.spec.sparse || definition.partial.is_some(),
        }
    }

    fn id(collection: i64, cut: bool) -> Self {
        let fields = vec![("_id", Direction::Ascending)];
        let source = Source::Id(collection);
        Self { source, name: ID_INDEX, fields, multikey: false, cut, unique: true, selective: false }
    }

    /// How good the index is for the query, and its plan; nothing when it is of no use.
    fn plan(&self, predicates: &[Predicate], sort: Option<&Sort>) -> Option<(u32, Plan)> {
        let points = self.points(predicates);
        let range = self.range(points.fields, predicates);
        let order = sort.and_then(|sort| self.order(&points, sort));
        let whole_key = points.fields == self.fields.len();
        let score = 10 * u32::try_from(points.fields).unwrap_or(u32::MAX / 100)
            + if self.unique && whole_key { 100 } else { 0 }
            + if range.is_some() { 4 } else { 0 }
            + if order.is_some() { 2 } else { 0 }
            + if self.selective { 1 } else { 0 };
        if score == 0 {
            return None;
        }
        let mut pushed = points.used;
        let ranges = match range {
            Some(range) => {
                pushed.extend(range.used);
                points.prefixes.iter().map(|prefix| range.bounds.behind(prefix)).collect()
            }
            None => points.prefixes.into_iter().map(KeyRange::of_prefix).collect(),
        };
        let access = Access::Index { source: self.source, ranges, order, whole: whole_key };
        let index = Some(self.name.to_owned());
        Some((score, Plan { access, sorted: order.is_some(), index, exact: false, pushed }))
    }

    /// Fixes the leading fields that predicates give values for.
    fn points(&self, predicates: &[Predicate]) -> Points {
        let mut points = Points::none();
        for (at, (path, way)) in self.fields.iter().enumerate() {
            let mut here = predicates.iter().filter(|predicate| predicate.path == *path && self.may_join(at));
            let Some((predicate, values)) = here.find_map(|p| values_of(&p.test).map(|values| (p, values)))
            else {
                break;
            };
            if points.prefixes.len().saturating_mul(values.len()) > MAX_RANGES {
                break;
            }
            points.single &= matches!(predicate.test, Test::Eq(_));
            points.extend(values, *way);
            points.used.push(predicate.clone());
        }
        points
    }

    /// The bounds of the first field that is not fixed.
    fn range(&self, at: usize, predicates: &[Predicate]) -> Option<Range> {
        let (path, way) = self.fields.get(at)?;
        let here = predicates.iter().filter(|predicate| predicate.path == *path && self.may_join(at));
        let ranges = here.filter(|predicate| matches!(predicate.test, Test::Range { .. }));
        // Different elements of one array may satisfy different predicates.
        let ranges = ranges.take(if self.multikey { 1 } else { usize::MAX });
        ranges.map(|predicate| Range::of(predicate, *way)).reduce(Range::intersect)
    }

    /// In an index over arrays, fields that lie in the same array are expanded together, while
    /// predicates on them may hold of different elements: only one of the fields can be used.
    fn may_join(&self, at: usize) -> bool {
        let root = |path: &'a str| path.split('.').next();
        !self.multikey || self.fields[..at].iter().all(|(path, _)| root(path) != root(self.fields[at].0))
    }

    /// The direction to read in for `sort`: it must name all that the fixed fields leave.
    fn order(&self, points: &Points, sort: &Sort) -> Option<Direction> {
        let rest = &self.fields[points.fields..];
        let wanted = sort.fields();
        if self.multikey || self.cut || !points.single || rest.is_empty() || rest.len() != wanted.len() {
            return None;
        }
        let same_paths = rest.iter().zip(wanted).all(|(field, wanted)| field.0 == wanted.0);
        let same_ways = rest.iter().zip(wanted).filter(|(field, wanted)| field.1 == wanted.1).count();
        match same_ways {
            _ if !same_paths => None,
            count if count == rest.len() => Some(Direction::Ascending),
            0 => Some(Direction::Descending),
            _ => None,
        }
    }
}

fn values_of(test: &Test) -> Option<&[Bson]> {
    match test {
        Test::Eq(value) => Some(std::slice::from_ref(value)),
        Test::In(values) => Some(values),
        _ => None,
    }
}
