//! Properties that hold for all documents, filters and updates.

mod support;

use std::cmp::Ordering;
use std::time::SystemTime;

use bson::{Bson, Document, doc};
use proptest::prelude::*;
use support::{document, filter, sort, update, value};
use tandem_contract::UpdateSpec;
use tandem_documents::index_key::{IndexKeys, encode, keys};
use tandem_documents::{
    Direction, Filter, Pipeline, Predicate, Projection, Sort, Test, Update, UpdateContext, compare,
    distinct_values,
};

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn index_keys_order_as_values_do(left in value(), right in value()) {
        let order = compare::compare(&left, &right);
        let key = |value: &Bson, direction| encode(&[(value.clone(), direction)]);
        let (up, down) = (Direction::Ascending, Direction::Descending);
        prop_assert_eq!(key(&left, up).cmp(&key(&right, up)), order);
        prop_assert_eq!(key(&left, down).cmp(&key(&right, down)), order.reverse());
        prop_assert_eq!(compare::group_key(&left) == compare::group_key(&right), order.is_eq());
    }

    #[test]
    fn compound_index_keys_order_field_by_field(l in (value(), value()), r in (value(), value())) {
        let key = |(first, second): &(Bson, Bson)| {
            encode(&[(first.clone(), Direction::Descending), (second.clone(), Direction::Ascending)])
        };
        let order = compare::compare(&l.0, &r.0).reverse().then_with(|| compare::compare(&l.1, &r.1));
        prop_assert_eq!(key(&l).cmp(&key(&r)), order);
    }

    #[test]
    fn comparison_is_a_total_order(a in value(), b in value(), c in value()) {
        prop_assert_eq!(compare::compare(&a, &b), compare::compare(&b, &a).reverse());
        prop_assert_eq!(compare::compare(&a, &a), Ordering::Equal);
        if compare::compare(&a, &b).is_le() && compare::compare(&b, &c).is_le() {
            prop_assert!(compare::compare(&a, &c).is_le());
        }
    }

    #[test]
    fn predicates_are_necessary(filter in filter(), document in document()) {
        let Ok(filter) = Filter::parse(&filter) else { return Ok(()) };
        if !filter.matches(&document).unwrap_or(false) {
            return Ok(());
        }
        for Predicate { path, test } in filter.predicates() {
            let pattern = IndexKeys::parse(&doc! { path.as_str(): 1 }).unwrap();
            let Ok(keys) = keys(&document, &pattern) else { continue };
            prop_assert!(
                keys.iter().any(|key| passes(&key[0], &test)) || test == Test::Exists,
                "{path} {test:?} {keys:?}"
            );
            if test == Test::Exists {
                let sparse = tandem_documents::index_key::keys(&document, &pattern.with_sparse(true)).unwrap();
                prop_assert!(!sparse.is_empty());
            }
        }
    }

    #[test]
    fn sorting_orders_and_keeps_all(sort in sort(), documents in prop::collection::vec(document(), 0..8)) {
        let sort = Sort::parse(&sort).unwrap();
        let mut sorted = documents.clone();
        if sort.sort(&mut sorted).is_err() {
            return Ok(());
        }
        prop_assert_eq!(sorted.len(), documents.len());
        for pair in sorted.windows(2) {
            prop_assert!(sort.compare(&pair[0], &pair[1]).is_le());
        }
        let mut again = sorted.clone();
        sort.sort(&mut again).unwrap();
        prop_assert_eq!(again, sorted);
    }

    #[test]
    fn setting_again_changes_nothing(document in document(), path in support::path(), new in value()) {
        let update = Update::parse(&UpdateSpec::Operators(doc! { "$set": { path: new } }), &[]).unwrap();
        let mut changed = document;
        if update.apply(&mut changed, &context()).is_err() {
            return Ok(());
        }
        let before = changed.clone();
        prop_assert!(!update.apply(&mut changed, &context()).unwrap());
        prop_assert_eq!(changed, before);
    }

    #[test]
    fn a_failed_update_leaves_the_document(document in document(), update in update()) {
        let Ok(update) = Update::parse(&UpdateSpec::Operators(update), &[]) else { return Ok(()) };
        let mut changed = document.clone();
        if update.apply(&mut changed, &context()).is_err() {
            prop_assert_eq!(format!("{changed:?}"), format!("{document:?}"));
        }
    }

    #[test]
    fn anything_is_parsed_or_refused(anything in support::anything(), document in document()) {
        if let Ok(filter) = Filter::parse(&anything) {
            let _ = filter.matches(&document);
        }
        if let Ok(projection) = Projection::parse(&anything) {
            let _ = projection.apply(&document, None);
        }
        if let Ok(update) = Update::parse(&UpdateSpec::Operators(anything.clone()), std::slice::from_ref(&anything)) {
            let _ = update.apply(&mut document.clone(), &context());
        }
        let _ = Sort::parse(&anything);
        let _ = IndexKeys::parse(&anything);
        let _ = Pipeline::parse(std::slice::from_ref(&anything));
        let _ = Filter::parse(&doc! { "$expr": anything }).map(|filter| filter.matches(&document));
    }

    #[test]
    fn distinct_values_are_found_by_the_filter(document in document(), path in support::path()) {
        if path.split('.').any(|part| part.parse::<u32>().is_ok()) {
            return Ok(());
        }
        for value in distinct_values(&document, &path) {
            if matches!(value, Bson::RegularExpression(_) | Bson::Undefined) {
                continue;
            }
            let filter = Filter::parse(&doc! { path.as_str(): { "$eq": value } }).unwrap();
            prop_assert!(filter.matches(&document).unwrap());
        }
    }
}

fn context() -> UpdateContext {
    UpdateContext { now: SystemTime::UNIX_EPOCH, array_position: None, inserting: false }
}

fn passes(key: &Bson, test: &Test) -> bool {
    let order = |bound: &Bson| compare::compare(key, bound);
    match test {
        Test::Eq(wanted) => order(wanted).is_eq(),
        Test::In(wanted) => wanted.iter().any(|wanted| order(wanted).is_eq()),
        Test::Range { lower, upper } => {
            let above = lower
                .as_ref()
                .is_none_or(|(bound, included)| order(bound).is_gt() || (*included && order(bound).is_eq()));
            let below = upper
                .as_ref()
                .is_none_or(|(bound, included)| order(bound).is_lt() || (*included && order(bound).is_eq()));
            above && below
        }
        Test::Exists => true,
    }
}

/// A document nested `levels` deep, built and taken apart without recursion of its own.
fn nested(levels: usize, name: &str) -> Document {
    (1..levels).fold(doc! { name: 1 }, |inner, _| doc! { name: inner })
}

#[test]
fn deep_nesting_is_refused() {
    let deep = |name: &str| nested(200, name);
    assert!(Filter::parse(&deep("a")).is_err());
    assert!(Filter::parse(&doc! { "a": deep("$not") }).is_err());
    assert!(Filter::parse(&doc! { "$expr": deep("$abs") }).is_err());
    assert!(Projection::parse(&deep("a")).is_err());
    assert!(Pipeline::parse(&[doc! { "$addFields": deep("a") }]).is_err());
    assert!(Update::parse(&UpdateSpec::Replacement(deep("a")), &[]).is_err());
    let path = vec!["a"; 300].join(".");
    assert!(Update::parse(&UpdateSpec::Operators(doc! { "$set": { path: 1 } }), &[]).is_err());
    let parallel: Vec<Bson> = (0..99).map(|_| Bson::Int32(1)).collect();
    assert!(Filter::parse(&doc! { "$expr": { "$abs": [nested(90, "$abs")], "x": parallel } }).is_err());
}

#[test]
fn small_pipelines_cannot_fill_the_memory() {
    let double = |name: &str| doc! { "$addFields": { "a": { name: ["$a", "$a"] } } };
    let range = doc! { "$addFields": { "a": { "$range": [0, 2_000_000_000] } } };
    let stages = |stage: Document, count: usize| {
        let mut stages = vec![doc! { "$addFields": { "a": ["x"] } }];
        stages.extend(std::iter::repeat_n(stage, count));
        stages
    };
    for pipeline in
        [stages(double("$concatArrays"), 60), stages(doc! { "$addFields": { "a": ["$a", "$a"] } }, 60)]
    {
        assert!(run(&pipeline).is_err());
    }
    assert!(Pipeline::parse(std::slice::from_ref(&range)).is_err() || run(&[range]).is_err());
    let unwind = doc! { "$unwind": "$a" };
    let fill = doc! { "$addFields": { "a": { "$range": [0, 1000] }, "b": { "$range": [0, 50_000] } } };
    assert!(run(&[fill, unwind]).is_err());
    let padded = UpdateSpec::Operators(doc! { "$set": { "a.1400000000": 1 } });
    let update = Update::parse(&padded, &[]).unwrap();
    assert!(update.apply(&mut doc! { "a": [] }, &context()).is_err());
}

#[test]
fn patterns_that_backtrack_for_ever_are_stopped() {
    let linear = Filter::parse(&doc! { "a": { "$regex": "(a+)+$" } }).unwrap();
    let text = doc! { "a": format!("{}b", "a".repeat(5000)) };
    assert!(!linear.matches(&text).unwrap());
    let backtracking = Filter::parse(&doc! { "a": { "$regex": "^(?=(a+)+$)(a|aa)+\\1$" } }).unwrap();
    assert!(backtracking.matches(&text).is_err() || !backtracking.matches(&text).unwrap());
}

struct Nothing;

impl tandem_documents::Lookup for Nothing {
    fn documents(&self, _collection: &str) -> tandem_contract::Result<Vec<Document>> {
        Ok(Vec::new())
    }
}

fn run(stages: &[Document]) -> tandem_contract::Result<Vec<Document>> {
    let env = tandem_documents::PipelineEnv {
        now: SystemTime::UNIX_EPOCH,
        lookup: &Nothing,
        entropy: &tandem_contract::SystemEntropy,
    };
    Pipeline::parse(stages)?.run(vec![doc! { "_id": 1 }], &env)
}
