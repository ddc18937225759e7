use bson::{Bson, Document, doc};
use tandem_contract::Result;

use super::Stages;
use super::bucket::Bucket;
use super::group::Group;
use super::lookup::Lookup;
use super::stage::Stage;
use super::unwind::Unwind;
use crate::depth::check_depth;
use crate::error::{invalid, not_supported};
use crate::expression::{Expression, Names};
use crate::filter::Filter;
use crate::number::Number;
use crate::projection::{Projection, parse_added_fields};
use crate::sort::Sort;

/// Where a pipeline stands, which decides what stages it takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Top,
    /// In `$lookup` or `$unionWith`.
    Foreign,
    Facet,
    Update,
}

/// Stages of a pipeline (MongoDB's limit).
const MAX_STAGES: usize = 1000;

/// Stages of MongoDB that are left out; they are refused by name.
const LEFT_OUT: [&str; 27] = [
    "$bucketAuto",
    "$changeStream",
    "$collStats",
    "$currentOp",
    "$densify",
    "$documents",
    "$fill",
    "$geoNear",
    "$graphLookup",
    "$indexStats",
    "$listLocalSessions",
    "$listSessions",
    "$merge",
    "$out",
    "$planCacheStats",
    "$redact",
    "$search",
    "$searchMeta",
    "$setWindowFields",
    "$shardedDataDistribution",
    "$listSearchIndexes",
    "$vectorSearch",
    "$queryStats",
    "$listSampledQueries",
    "$changeStreamSplitLargeEvent",
    "$operationMetrics",
    "$backupCursor",
];

pub(super) fn parse(stages: &[Document], names: &Names, place: Place) -> Result<Stages> {
    if stages.len() > MAX_STAGES {
        return Err(invalid(format!("A pipeline takes at most {MAX_STAGES} stages")));
    }
    let mut parsed = Vec::with_capacity(stages.len());
    for stage in stages {
        check_depth(stage)?;
        match stage.iter().next() {
            Some((name, operand)) if stage.len() == 1 && name == "$sortByCount" && place != Place::Update => {
                parsed.extend(sort_by_count(operand, names)?);
            }
            Some((name, operand)) if stage.len() == 1 => {
                push(&mut parsed, parse_stage(name, operand, names, place)?);
            }
            _ => {
                return Err(invalid(format!(
                    "A stage of a pipeline has exactly one field, its name: {stage}"
                )));
            }
        }
    }
    if place != Place::Update {
        lead(&mut parsed);
    }
    Ok(Stages { stages: parsed })
}

/// Appends a stage. Filters in a row are one, and of sorts in a row only the last counts.
fn push(stages: &mut Vec<Stage>, stage: Stage) {
    match (stages.pop(), stage) {
        (Some(Stage::Match { document, filter }), Stage::Match { document: later, filter: and }) => {
            let document = doc! { "$and": [document, later] };
            stages.push(Stage::Match { document, filter: filter.and(&and) });
        }
        (Some(Stage::Sort(_)), sort @ Stage::Sort(_)) => stages.push(sort),
        (earlier, stage) => {
            stages.extend(earlier);
            stages.push(stage);
        }
    }
}

/// Tells the joins among the first stages that they are.
fn lead(stages: &mut [Stage]) {
    for stage in stages {
        let leads = match stage {
            Stage::Lookup(lookup) => lookup.lead(),
            Stage::Match { .. } | Stage::Sort(_) | Stage::Skip(_) | Stage::Limit(_) | Stage::Group(_) => true,
            _ => false,
        };
        if !leads {
            return;
        }
    }
}

/// Parses the stages of a field of another stage.
pub(super) fn parse_nested(name: &str, stages: &Bson, names: &Names, place: Place) -> Result<Stages> {
    let wrong = || invalid(format!("{name} needs an array of stages as its pipeline"));
    let Bson::Array(stages) = stages else { return Err(wrong()) };
    let stages = stages.iter().map(|stage| stage.as_document().cloned().ok_or_else(wrong));
    parse(&stages.collect::<Result<Vec<_>>>()?, names, place)
}

fn parse_stage(name: &str, operand: &Bson, names: &Names, place: Place) -> Result<Stage> {
    let one_to_one = ["$addFields", "$set", "$project", "$unset", "$replaceRoot", "$replaceWith"];
    if place == Place::Update && !one_to_one.contains(&name) {
        return Err(invalid(format!("{name} cannot stand in an update")));
    }
    if place == Place::Facet && name == "$facet" {
        return Err(invalid("$facet cannot stand in a $facet"));
    }
    Ok(match name {
        "$match" => parse_match(operand, names)?,
        "$project" => Stage::Project(Projection::parse_stage(document(name, operand)?, names)?),
        "$addFields" | "$set" => Stage::Project(parse_added_fields(document(name, operand)?, names)?),
        "$unset" => Stage::Project(parse_unset(operand)?),
        "$replaceRoot" => match document(name, operand)?.iter().next() {
            Some((field, root)) if field == "newRoot" && document(name, operand)?.len() == 1 => {
                Stage::ReplaceRoot(Expression::parse(root, names)?)
            }
            _ => return Err(invalid("$replaceRoot takes newRoot and nothing else")),
        },
        "$replaceWith" => Stage::ReplaceRoot(Expression::parse(operand, names)?),
        "$group" => Stage::Group(Box::new(Group::parse(document(name, operand)?, names)?)),
        "$bucket" => Stage::Bucket(Box::new(Bucket::parse(document(name, operand)?, names)?)),
        "$sort" => {
            let sort = document(name, operand)?;
            if sort.is_empty() {
                return Err(invalid("$sort needs at least one path"));
            }
            Stage::Sort(Sort::parse(sort)?)
        }
        "$limit" => match count(name, operand)? {
            0 => return Err(invalid("$limit needs a positive number")),
            limit => Stage::Limit(limit),
        },
        "$skip" => Stage::Skip(count(name, operand)?),
        "$count" => Stage::Count(field_name(name, operand)?),
        "$unwind" => Stage::Unwind(Unwind::parse(operand)?),
        "$lookup" => Stage::Lookup(Box::new(Lookup::parse(document(name, operand)?, names)?)),
        "$unionWith" => parse_union(operand)?,
        "$facet" => parse_facet(document(name, operand)?, names)?,
        "$sample" => parse_sample(document(name, operand)?)?,
        _ if LEFT_OUT.contains(&name) => return Err(not_supported(name)),
        _ => return Err(invalid(format!("There is no pipeline stage {name}"))),
    })
}

fn document<'a>(name: &str, operand: &'a Bson) -> Result<&'a Document> {
    operand.as_document().ok_or_else(|| invalid(format!("{name} needs a document")))
}

fn parse_match(operand: &Bson, names: &Names) -> Result<Stage> {
    let document = document("$match", operand)?.clone();
    let filter = Filter::parse_in(&document, names)?;
    Ok(Stage::Match { document, filter })
}

fn parse_unset(operand: &Bson) -> Result<Projection> {
    let wrong = || invalid("$unset needs a path or an array of paths");
    let paths = match operand {
        Bson::String(path) => vec![path.clone()],
        Bson::Array(paths) if !paths.is_empty() => {
            let paths = paths.iter().map(|path| path.as_str().map(str::to_owned).ok_or_else(wrong));
            paths.collect::<Result<_>>()?
        }
        _ => return Err(wrong()),
    };
    Projection::excluding(&paths)
}

fn count(name: &str, operand: &Bson) -> Result<u64> {
    let number =
        Number::of(operand).and_then(Number::to_exact_i64).and_then(|number| u64::try_from(number).ok());
    number.ok_or_else(|| invalid(format!("{name} needs a whole number that is not negative")))
}

/// The name of a field a stage makes: not empty, no `$` at its start, no dot.
pub(super) fn field_name(stage: &str, operand: &Bson) -> Result<String> {
    match operand {
        Bson::String(name) if !(name.is_empty() || name.starts_with('$') || name.contains(['.', '\0'])) => {
            Ok(name.clone())
        }
        _ => Err(invalid(format!("{stage} needs the name of a field without \"$\" and dots"))),
    }
}

fn parse_union(operand: &Bson) -> Result<Stage> {
    let wrong = || invalid("$unionWith needs a collection, or {coll, pipeline}");
    match operand {
        Bson::String(collection) => {
            Ok(Stage::UnionWith { collection: collection.clone(), stages: Stages::default() })
        }
        Bson::Document(fields) => {
            if fields.keys().any(|name| name != "coll" && name != "pipeline") {
                return Err(wrong());
            }
            let collection = fields.get_str("coll").map_err(|_| wrong())?.to_owned();
            let stages = match fields.get("pipeline") {
                // The variables of an outer $lookup do not reach in here.
                Some(stages) => parse_nested("$unionWith", stages, &Names::default(), Place::Foreign)?,
                None => Stages::default(),
            };
            Ok(Stage::UnionWith { collection, stages })
        }
        _ => Err(wrong()),
    }
}

fn parse_facet(facets: &Document, names: &Names) -> Result<Stage> {
    if facets.is_empty() {
        return Err(invalid("$facet needs at least one pipeline"));
    }
    let facets = facets.iter().map(|(name, stages)| {
        let name = field_name("$facet", &Bson::String(name.clone()))?;
        Ok((name, parse_nested("$facet", stages, names, Place::Facet)?))
    });
    Ok(Stage::Facet(facets.collect::<Result<_>>()?))
}

fn parse_sample(fields: &Document) -> Result<Stage> {
    let size = fields.get("size").filter(|_| fields.len() == 1).and_then(Number::of);
    match size.map(|size| size.to_double().trunc()) {
        Some(size) if size >= 0.0 => Ok(Stage::Sample(size as u64)),
        _ => Err(invalid("$sample takes {size: n} with a number that is not negative")),
    }
}

/// The two stages that `$sortByCount` is short for.
fn sort_by_count(operand: &Bson, names: &Names) -> Result<[Stage; 2]> {
    let expression = match operand {
        Bson::String(path) => path.starts_with('$'),
        Bson::Document(document) => document.keys().next().is_some_and(|first| first.starts_with('$')),
        _ => false,
    };
    if !expression {
        return Err(invalid("$sortByCount needs a path that starts with \"$\" or an expression"));
    }
    let group = doc! { "_id": operand.clone(), "count": { "$sum": 1 } };
    let sort = Sort::parse(&doc! { "count": -1 })?;
    Ok([Stage::Group(Box::new(Group::parse(&group, names)?)), Stage::Sort(sort)])
}
