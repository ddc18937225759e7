//! Whatever the store answers by itself, the result is what `tandem_documents` says on a plain list.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use bson::{Bson, DateTime, Document, doc};
use futures_util::TryStreamExt;
use proptest::prelude::*;
use tandem_contract::{Delete, DocumentStore, Find, IndexSpec, Result, Update, UpdateSpec};
use tandem_documents::{Filter, Sort, UpdateContext};
use tokio::runtime::Runtime;

use crate::Place;
use crate::common::{index, target, update};

fn scalar() -> impl Strategy<Value = Bson> {
    prop_oneof![
        4 => (-2..4_i32).prop_map(Bson::Int32),
        2 => prop::sample::select(vec![-1.5, 0.0, 1.0, 2.5, f64::NAN]).prop_map(Bson::Double),
        1 => (0..3_i64).prop_map(Bson::Int64),
        2 => prop::sample::select(vec!["", "a", "ab", "b\0"]).prop_map(Bson::from),
        1 => Just(Bson::Null),
        1 => any::<bool>().prop_map(Bson::Boolean),
        1 => (0..2_i64).prop_map(|millis| Bson::DateTime(DateTime::from_millis(millis))),
        1 => prop::sample::select(vec![Bson::MinKey, Bson::MaxKey]),
    ]
}

fn value() -> impl Strategy<Value = Bson> {
    let inner = prop_oneof![4 => scalar(), 1 => scalar().prop_map(|d| Bson::Document(doc! { "d": d }))];
    prop_oneof![
        5 => scalar(),
        1 => scalar().prop_map(|d| Bson::Document(doc! { "d": d })),
        2 => prop::collection::vec(inner, 0..4).prop_map(Bson::Array),
    ]
}

fn document() -> impl Strategy<Value = Document> {
    let field = || prop::option::weighted(0.8, value());
    (field(), field(), field()).prop_map(|(a, b, c)| {
        let fields = [("a", a), ("b", b), ("c", c)];
        fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    })
}

fn path() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "c", "c.d", "a.d"])
}

fn condition() -> impl Strategy<Value = Document> {
    let operator = prop::sample::select(vec!["$eq", "$gt", "$gte", "$lt", "$lte", "$ne"]);
    let range =
        || (scalar(), scalar()).prop_map(|(low, high)| Bson::Document(doc! { "$gte": low, "$lt": high }));
    let test = prop_oneof![
        4 => value(),
        4 => (operator, value()).prop_map(|(operator, value)| Bson::Document(doc! { operator: value })),
        2 => range(),
        2 => prop::collection::vec(value(), 0..4).prop_map(|values| Bson::Document(doc! { "$in": values })),
        1 => any::<bool>().prop_map(|exists| Bson::Document(doc! { "$exists": exists })),
        1 => range().prop_map(|range| Bson::Document(doc! { "$elemMatch": range })),
    ];
    (path(), test).prop_map(|(path, test)| doc! { path: test })
}

fn filter() -> impl Strategy<Value = Document> {
    prop_oneof![
        3 => condition(),
        3 => (condition(), condition()).prop_map(|(one, two)| one.into_iter().chain(two).collect()),
        2 => (condition(), condition()).prop_map(|(one, two)| doc! { "$and": [one, two] }),
        1 => (condition(), condition()).prop_map(|(one, two)| doc! { "$or": [one, two] }),
        1 => condition().prop_map(|mut one| {
            one.extend(partial());
            one
        }),
        1 => prop::collection::vec(0..12_i32, 0..4).prop_map(|ids| doc! { "_id": { "$in": ids } }),
        1 => (0..12_i32).prop_map(|id| doc! { "_id": { "$gt": id } }),
    ]
}

fn order(longest: usize) -> impl Strategy<Value = Document> {
    let field = (path(), prop::sample::select(vec![1, -1]));
    prop::collection::vec(field, 1..=longest).prop_map(|fields| {
        fields.into_iter().map(|(path, way)| (path.to_owned(), Bson::Int32(way))).collect()
    })
}

fn partial() -> Document {
    doc! { "b": { "$gte": 0 } }
}

fn index_spec() -> impl Strategy<Value = IndexSpec> {
    let options = (any::<bool>(), prop::bool::weighted(0.2), prop::bool::weighted(0.2));
    (order(2), options).prop_map(|(keys, (sparse, is_partial, unique))| IndexSpec {
        unique,
        sparse: sparse && !is_partial,
        partial_filter: is_partial.then(partial),
        ..index(keys)
    })
}

#[derive(Clone, Debug)]
enum Write {
    Update(Document, Document),
    Delete(Document),
}

fn write() -> impl Strategy<Value = Write> {
    let operators = prop_oneof![
        3 => (path(), value()).prop_map(|(path, value)| doc! { "$set": { path: value } }),
        1 => path().prop_map(|path| doc! { "$unset": { path: 1 } }),
    ];
    prop_oneof![
        4 => (filter(), operators).prop_map(|(filter, operators)| Write::Update(filter, operators)),
        1 => filter().prop_map(Write::Delete),
    ]
}

/// What the list holds after `write`, or the error that leaves it as it is.
fn model(documents: &[Document], write: &Write) -> Result<Vec<Document>> {
    let (filter, change) = match write {
        Write::Update(filter, operators) => {
            let spec = UpdateSpec::Operators(operators.clone());
            (filter, Some(tandem_documents::Update::parse(&spec, &[])?))
        }
        Write::Delete(filter) => (filter, None),
    };
    let filter = Filter::parse(filter)?;
    let mut out = Vec::new();
    for document in documents {
        let mut document = document.clone();
        match (filter.find(&document)?, &change) {
            (Some(_), None) => continue,
            (Some(matched), Some(change)) => {
                let now = SystemTime::UNIX_EPOCH;
                let context = UpdateContext { now, array_position: matched.array_position, inserting: false };
                change.apply(&mut document, &context)?;
            }
            (None, _) => {}
        }
        out.push(document);
    }
    Ok(out)
}

fn query(documents: &[Document], find: &Find) -> Result<Vec<Document>> {
    let filter = Filter::parse(&find.filter)?;
    let mut found = Vec::new();
    for document in documents {
        if filter.matches(document)? {
            found.push(document.clone());
        }
    }
    if let Some(sort) = &find.sort {
        Sort::parse(sort)?.sort(&mut found)?;
    }
    let limit = find.limit.map_or(usize::MAX, |limit| limit as usize);
    Ok(found.into_iter().skip(find.skip as usize).take(limit).collect())
}

async fn find(store: &dyn DocumentStore, name: &str, find: Find) -> Result<Vec<Document>> {
    store.find(&target(name), find).await?.try_collect().await
}

/// NaN is not equal to itself; bytes are.
fn bytes(documents: Vec<Document>) -> Vec<Vec<u8>> {
    documents.iter().map(|document| document.to_vec().unwrap()).collect()
}

/// Queries that an index answered.
static BY_INDEX: AtomicU32 = AtomicU32::new(0);

async fn check(store: &dyn DocumentStore, case: Case) -> std::result::Result<(), TestCaseError> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("case{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let numbered = case.documents.into_iter().enumerate().map(|(id, document)| {
        let id = Bson::Int32(i32::try_from(id).unwrap());
        [("_id".to_owned(), id)].into_iter().chain(document).collect::<Document>()
    });
    let mut held: Vec<Document> = numbered.collect();
    let early = case.index_first;
    for spec in case.indexes.iter().filter(|_| early) {
        // One that clashes with the other is refused.
        let _ = store.create_index(&target(&name), spec.clone()).await;
    }
    let result = store.insert(&target(&name), held.clone(), false).await.unwrap();
    held.retain(|document| result.inserted_ids.values().any(|id| Some(id) == document.get("_id")));
    for spec in case.indexes.into_iter().filter(|_| !early) {
        // One over paths through different arrays is refused.
        let _ = store.create_index(&target(&name), spec).await;
    }
    for write in case.writes {
        let done = match write.clone() {
            Write::Update(filter, operators) => {
                let many = Update { many: true, ..update(filter, operators) };
                store.update(&target(&name), many).await.map(|result| result.matched)
            }
            Write::Delete(filter) => store.delete(&target(&name), Delete { filter, many: true }).await,
        };
        if done.is_ok() {
            held = model(&held, &write).unwrap();
        }
    }
    let everything = find(store, &name, Find::default()).await.unwrap();
    prop_assert_eq!(bytes(everything), bytes(held.clone()));
    for wanted in case.finds {
        let told = store.explain(&target(&name), wanted.clone()).await.unwrap_or_default();
        BY_INDEX.fetch_add(u32::from(told.contains_key("index")), Ordering::Relaxed);
        match (query(&held, &wanted), find(store, &name, wanted.clone()).await) {
            (Ok(expected), Ok(found)) if wanted.sort.is_some() => {
                prop_assert_eq!(bytes(found), bytes(expected), "{:?} {:?}", &wanted, told);
            }
            (Ok(expected), Ok(found)) => {
                // Which ones come, and in what order, is left open: how many is not, nor that each
                // matches and comes once.
                prop_assert_eq!(found.len(), expected.len(), "{:?} {:?}", &wanted, told);
                let whole = Find { skip: 0, limit: None, ..wanted.clone() };
                let mut all: Vec<_> = bytes(query(&held, &whole).unwrap());
                for one in bytes(found) {
                    let at = all.iter().position(|other| *other == one);
                    prop_assert!(at.is_some(), "{:?} {:?}", &wanted, told);
                    all.swap_remove(at.unwrap());
                }
                let counted =
                    store.count(&target(&name), wanted.filter.clone(), wanted.skip, wanted.limit).await;
                let unsorted = Find { sort: None, ..wanted };
                prop_assert_eq!(counted.unwrap() as usize, query(&held, &unsorted).unwrap().len());
            }
            (Err(expected), Err(found)) => prop_assert_eq!(expected.kind(), found.kind()),
            // An index gives the order that sorting in memory refuses: no document that matches has
            // the arrays that were refused. Or the plan never looked at the document that errs.
            (Err(_), Ok(_)) => {}
            (Ok(_), Err(found)) => prop_assert!(false, "{:?}: {}", &wanted, found),
        }
    }
    store.drop_collection(&target(&name)).await.unwrap();
    Ok(())
}

#[derive(Clone, Debug)]
struct Case {
    documents: Vec<Document>,
    indexes: Vec<IndexSpec>,
    index_first: bool,
    writes: Vec<Write>,
    finds: Vec<Find>,
}

fn case() -> impl Strategy<Value = Case> {
    let sort = prop::option::of(prop_oneof![4 => order(2), 1 => Just(doc! { "_id": -1 })]);
    let window = (prop_oneof![3 => Just(0_u64), 1 => 0..4_u64], prop::option::of(0..6_u64));
    let find = (filter(), sort, window).prop_map(|(filter, sort, (skip, limit))| Find {
        filter,
        sort,
        skip,
        limit,
        projection: None,
    });
    (
        prop::collection::vec(document(), 0..12),
        prop::collection::vec(index_spec(), 1..3),
        any::<bool>(),
        prop::collection::vec(write(), 0..3),
        prop::collection::vec(find, 1..8),
    )
        .prop_map(|(documents, indexes, index_first, writes, finds)| Case {
            documents,
            indexes,
            index_first,
            writes,
            finds,
        })
}

/// Makes the place, or nothing where there is no server.
pub type MakePlace<P> = fn() -> std::pin::Pin<Box<dyn Future<Output = Option<P>>>>;

/// See the name. Not async: the cases take more of the stack than a test's thread has.
pub fn an_index_never_changes_an_answer<P: Place + 'static>(make: MakePlace<P>) {
    const STACK: usize = 32 << 20;
    let run = move || {
        let runtime = Runtime::new().unwrap();
        let Some(place) = runtime.block_on(make()) else { return false };
        let store = runtime.block_on(place.documents());
        let config = ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() };
        let mut runner = proptest::test_runner::TestRunner::new(config);
        runner.run(&case(), |case| runtime.block_on(check(&*store, case))).unwrap();
        runtime.block_on(async move { drop((store, place)) });
        true
    };
    let ran = std::thread::Builder::new().stack_size(STACK).spawn(run).unwrap().join().unwrap();
    assert!(!ran || BY_INDEX.load(Ordering::Relaxed) > 100, "the cases hardly use an index");
}
