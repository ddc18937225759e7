use std::collections::HashMap;

use bson::{Bson, Document};
use tandem_contract::Result;

use super::Stages;
use super::parse::{Place, parse_nested};
use super::run::{Budget, Run};
use crate::compare::{GroupKey, group_key};
use crate::depth::check_document;
use crate::error::invalid;
use crate::expression::{Expression, Frame, Names, set_object_path};
use crate::path::{self, Leaf, check_path, split_path};

/// `$lookup`: documents of another collection as an array.
#[derive(Clone, Debug)]
pub(super) struct Lookup {
    from: String,
    target: Vec<String>,
    /// The paths whose values must be equal, here and there.
    fields: Option<(Vec<String>, Vec<String>)>,
    variables: Vec<(String, Expression)>,
    stages: Option<Stages>,
    /// The field goes to the end even when the document had it, as MongoDB does where it joins
    /// before the pipeline proper.
    moves: bool,
}

impl Lookup {
    pub(super) fn parse(fields: &Document, names: &Names) -> Result<Self> {
        const PARAMETERS: [&str; 6] = ["from", "as", "localField", "foreignField", "let", "pipeline"];
        if let Some(unknown) = fields.keys().find(|name| !PARAMETERS.contains(&name.as_str())) {
            return Err(invalid(format!("$lookup has no parameter \"{unknown}\"")));
        }
        let text = |name: &str| match fields.get(name) {
            None => Ok(None),
            Some(Bson::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(invalid(format!("$lookup needs a string as \"{name}\""))),
        };
        let path = |name: &str| {
            let path = text(name)?;
            path.map(|path| check_path(path).map(|()| split_path(path))).transpose()
        };
        let from = text("from")?.ok_or_else(|| invalid("$lookup needs \"from\""))?.to_owned();
        let target = path("as")?.ok_or_else(|| invalid("$lookup needs \"as\""))?;
        let equal = match (path("localField")?, path("foreignField")?) {
            (Some(local), Some(foreign)) => Some((local, foreign)),
            (None, None) => None,
            _ => return Err(invalid("$lookup needs both \"localField\" and \"foreignField\", or neither")),
        };
        let variables = parse_variables(fields, names)?;
        let stages = match fields.get("pipeline") {
            Some(stages) => {
                let inner = names.with(variables.iter().map(|(name, _)| name.as_str()));
                Some(parse_nested("$lookup", stages, &inner, Place::Foreign)?)
            }
            None => None,
        };
        if stages.is_none() && (equal.is_none() || fields.contains_key("let")) {
            return Err(invalid("$lookup needs \"localField\" and \"foreignField\", or a \"pipeline\""));
        }
        Ok(Self { from, target, fields: equal, variables, stages, moves: false })
    }

    /// Tells a join at the start of a pipeline that it is one. Only joins by equal values, without
    /// positions in their paths, are done there.
    pub(super) fn lead(&mut self) -> bool {
        let plain = |path: &[String]| path.iter().all(|part| path::array_index(part).is_none());
        let plain = self.fields.as_ref().is_some_and(|(local, foreign)| plain(local) && plain(foreign));
        self.moves = plain && self.stages.is_none();
        self.moves
    }

    pub(super) fn foreign_collections(&self, names: &mut Vec<String>) {
        names.push(self.from.clone());
        if let Some(stages) = &self.stages {
            stages.foreign_collections(names);
        }
    }

    pub(super) fn run(
        &self,
        run: &Run<'_>,
        input: Vec<Document>,
        frame: Option<&Frame<'_>>,
    ) -> Result<Vec<Document>> {
        let foreign = run.env.lookup.documents(&self.from)?;
        let join = self.fields.as_ref().map(|(local, path)| Join::new(local, &foreign, path)).transpose()?;
        let mut budget = Budget::default();
        let joined = input.into_iter().map(|mut document| {
            let mut found: Vec<Document> = match &join {
                Some(join) => join.find(&document)?.into_iter().map(|index| foreign[index].clone()).collect(),
                None => foreign.clone(),
            };
            if let Some(stages) = &self.stages {
                found = self.run_stages(run, stages, found, &document, frame)?;
            }
            if self.moves
                && let Some(existing) = document.remove(&self.target[0])
            {
                document.insert(self.target[0].clone(), existing);
            }
            set_object_path(
                &mut document,
                &self.target,
                Bson::Array(found.into_iter().map(Bson::Document).collect()),
            );
            check_document(&document)?;
            budget.take(&document)?;
            Ok(document)
        });
        joined.collect()
    }

    fn run_stages(
        &self,
        run: &Run<'_>,
        stages: &Stages,
        found: Vec<Document>,
        document: &Document,
        frame: Option<&Frame<'_>>,
    ) -> Result<Vec<Document>> {
        let scope = run.scope(document, frame);
        let values = self.variables.iter().map(|(name, value)| Ok((name.as_str(), value.evaluate(&scope)?)));
        let mut values = values.collect::<Result<Vec<_>>>()?;
        with_variables(run, stages, found, &mut values, frame)
    }
}

fn with_variables(
    run: &Run<'_>,
    stages: &Stages,
    input: Vec<Document>,
    variables: &mut Vec<(&str, Option<Bson>)>,
    outer: Option<&Frame<'_>>,
) -> Result<Vec<Document>> {
    match variables.pop() {
        Some((name, value)) => {
            let frame = Frame::new(name, value, outer);
            with_variables(run, stages, input, variables, Some(&frame))
        }
        None => run.stages(stages, input, outer),
    }
}

fn parse_variables(fields: &Document, names: &Names) -> Result<Vec<(String, Expression)>> {
    let variables = match fields.get("let") {
        None => return Ok(Vec::new()),
        Some(Bson::Document(variables)) => variables,
        Some(_) => return Err(invalid("$lookup needs a document as \"let\"")),
    };
    let parsed = variables.iter().map(|(name, value)| {
        crate::expression::check_variable(name)?;
        Ok((name.clone(), Expression::parse(value, names)?))
    });
    parsed.collect()
}

/// The documents of the other collection by the values at their path.
struct Join<'a> {
    local: &'a [String],
    by_value: HashMap<GroupKey, Vec<usize>>,
}

impl<'a> Join<'a> {
    fn new(local: &'a [String], foreign: &[Document], path: &[String]) -> Result<Self> {
        let mut by_value: HashMap<GroupKey, Vec<usize>> = HashMap::new();
        for (index, document) in foreign.iter().enumerate() {
            path::visit(document, path, Leaf::Elements, &mut |found| {
                let places = by_value.entry(key(found.value)).or_default();
                if places.last() != Some(&index) {
                    places.push(index);
                }
                Ok(false)
            })?;
        }
        Ok(Self { local, by_value })
    }

    /// The places of the documents that hold a value of this one, in order.
    fn find(&self, document: &Document) -> Result<Vec<usize>> {
        let mut keys = Vec::new();
        for value in crate::distinct::distinct_values(document, &self.local.join(".")) {
            keys.push(key(Some(&value)));
        }
        if keys.is_empty() {
            keys.push(key(None));
        }
        let mut places: Vec<usize> =
            keys.iter().filter_map(|key| self.by_value.get(key)).flatten().copied().collect();
        places.sort_unstable();
        places.dedup();
        Ok(places)
    }
}

/// Null stands for missing and undefined.
fn key(value: Option<&Bson>) -> GroupKey {
    match value {
        None | Some(Bson::Undefined) => group_key(&Bson::Null),
        Some(value) => group_key(value),
    }
}
