//! Reads.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use bson::{Bson, Document, doc};
use futures_util::{StreamExt, stream};
use sqlx::sqlite::SqliteConnection;
use tandem_contract::{Aggregate, DocumentStream, Error, Find, Result, Target};
use tandem_documents::compare::group_key;
use tandem_documents::store::{Gather, Selection, Window, decode_body, single_id};
use tandem_documents::{
    Cost, Filter, Lookup, Pipeline, PipelineEnv, Projection, Sort, distinct_values, until,
};
use tokio::sync::Semaphore;

use super::catalog::{Collection, load};
use super::cursor::Cursor;
use super::plan;
use super::scan::{AtOnce, Scan};
use super::session::Session;
use super::{BACKEND, Inner, store_error};

/// Pipelines that compute at once: each may take much memory, and a processor.
static TURNS: Semaphore = Semaphore::const_new(2);

impl Inner {
    /// Parses a filter with the time of now.
    pub(super) fn filter(&self, document: &Document) -> Result<Filter> {
        Ok(Filter::parse(document)?.with_now(self.clock.wall()))
    }

    pub(super) fn selection(&self, document: Document, sort: Option<&Document>) -> Result<Selection> {
        let filter = self.filter(&document)?;
        let sort = sort.filter(|sort| !sort.is_empty()).map(Sort::parse).transpose()?;
        Ok(Selection { document, filter, sort })
    }

    pub(super) async fn find(self: &Arc<Self>, target: &Target, find: Find) -> Result<DocumentStream> {
        let costly = find.is_costly();
        let selection = self.selection(find.filter, find.sort.as_ref())?;
        let projection = find.projection.filter(|projection| !projection.is_empty());
        let projection = projection.as_ref().map(Projection::parse).transpose()?;
        let window = Window { skip: find.skip, limit: find.limit };
        if let Some(at_once) = self.at_once(target, &selection, window) {
            let mut lease = self.reader(target).await?;
            let connection = lease.connection().map_err(store_error)?;
            if let Some(rows) = at_once.read(connection, &target.collection).await? {
                let mut cursor = Cursor::new(Scan::of_rows(rows), selection.filter, projection, window);
                cursor.fill(connection).await?;
                return Ok(cursor.into_stream(Arc::clone(self), target.clone(), costly));
            }
        }
        let mut session = self.read(target).await?;
        let started = self.start(&mut session, target, selection, projection, window).await;
        let Some(cursor) = session.finish(started).await? else {
            return Ok(stream::empty().boxed());
        };
        Ok(cursor.into_stream(Arc::clone(self), target.clone(), costly))
    }

    /// How one statement answers a query outside of any transaction; most cannot be answered so.
    fn at_once(&self, target: &Target, selection: &Selection, window: Window) -> Option<AtOnce> {
        if target.transaction.is_some() {
            return None;
        }
        if let Some(key) = single_id(selection) {
            return Some(AtOnce::Id(key));
        }
        let known = self.cache.known(&target.collection)?;
        let plan = plan(&known.collection, selection);
        if selection.sort.is_some() && !plan.sorted {
            return None;
        }
        AtOnce::of_plan(&known, plan, window)
    }

    async fn start(
        &self,
        session: &mut Session,
        target: &Target,
        selection: Selection,
        projection: Option<Projection>,
        window: Window,
    ) -> Result<Option<Cursor>> {
        let connection = session.connection()?;
        let Some(collection) = load(connection, &self.cache, &target.collection).await? else {
            return Ok(None);
        };
        let plan = plan(&collection, &selection);
        if selection.sort.is_some() && !plan.sorted {
            let documents = gather(connection, &collection, &selection, window).await?;
            return Cursor::of_documents(documents.into(), selection.filter, projection).map(Some);
        }
        let mut scan = Scan::open(connection, &collection, &plan).await?;
        if selection.document.is_empty() {
            scan.expect_at_most(window.end());
        }
        let mut cursor = Cursor::new(scan, selection.filter, projection, window);
        cursor.fill(connection).await?;
        Ok(Some(cursor))
    }

    pub(super) async fn aggregate(&self, target: &Target, aggregate: Aggregate) -> Result<DocumentStream> {
        let deadline = target.timeout.and_then(|limit| Instant::now().checked_add(limit));
        let pipeline = Pipeline::parse(&aggregate.pipeline)?;
        let mut session = self.read(target).await?;
        let input = match session.connection() {
            Ok(connection) => self.pipeline_input(connection, target, pipeline).await,
            Err(error) => Err(error),
        };
        let (documents, foreign, rest) = session.finish(input).await?;
        let (now, entropy) = (self.clock.wall(), Arc::clone(&self.entropy));
        let run = move || rest.run(documents, &PipelineEnv { now, lookup: &foreign, entropy: &*entropy });
        let turn = TURNS.acquire().await.map_err(Error::internal)?;
        let compute = move || {
            // Nobody may wait for it any more: its turn is over when it is.
            let _turn = turn;
            until(deadline, run)
        };
        let results = tokio::task::spawn_blocking(compute).await.map_err(Error::internal)??;
        Ok(stream::iter(results.into_iter().map(Ok)).boxed())
    }

    async fn pipeline_input(
        &self,
        connection: &mut SqliteConnection,
        target: &Target,
        pipeline: Pipeline,
    ) -> Result<(Vec<Document>, Foreign, Pipeline)> {
        let mut foreign = HashMap::new();
        let everything = Selection::everything()?;
        for name in pipeline.foreign_collections() {
            let documents = match load(connection, &self.cache, &name).await? {
                Some(collection) => gather(connection, &collection, &everything, Window::default()).await?,
                None => Vec::new(),
            };
            foreign.insert(name, documents);
        }
        let (leading, rest) = pipeline.split_leading();
        let (document, filter) = match leading.filter {
            Some((document, filter)) => (document, filter.with_now(self.clock.wall())),
            None => (everything.document, everything.filter),
        };
        let selection = Selection { document, filter, sort: leading.sort };
        let window = Window { skip: leading.skip, limit: leading.limit };
        let documents = match load(connection, &self.cache, &target.collection).await? {
            Some(collection) => gather(connection, &collection, &selection, window).await?,
            None => Vec::new(),
        };
        Ok((documents, Foreign(foreign), rest))
    }

    pub(super) async fn count(
        &self,
        target: &Target,
        filter: Document,
        skip: u64,
        limit: Option<u64>,
    ) -> Result<u64> {
        let selection = self.selection(filter, None)?;
        let mut session = self.read(target).await?;
        let counted = match session.connection() {
            Ok(connection) => self.count_on(connection, target, &selection, skip, limit).await,
            Err(error) => Err(error),
        };
        let counted = session.finish(counted).await?;
        Ok(limit.unwrap_or(u64::MAX).min(counted.saturating_sub(skip)))
    }

    async fn count_on(
        &self,
        connection: &mut SqliteConnection,
        target: &Target,
        selection: &Selection,
        skip: u64,
        limit: Option<u64>,
    ) -> Result<u64> {
        let Some(collection) = load(connection, &self.cache, &target.collection).await? else {
            return Ok(0);
        };
        if selection.document.is_empty() {
            return count_all(connection, &collection).await;
        }
        let enough = limit.map_or(u64::MAX, |limit| limit.saturating_add(skip));
        let plan = plan(&collection, selection);
        let mut scan = Scan::open(connection, &collection, &plan).await?;
        let mut count = 0;
        while count < enough
            && let Some(rows) = scan.next(connection).await?
        {
            for row in rows {
                count += u64::from(selection.filter.matches(&decode_body(&row.body)?)?);
            }
        }
        Ok(count)
    }

    pub(super) async fn distinct(&self, target: &Target, path: &str, filter: Document) -> Result<Vec<Bson>> {
        let selection = self.selection(filter, None)?;
        let mut session = self.read(target).await?;
        let found = match session.connection() {
            Ok(connection) => self.distinct_on(connection, target, path, &selection).await,
            Err(error) => Err(error),
        };
        session.finish(found).await
    }

    async fn distinct_on(
        &self,
        connection: &mut SqliteConnection,
        target: &Target,
        path: &str,
        selection: &Selection,
    ) -> Result<Vec<Bson>> {
        let Some(collection) = load(connection, &self.cache, &target.collection).await? else {
            return Ok(Vec::new());
        };
        let plan = plan(&collection, selection);
        let mut scan = Scan::open(connection, &collection, &plan).await?;
        let (mut values, mut seen) = (Vec::new(), HashSet::new());
        while let Some(rows) = scan.next(connection).await? {
            for row in rows {
                let document = decode_body(&row.body)?;
                if selection.filter.matches(&document)? {
                    let new = distinct_values(&document, path).into_iter();
                    values.extend(new.filter(|value| seen.insert(group_key(value))));
                }
            }
        }
        Ok(values)
    }

    pub(super) async fn explain(&self, target: &Target, find: Find) -> Result<Document> {
        let selection = self.selection(find.filter, find.sort.as_ref())?;
        let mut session = self.read(target).await?;
        let loaded = match session.connection() {
            Ok(connection) => load(connection, &self.cache, &target.collection).await,
            Err(error) => Err(error),
        };
        Ok(match session.finish(loaded).await? {
            Some(collection) => plan(&collection, &selection).explain(BACKEND, &selection),
            None => doc! { "backend": BACKEND, "pushed": {}, "matched": selection.document },
        })
    }
}

/// Collections that `$lookup` and `$unionWith` read, of the same moment as the input.
struct Foreign(HashMap<String, Vec<Document>>);

impl Lookup for Foreign {
    fn documents(&self, collection: &str) -> Result<Vec<Document>> {
        Ok(self.0.get(collection).cloned().unwrap_or_default())
    }
}

pub(super) async fn count_all(connection: &mut SqliteConnection, collection: &Collection) -> Result<u64> {
    // The index has small rows; the table's rows hold whole documents.
    const COUNT: &str = "SELECT count(*) FROM documents INDEXED BY documents_by_id WHERE collection = ?";
    let count: i64 =
        sqlx::query_scalar(COUNT).bind(collection.id).fetch_one(connection).await.map_err(store_error)?;
    Ok(count.unsigned_abs())
}

/// Everything the query selects, in its order.
async fn gather(
    connection: &mut SqliteConnection,
    collection: &Collection,
    selection: &Selection,
    window: Window,
) -> Result<Vec<Document>> {
    let plan = plan(collection, selection);
    let mut gather = Gather::new(selection.sort.as_ref().filter(|_| !plan.sorted), window);
    let mut scan = Scan::open(connection, collection, &plan).await?;
    while !gather.is_full()
        && let Some(rows) = scan.next(connection).await?
    {
        for row in rows {
            let document = decode_body(&row.body)?;
            if selection.filter.matches(&document)? {
                gather.push(document, row.body.len())?;
            }
            if gather.is_full() {
                break;
            }
        }
    }
    gather.finish()
}
