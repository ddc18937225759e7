//! Accumulators that keep some of the values: the first, the lowest, the top by a sort.

use bson::{Bson, Document};
use tandem_contract::Result;

use super::accumulator::positive_count;
use crate::compare::compare;
use crate::error::invalid;
use crate::expression::{Expression, Names, Scope, Value};
use crate::sort::Sort;

/// Which values are kept.
#[derive(Clone, Debug)]
pub(super) struct Selection {
    name: &'static str,
    order: Order,
    count: Option<Expression>,
}

#[derive(Clone, Debug)]
enum Order {
    First,
    Last,
    Lowest,
    Highest,
    Top(Sort),
    Bottom(Sort),
}

impl Selection {
    /// Parses `{$firstN: {n, input}}`, `{$top: {sortBy, output}}` and their like; with the expression of
    /// the values.
    pub(super) fn parse(name: &str, operand: &Bson, names: &Names) -> Result<(Self, Expression)> {
        let (name, input, counted) = match name {
            "$firstN" => ("$firstN", "input", true),
            "$lastN" => ("$lastN", "input", true),
            "$minN" => ("$minN", "input", true),
            "$maxN" => ("$maxN", "input", true),
            "$topN" => ("$topN", "output", true),
            "$bottomN" => ("$bottomN", "output", true),
            "$top" => ("$top", "output", false),
            "$bottom" => ("$bottom", "output", false),
            _ => return Err(invalid(format!("There is no accumulator {name}"))),
        };
        let Bson::Document(fields) = operand else {
            return Err(invalid(format!("{name} needs a document with its parameters")));
        };
        let sorted = input == "output";
        let known =
            |field: &str| field == input || (field == "n" && counted) || (field == "sortBy" && sorted);
        if let Some(unknown) = fields.keys().find(|field| !known(field)) {
            return Err(invalid(format!("{name} has no parameter \"{unknown}\"")));
        }
        let required =
            |field: &str| fields.get(field).ok_or_else(|| invalid(format!("{name} needs \"{field}\"")));
        let sort = || match required("sortBy")? {
            Bson::Document(sort) if !sort.is_empty() => Sort::parse(sort),
            _ => Err(invalid(format!("{name} needs a document of paths as \"sortBy\""))),
        };
        let order = match name {
            "$firstN" => Order::First,
            "$lastN" => Order::Last,
            "$minN" => Order::Lowest,
            "$maxN" => Order::Highest,
            "$top" | "$topN" => Order::Top(sort()?),
            _ => Order::Bottom(sort()?),
        };
        let count = if counted { Some(Expression::parse(required("n")?, names)?) } else { None };
        Ok((Self { name, order, count }, Expression::parse(required(input)?, names)?))
    }

    pub(super) fn open(&self, scope: &Scope<'_>) -> Result<Ranking> {
        let count = match &self.count {
            Some(count) => positive_count(self.name, &count.evaluate(scope)?)?,
            None => 1,
        };
        let extremes = Extremes::new(matches!(self.order, Order::Highest), count);
        Ok(Ranking { selection: self.clone(), count, kept: Vec::new(), extremes })
    }
}

/// The values kept so far, with what they are sorted by.
pub(super) struct Ranking {
    selection: Selection,
    count: usize,
    kept: Vec<(Vec<Bson>, Bson)>,
    extremes: Extremes,
}

/// The lowest or highest values. Among equals that do not all fit, the earlier stay.
pub(crate) struct Extremes {
    highest: bool,
    count: usize,
    /// Ascending, equals in the order they came.
    kept: Vec<Bson>,
}

impl Extremes {
    pub(crate) fn new(highest: bool, count: usize) -> Self {
        Self { highest, count, kept: Vec::new() }
    }

    pub(crate) fn add(&mut self, value: Bson) {
        if self.kept.len() >= self.count {
            let weakest = if self.highest { 0 } else { self.kept.len() - 1 };
            let order = compare(&value, &self.kept[weakest]);
            if (self.highest && order.is_le()) || (!self.highest && order.is_ge()) {
                return;
            }
            self.kept.remove(weakest);
        }
        let place = self.kept.partition_point(|kept| compare(kept, &value).is_le());
        self.kept.insert(place, value);
    }

    /// The lowest first, or the highest.
    pub(crate) fn into_values(mut self) -> Vec<Bson> {
        if self.highest {
            self.kept.reverse();
        }
        self.kept
    }
}

impl Ranking {
    pub(super) fn add(&mut self, value: Value, scope: &Scope<'_>) -> Result<()> {
        match &self.selection.order {
            Order::First if self.kept.len() >= self.count => return Ok(()),
            Order::Lowest | Order::Highest => {
                if let Some(value) = value.filter(|value| !matches!(value, Bson::Null | Bson::Undefined)) {
                    self.extremes.add(value);
                }
                return Ok(());
            }
            _ => {}
        }
        let key = match &self.selection.order {
            Order::Top(sort) | Order::Bottom(sort) => sort_key(sort, scope.root())?,
            _ => Vec::new(),
        };
        let entry = (key, value.unwrap_or(Bson::Null));
        // Among equals the earlier stays in front.
        let place = match &self.selection.order {
            Order::Bottom(sort)
                if self.is_full_and(|kept| sort.compare_keys(&entry.0, &kept[0].0).is_le()) =>
            {
                return Ok(());
            }
            Order::Top(sort) | Order::Bottom(sort) => {
                self.kept.partition_point(|kept| sort.compare_keys(&kept.0, &entry.0).is_le())
            }
            _ => self.kept.len(),
        };
        self.kept.insert(place, entry);
        if self.kept.len() > self.count {
            match &self.selection.order {
                Order::Last | Order::Bottom(_) => {
                    self.kept.remove(0);
                }
                _ => self.kept.truncate(self.count),
            }
        }
        Ok(())
    }

    fn is_full_and(&self, test: impl FnOnce(&[(Vec<Bson>, Bson)]) -> bool) -> bool {
        self.kept.len() >= self.count && test(&self.kept)
    }

    pub(super) fn result(self) -> Bson {
        if matches!(self.selection.order, Order::Lowest | Order::Highest) {
            return Bson::Array(self.extremes.into_values());
        }
        let single = self.selection.count.is_none();
        let mut values = self.kept.into_iter().map(|(_, value)| value);
        if single { values.next().unwrap_or(Bson::Null) } else { Bson::Array(values.collect()) }
    }
}

fn sort_key(sort: &Sort, document: &Document) -> Result<Vec<Bson>> {
    Ok(sort.key(document)?.into_iter().cloned().collect())
}
