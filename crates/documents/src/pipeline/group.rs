use std::collections::HashMap;

use bson::{Bson, Document};
use tandem_contract::Result;

use super::accumulator::{Accumulator, State};
use super::parse::field_name;
use super::run::{Budget, Run};
use crate::compare::{GroupKey, group_key};
use crate::depth::check_document;
use crate::error::invalid;
use crate::expression::{Expression, Frame, Names, Scope};
use crate::path::array_index;

/// `$group`: documents with the same key become one.
#[derive(Clone, Debug)]
pub(super) struct Group {
    id: Expression,
    fields: Vec<(String, Accumulator)>,
}

/// A group as it grows.
pub(super) struct Gathered {
    id: Bson,
    states: Vec<State>,
}

impl Group {
    pub(super) fn parse(group: &Document, names: &Names) -> Result<Self> {
        let id = group.get("_id").ok_or_else(|| invalid("$group needs an _id"))?;
        let fields = group.iter().filter(|(name, _)| *name != "_id");
        let fields = fields.map(|(name, accumulator)| {
            Ok((
                field_name("$group", &Bson::String(name.clone()))?,
                Accumulator::parse(name, accumulator, names)?,
            ))
        });
        Ok(Self { id: Expression::parse(id, names)?, fields: fields.collect::<Result<_>>()? })
    }

    /// A group by another expression with the same accumulators.
    pub(super) fn new(id: Expression, fields: Vec<(String, Accumulator)>) -> Self {
        Self { id, fields }
    }

    /// The path that is the key, or nothing when the key is the same for all; `None` for any other.
    pub(super) fn path(&self) -> Option<Option<String>> {
        match &self.id {
            Expression::Literal(Bson::Null) => Some(None),
            Expression::Field(path) if path.iter().all(|part| array_index(part).is_none()) => {
                Some(Some(path.join(".")))
            }
            _ => None,
        }
    }

    /// The names of the fields, when each of them counts documents.
    pub(super) fn counts(&self) -> Option<Vec<String>> {
        self.fields
            .iter()
            .all(|(_, one)| one.is_count())
            .then(|| self.fields.iter().map(|(name, _)| name.clone()).collect())
    }

    /// Runs with groups in the order of their first documents.
    pub(super) fn run(
        &self,
        run: &Run<'_>,
        input: &[Document],
        frame: Option<&Frame<'_>>,
    ) -> Result<Vec<Document>> {
        let mut groups: Vec<Gathered> = Vec::new();
        let mut places: HashMap<GroupKey, usize> = HashMap::new();
        for document in input {
            let scope = run.scope(document, frame);
            let id = self.id(&scope)?;
            let place = match places.get(&group_key(&id)) {
                Some(place) => *place,
                None => {
                    places.insert(group_key(&id), groups.len());
                    groups.push(self.open(run, id, frame)?);
                    groups.len() - 1
                }
            };
            self.add(&mut groups[place], &scope)?;
        }
        let mut budget = Budget::default();
        let closed = groups.into_iter().map(|group| {
            let document = self.close(group)?;
            budget.take(&document)?;
            Ok(document)
        });
        closed.collect()
    }

    /// The key of a document. A missing key is null, as is the missing value of an object that has
    /// one field; of several they stay missing.
    fn id(&self, scope: &Scope<'_>) -> Result<Bson> {
        match &self.id {
            Expression::Object(fields) if fields.len() == 1 => {
                let (name, field) = &fields[0];
                let mut id = Document::new();
                id.insert(name.clone(), field.evaluate(scope)?.unwrap_or(Bson::Null));
                Ok(Bson::Document(id))
            }
            id => Ok(id.evaluate(scope)?.unwrap_or(Bson::Null)),
        }
    }

    fn open(&self, run: &Run<'_>, id: Bson, frame: Option<&Frame<'_>>) -> Result<Gathered> {
        let mut about = Document::new();
        about.insert("_id", id.clone());
        let scope = run.scope(&about, frame);
        let states = self.fields.iter().map(|(_, accumulator)| accumulator.open(&scope));
        Ok(Gathered { id, states: states.collect::<Result<_>>()? })
    }

    fn add(&self, group: &mut Gathered, scope: &Scope<'_>) -> Result<()> {
        self.fields
            .iter()
            .zip(&mut group.states)
            .try_for_each(|((_, accumulator), state)| accumulator.add(state, scope))
    }

    fn close(&self, group: Gathered) -> Result<Document> {
        let mut document = Document::new();
        document.insert("_id", group.id);
        for ((name, _), state) in self.fields.iter().zip(group.states) {
            document.insert(name.clone(), state.result());
        }
        check_document(&document)?;
        Ok(document)
    }
}
