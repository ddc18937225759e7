//! Reads.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use bson::{Bson, Document, doc};
use futures_util::{StreamExt, stream};
use sqlx::AssertSqlSafe;
use tandem_contract::{Aggregate, DocumentStream, Error, Find, Result, Target};
use tandem_documents::compare::group_key;
use tandem_documents::store::{Gather, Plan, Selection, Window, decode_body};
use tandem_documents::{
    Cost, Filter, Lookup, Pipeline, PipelineEnv, Projection, Sort, distinct_values, until,
};
use tokio::sync::Semaphore;

use super::catalog::Collection;
use super::condition::condition;
use super::cursor::Cursor;
use super::scan::Scan;
use super::session::Session;
use super::{BACKEND, Inner, LIMIT, store_error};

/// Pipelines that compute at once: each may take much memory, and a processor.
static TURNS: Semaphore = Semaphore::const_new(2);

/// Runs a read in a session of its own, and again when it loses or its connection breaks.
macro_rules! read {
    ($self:ident, $target:ident, $session:ident => $work:expr) => {{
        let mut tries = 0;
        loop {
            let mut $session = $self.single($target).await?;
            let result = $work.await;
            match $session.finish(result).await {
                Err(error) if $self.may_try_again(&error, $target, tries, true).await => {
                    $self.catalog.forget(&$target.collection);
                    tries += 1;
                }
                result => break result,
            }
        }
    }};
}

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
        let started = read!(self, target, session =>
            self.start(&mut session, target, &selection, projection.as_ref(), window));
        Ok(match started? {
            Some(cursor) => cursor.into_stream(Arc::clone(self), target.clone(), costly),
            None => stream::empty().boxed(),
        })
    }

    async fn start(
        &self,
        session: &mut Session,
        target: &Target,
        selection: &Selection,
        projection: Option<&Projection>,
        window: Window,
    ) -> Result<Option<Cursor>> {
        let Some(collection) = self.collection(session, &target.collection).await? else {
            return Ok(None);
        };
        let plan = collection.plan(selection);
        let (filter, projection) = (selection.filter.clone(), projection.cloned());
        if selection.sort.is_some() && !plan.sorted {
            let documents = gather(session, &collection, &plan, selection, window).await?;
            return Cursor::of_documents(documents, filter, projection).map(Some);
        }
        let mut scan = scan(&collection, &plan, selection);
        if plan.exact {
            scan.expect_at_most(window.end());
        }
        let mut cursor = Cursor::new(scan, filter, projection, window);
        cursor.fill(session).await?;
        Ok(Some(cursor))
    }

    pub(super) async fn aggregate(&self, target: &Target, aggregate: Aggregate) -> Result<DocumentStream> {
        let deadline = Instant::now().checked_add(target.timeout.unwrap_or(LIMIT));
        let pipeline = Pipeline::parse(&aggregate.pipeline)?;
        let (documents, foreign, rest) =
            read!(self, target, session => self.pipeline_input(&mut session, target, &pipeline))?;
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
        session: &mut Session,
        target: &Target,
        pipeline: &Pipeline,
    ) -> Result<(Vec<Document>, Foreign, Pipeline)> {
        let mut foreign = HashMap::new();
        let everything = Selection::everything()?;
        for name in pipeline.foreign_collections() {
            let documents = match self.collection(session, &name).await? {
                Some(collection) => {
                    gather(session, &collection, &Plan::everything(), &everything, Window::default()).await?
                }
                None => Vec::new(),
            };
            foreign.insert(name, documents);
        }
        let (leading, mut rest) = pipeline.clone().split_leading();
        let (document, filter) = match leading.filter {
            Some((document, filter)) => (document, filter.with_now(self.clock.wall())),
            None => (everything.document, everything.filter),
        };
        let selection = Selection { document, filter, sort: leading.sort };
        let window = Window { skip: leading.skip, limit: leading.limit };
        let documents = match self.collection(session, &target.collection).await? {
            Some(collection) => {
                let plan = collection.plan(&selection);
                let whole = window.skip == 0 && window.limit.is_none();
                let tallied = match whole {
                    true => super::tally::run(session, &collection, &plan, &selection, &rest).await?,
                    false => None,
                };
                match tallied {
                    Some(tallied) => {
                        rest = rest.without_first();
                        tallied
                    }
                    None => gather(session, &collection, &plan, &selection, window).await?,
                }
            }
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
        let enough = limit.map_or(u64::MAX, |limit| limit.saturating_add(skip));
        let counted = read!(self, target, session =>
            self.count_in(&mut session, target, &selection, enough))?;
        Ok(limit.unwrap_or(u64::MAX).min(counted.saturating_sub(skip)))
    }

    async fn count_in(
        &self,
        session: &mut Session,
        target: &Target,
        selection: &Selection,
        enough: u64,
    ) -> Result<u64> {
        let Some(collection) = self.collection(session, &target.collection).await? else {
            return Ok(0);
        };
        if selection.document.is_empty() {
            let count = AssertSqlSafe(format!("SELECT count(*) FROM c{}", collection.id));
            let count: i64 =
                sqlx::query_scalar(count).fetch_one(session.connection()?).await.map_err(store_error)?;
            return Ok(count.unsigned_abs());
        }
        let plan = collection.plan(selection);
        if plan.exact
            && let Some(count) = super::tally::count(session, &collection, &plan).await?
        {
            return Ok(count);
        }
        let mut scan = scan(&collection, &plan, selection);
        let mut count = 0;
        while count < enough
            && let Some(rows) = scan.next(session.connection()?).await?
        {
            for row in rows {
                count += u64::from(selection.filter.matches(&decode_body(&row.body)?)?);
            }
        }
        Ok(count)
    }

    pub(super) async fn distinct(&self, target: &Target, path: &str, filter: Document) -> Result<Vec<Bson>> {
        let selection = self.selection(filter, None)?;
        read!(self, target, session => self.distinct_in(&mut session, target, path, &selection))
    }

    async fn distinct_in(
        &self,
        session: &mut Session,
        target: &Target,
        path: &str,
        selection: &Selection,
    ) -> Result<Vec<Bson>> {
        let Some(collection) = self.collection(session, &target.collection).await? else {
            return Ok(Vec::new());
        };
        let plan = collection.plan(selection);
        let mut scan = scan(&collection, &plan, selection);
        let (mut values, mut seen) = (Vec::new(), HashSet::new());
        while let Some(rows) = scan.next(session.connection()?).await? {
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
        // As others see it: they may have made an index.
        let collection = read!(self, target, session => self.reload(&mut session, &target.collection))?;
        let Some(collection) = collection else {
            return Ok(doc! { "backend": BACKEND, "pushed": {}, "matched": selection.document });
        };
        let mut plan = collection.plan(&selection);
        let predicates = selection.filter.predicates();
        let (_, used) = condition(predicates.iter().filter(|one| !plan.pushed.contains(one)));
        plan.pushed.extend(used.into_iter().cloned());
        Ok(plan.explain(BACKEND, &selection))
    }
}

/// Collections that `$lookup` and `$unionWith` read.
struct Foreign(HashMap<String, Vec<Document>>);

impl Lookup for Foreign {
    fn documents(&self, collection: &str) -> Result<Vec<Document>> {
        Ok(self.0.get(collection).cloned().unwrap_or_default())
    }
}

/// The scan of a plan, with what JSONB shows of the conditions that its keys do not.
fn scan(collection: &Arc<Collection>, plan: &Plan, selection: &Selection) -> Scan {
    if plan.exact {
        return Scan::new(collection, plan, None);
    }
    let predicates = selection.filter.predicates();
    let (condition, _) = condition(predicates.iter().filter(|one| !plan.pushed.contains(one)));
    Scan::new(collection, plan, condition)
}

/// Everything the query selects, in its order.
async fn gather(
    session: &mut Session,
    collection: &Arc<Collection>,
    plan: &Plan,
    selection: &Selection,
    window: Window,
) -> Result<Vec<Document>> {
    let unsorted = selection.sort.as_ref().filter(|_| !plan.sorted);
    let mut gather = Gather::new(unsorted, window);
    let mut scan = scan(collection, plan, selection);
    if unsorted.is_some() {
        // Documents that sort alike stay in the order of insertion, whatever found them.
        scan = scan.settle();
    }
    while !gather.is_full()
        && let Some(rows) = scan.next(session.connection()?).await?
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
