//! Counts that keys alone give: no document has to be read.

use bson::{Bson, Document};
use sqlx::{AssertSqlSafe, Row as _};
use tandem_contract::Result;
use tandem_documents::store::{Access, KeyRange, Plan, Selection, Source, decode_body};
use tandem_documents::{Pipeline, Tally};

use super::catalog::Collection;
use super::keys::{stored, stored_range};
use super::rows::{check_version, table};
use super::session::Session;
use super::store_error;

/// How many documents an exact plan yields; nothing when it cannot be told so.
pub(super) async fn count(
    session: &mut Session,
    collection: &Collection,
    plan: &Plan,
) -> Result<Option<u64>> {
    let Some((source, ranges)) = keys_of(collection, plan) else { return Ok(None) };
    let (table, key) = table(source);
    let read = AssertSqlSafe(format!(
        "SELECT v.version, (SELECT count(*) FROM unnest($1::bytea[], $2::bytea[]) AS r (lower, upper)
            JOIN {table} AS e ON e.{key} >= r.lower AND e.{key} < r.upper)
         FROM collections AS v WHERE v.id = $3"
    ));
    let (lower, upper) = bounds(&ranges);
    let query = sqlx::query(read).bind(lower).bind(upper).bind(collection.id);
    let rows = query.fetch_all(session.connection()?).await.map_err(store_error)?;
    check_version(&rows, collection)?;
    let count = rows.first().map_or(Ok(0), |row| row.try_get::<i64, _>(1)).map_err(store_error)?;
    Ok(Some(count.unsigned_abs()))
}

/// Runs the first stage of `rest` when it counts what an exact plan yields, as a whole or by the
/// values of an index; nothing when it is another stage, or the keys do not show the answer.
pub(super) async fn run(
    session: &mut Session,
    collection: &Collection,
    plan: &Plan,
    selection: &Selection,
    rest: &Pipeline,
) -> Result<Option<Vec<Document>>> {
    let Some(tally) = rest.leading_tally() else { return Ok(None) };
    if !plan.exact || selection.sort.is_some() {
        return Ok(None);
    }
    match &tally.by {
        None => {
            let count = if selection.document.is_empty() {
                whole(session, collection).await?
            } else {
                match count(session, collection, plan).await? {
                    Some(count) => count,
                    None => return Ok(None),
                }
            };
            Ok(Some((count > 0).then(|| tally.document(Bson::Null, count)).into_iter().collect()))
        }
        Some(path) => groups(session, collection, plan, selection, &tally, path).await,
    }
}

async fn whole(session: &mut Session, collection: &Collection) -> Result<u64> {
    let count = AssertSqlSafe(format!("SELECT count(*) FROM c{}", collection.id));
    let count: i64 = sqlx::query_scalar(count).fetch_one(session.connection()?).await.map_err(store_error)?;
    Ok(count.unsigned_abs())
}

/// Groups by the one path of an index: equal values have equal keys. Each group has the value of its
/// first document, and groups come in the order of those.
async fn groups(
    session: &mut Session,
    collection: &Collection,
    plan: &Plan,
    selection: &Selection,
    tally: &Tally,
    path: &str,
) -> Result<Option<Vec<Document>>> {
    let by_path = collection.indexes.iter().find(|index| {
        let spec = &index.definition.spec;
        matches!(index.definition.keys.fields(), [(one, _)] if one == path)
            && !(index.multikey || index.cut || spec.sparse || spec.partial_filter.is_some())
    });
    let Some(index) = by_path else { return Ok(None) };
    let ranges = match &plan.access {
        _ if selection.document.is_empty() => vec![KeyRange::of_prefix(Vec::new())],
        Access::Index { source: Source::Plain(id) | Source::Unique(id), ranges, .. } if *id == index.id => {
            ranges.clone()
        }
        _ => return Ok(None),
    };
    let read = AssertSqlSafe(format!(
        "SELECT v.version, g.count, d.body FROM collections AS v LEFT JOIN LATERAL (
            SELECT count(*) AS count, min(e.seq) AS seq FROM unnest($1::bytea[], $2::bytea[]) AS r (lower, upper)
            JOIN i{} AS e ON e.key >= r.lower AND e.key < r.upper GROUP BY e.key
         ) AS g ON true LEFT JOIN c{} AS d ON d.seq = g.seq WHERE v.id = $3 ORDER BY g.seq",
        index.id, collection.id
    ));
    let (lower, upper) = bounds(&ranges);
    let query = sqlx::query(read).bind(lower).bind(upper).bind(collection.id);
    let rows = query.fetch_all(session.connection()?).await.map_err(store_error)?;
    check_version(&rows, collection)?;
    let mut documents = Vec::with_capacity(rows.len());
    for row in &rows {
        let Some(count) = row.try_get::<Option<i64>, _>(1).map_err(store_error)? else { continue };
        let first = decode_body(row.try_get(2).map_err(store_error)?)?;
        documents.push(tally.document(value_at(&first, path), count.unsigned_abs()));
    }
    Ok(Some(documents))
}

/// The value at a path that meets no array; null where there is none.
fn value_at(document: &Document, path: &str) -> Bson {
    match path.split_once('.') {
        None => document.get(path).cloned().unwrap_or(Bson::Null),
        Some((first, rest)) => match document.get(first) {
            Some(Bson::Document(inner)) => value_at(inner, rest),
            _ => Bson::Null,
        },
    }
}

fn keys_of(collection: &Collection, plan: &Plan) -> Option<(Source, Vec<KeyRange>)> {
    match &plan.access {
        Access::Natural => None,
        Access::Ids(keys) => {
            let range = |key: &Vec<u8>| {
                let (lower, _) = stored(key.clone());
                // The next bytes after this key: no key is the start of another.
                let upper = [lower.as_slice(), &[0]].concat();
                KeyRange { lower, upper }
            };
            Some((Source::Id(collection.id), keys.iter().map(range).collect()))
        }
        Access::Index { source, ranges, .. } => Some((*source, ranges.iter().map(stored_range).collect())),
    }
}

fn bounds(ranges: &[KeyRange]) -> (Vec<&[u8]>, Vec<&[u8]>) {
    ranges.iter().map(|range| (range.lower.as_slice(), range.upper.as_slice())).unzip()
}
