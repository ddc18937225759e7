//! Runs one recorded case through the public interface.

use std::time::{Duration, SystemTime};

use bson::{Bson, Document, doc};
use tandem_contract::{Error, ErrorKind, Result, SystemEntropy, UpdateSpec};
use tandem_documents::{
    Filter, Lookup, Pipeline, PipelineEnv, Projection, Sort, Update, UpdateContext, compare, distinct_values,
    upsert_document,
};

/// Operations on the same documents.
pub(crate) struct Group {
    pub(crate) documents: Vec<Document>,
    others: Document,
    pub(crate) cases: Vec<Document>,
}

/// What came of a case.
pub(crate) enum Verdict {
    Same,
    /// Tandem refused by name what MongoDB does.
    Refused(String),
    Different {
        expected: String,
        found: String,
    },
}

impl Group {
    pub(crate) fn read(text: &str) -> serde_json::Result<Vec<Self>> {
        let groups: Vec<Document> = serde_json::from_str(text)?;
        Ok(groups
            .into_iter()
            .map(|group| Self {
                documents: documents(group.get("documents")),
                others: group.get_document("others").cloned().unwrap_or_default(),
                cases: documents(group.get("cases")),
            })
            .collect())
    }
}

fn documents(value: Option<&Bson>) -> Vec<Document> {
    let array = value.and_then(Bson::as_array).cloned().unwrap_or_default();
    array.iter().filter_map(Bson::as_document).cloned().collect()
}

/// Runs a case on the documents of its group.
pub(crate) fn run(group: &Group, case: &Document) -> Verdict {
    let found = perform(group, case);
    let refused = case.get_bool("refused").unwrap_or(false);
    let expected = case.get("expect");
    let different = |expected: String, found: String| Verdict::Different { expected, found };
    match (expected, found) {
        (_, Err(error)) if refused && error.kind() == ErrorKind::NotSupported => Verdict::Same,
        (Some(expected), Ok(found)) => {
            let unordered = case.get_bool("unordered").unwrap_or(false);
            let key = |value: &Bson| if unordered { sorted(value) } else { value.clone() };
            // Debug text tells types and the order of fields apart, and is equal for NaN.
            let (expected, found) = (format!("{:?}", key(expected)), format!("{:?}", key(&found)));
            if expected == found && !refused { Verdict::Same } else { different(expected, found) }
        }
        (None, Err(_)) => Verdict::Same,
        (Some(_), Err(error)) if error.kind() == ErrorKind::NotSupported => {
            Verdict::Refused(error.to_string())
        }
        (Some(expected), Err(error)) => different(format!("{expected:?}"), error.to_string()),
        (None, Ok(found)) => different("an error".to_owned(), format!("{found:?}")),
    }
}

fn sorted(value: &Bson) -> Bson {
    let mut array = value.as_array().cloned().unwrap_or_default();
    array.sort_by(compare::compare);
    Bson::Array(array)
}

fn perform(group: &Group, case: &Document) -> Result<Bson> {
    let part = |name: &str| case.get_document(name).cloned().unwrap_or_default();
    if let Ok(path) = case.get_str("distinct") {
        return distinct(group, path);
    }
    if case.contains_key("pipeline") {
        return aggregate(group, &documents(case.get("pipeline")));
    }
    let filter = Filter::parse(&part("filter"))?.with_now(now());
    if case.contains_key("update") || case.contains_key("replacement") {
        return update(group, case, &filter);
    }
    let mut found = Vec::new();
    for document in &group.documents {
        if filter.matches(document)? {
            found.push(document.clone());
        }
    }
    Sort::parse(&part("sort"))?.sort(&mut found)?;
    let projection = Projection::parse(&part("projection"))?;
    let found = found.iter().map(|document| projection.apply(document, Some(&filter)).map(Bson::Document));
    found.collect::<Result<Vec<_>>>().map(Bson::Array)
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000)
}

fn distinct(group: &Group, path: &str) -> Result<Bson> {
    let mut values: Vec<Bson> =
        group.documents.iter().flat_map(|document| distinct_values(document, path)).collect();
    values.sort_by(compare::compare);
    values.dedup_by(|left, right| compare::compare(left, right).is_eq());
    Ok(Bson::Array(values))
}

struct Others<'a>(&'a Group);

impl Lookup for Others<'_> {
    fn documents(&self, collection: &str) -> Result<Vec<Document>> {
        if collection == "c" {
            return Ok(self.0.documents.clone());
        }
        Ok(documents(self.0.others.get(collection)))
    }
}

fn aggregate(group: &Group, stages: &[Document]) -> Result<Bson> {
    let pipeline = Pipeline::parse(stages)?;
    let env = PipelineEnv { now: now(), lookup: &Others(group), entropy: &SystemEntropy };
    let output = pipeline.run(group.documents.clone(), &env)?;
    Ok(Bson::Array(output.into_iter().map(Bson::Document).collect()))
}

fn update(group: &Group, case: &Document, filter: &Filter) -> Result<Bson> {
    let spec = match (case.get("update"), case.get("replacement")) {
        (Some(Bson::Array(_)), _) => UpdateSpec::Pipeline(documents(case.get("update"))),
        (Some(Bson::Document(operators)), _) => UpdateSpec::Operators(operators.clone()),
        (_, Some(Bson::Document(replacement))) => UpdateSpec::Replacement(replacement.clone()),
        _ => return Err(Error::internal("the case has no update")),
    };
    let update = Update::parse(&spec, &documents(case.get("arrayFilters")))?;
    let many = case.get_bool("many").unwrap_or(false);
    let (mut matched, mut modified) = (0, 0);
    let mut all = group.documents.clone();
    for document in &mut all {
        let Some(place) = filter.find(document)? else { continue };
        let context = UpdateContext { now: now(), array_position: place.array_position, inserting: false };
        matched += 1;
        modified += i32::from(update.apply(document, &context)?);
        if !many {
            break;
        }
    }
    if matched == 0 && case.get_bool("upsert").unwrap_or(false) {
        let context = UpdateContext { now: now(), array_position: None, inserting: true };
        all.push(upsert_document(filter, &update, &context)?);
    }
    Ok(Bson::Document(doc! { "matched": matched, "modified": modified, "documents": all }))
}
