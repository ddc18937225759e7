use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use parking_lot::Mutex;
use tandem_contract::{Clock, Error, FunctionName, FunctionStore, JsEngine, Result};

use super::Admission;
use super::assemble::{Units, assemble};
use super::cache::{Cache, Entry, Hit};
use super::unit::{Unit, Version};
use crate::metrics::Metrics;

/// How often a load starts over because functions changed while it read them. Each round needs a
/// change within the milliseconds of a load; past this many the last reading is served uncached.
const ROUNDS: usize = 32;

/// How many functions a reconciliation reads at once: the most a store's page holds.
const PAGE: usize = 1000;

type Loading = Shared<BoxFuture<'static, Result<Option<Arc<Entry>>>>>;

/// Finds functions by name, ready to run.
pub(super) struct Resolver {
    functions: Arc<dyn FunctionStore>,
    engine: Arc<dyn JsEngine>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    admission: Arc<Admission>,
    cache: Cache,
    loading: Mutex<HashMap<Arc<str>, Loading>>,
}

/// What a resolver is made of.
pub(super) struct ResolverParts {
    pub(super) functions: Arc<dyn FunctionStore>,
    pub(super) engine: Arc<dyn JsEngine>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Arc<Metrics>,
    /// Where functions have their shares.
    pub(super) admission: Arc<Admission>,
    /// Functions held ready at most.
    pub(super) capacity: usize,
}

impl Resolver {
    pub(super) fn new(parts: ResolverParts) -> Arc<Self> {
        let ResolverParts { functions, engine, clock, metrics, admission, capacity } = parts;
        let cache = Cache::new(capacity, clock.monotonic());
        Arc::new(Self { functions, engine, clock, metrics, admission, cache, loading: Mutex::default() })
    }

    pub(super) fn len(&self) -> usize {
        self.cache.len()
    }

    pub(super) async fn find(self: &Arc<Self>, name: &str) -> Result<Option<Arc<Entry>>> {
        match self.cache.get(name, self.clock.monotonic()) {
            Hit::Found(entry) => Ok(Some(entry)),
            Hit::Absent => Ok(None),
            // A row under a name that breaks the rule can be in a store that other tools write.
            Hit::Unknown if FunctionName::new(name).is_err() => Ok(None),
            Hit::Unknown => self.load(name).await,
        }
    }

    /// Joins the load of `name` that is under way, or starts one. The load is a task of its own:
    /// it ends, and leaves the table, even if every caller goes away.
    async fn load(self: &Arc<Self>, name: &str) -> Result<Option<Arc<Entry>>> {
        let loading = {
            let mut table = self.loading.lock();
            match table.get(name) {
                Some(loading) => loading.clone(),
                None => {
                    let name: Arc<str> = name.into();
                    let loading = self.clone().start(name.clone());
                    table.insert(name, loading.clone());
                    loading
                }
            }
        };
        loading.await
    }

    fn start(self: Arc<Self>, name: Arc<str>) -> Loading {
        let task = tokio::spawn(async move {
            let loaded = self.load_now(&name).await;
            self.loading.lock().remove(&name);
            loaded
        });
        async move { task.await.unwrap_or_else(|error| Err(Error::internal(error))) }.boxed().shared()
    }

    async fn load_now(&self, name: &Arc<str>) -> Result<Option<Arc<Entry>>> {
        let mut last = None;
        for _ in 0..ROUNDS {
            let epoch = self.cache.epoch();
            let mut units = self.reader();
            let entry = match units.unit(name).await? {
                None => None,
                Some(root) => {
                    let assembled = assemble(&mut units, root.clone()).await?;
                    let (metrics, share) = (self.metrics.function(name), self.admission.share(name));
                    Some(Arc::new(Entry::new(&root, assembled, metrics, share)))
                }
            };
            if self.cache.install(epoch, name, entry.clone(), units.read, self.clock.monotonic()) {
                if let Some(Ok(program)) = entry.as_ref().map(|entry| &entry.program) {
                    self.engine.retire(name, Some(&program.hash));
                }
                return Ok(entry);
            }
            last = entry;
        }
        Ok(last)
    }

    /// Units from the cache, else from the store.
    pub(super) fn reader(&self) -> Reader<'_> {
        Reader { resolver: self, read: Vec::new() }
    }

    /// Forgets `name` after this process published or deleted it, so that the next call sees it.
    pub(super) fn changed_here(&self, name: &str, deleted: bool) {
        self.cache.invalidate(name);
        if deleted {
            self.engine.retire(name, None);
        }
    }

    /// Reads `name` again if anything cached depends on it, and drops what became stale. What is
    /// cached keeps serving when the store does not answer.
    ///
    /// # Errors
    /// Those of the store: try again later.
    pub(super) async fn refresh(&self, name: &str) -> Result<()> {
        if !self.cache.concerns(name) {
            // A load under way may have read what is stale now: have it read again.
            if !self.loading.lock().is_empty() {
                self.cache.invalidate(name);
            }
            return Ok(());
        }
        for _ in 0..ROUNDS {
            let epoch = self.cache.epoch();
            let function = self.functions.get(name).await?;
            let cached = self.cache.unit(name);
            let unit = match (function, cached) {
                (Some(function), Some(cached)) if cached.is(&Version::of(&function)) => return Ok(()),
                (Some(function), _) => Some(Unit::parse(function).await?),
                (None, _) => None,
            };
            let deleted = unit.is_none();
            if self.cache.replace(epoch, name, unit) {
                if deleted {
                    self.engine.retire(name, None);
                }
                return Ok(());
            }
        }
        self.changed_here(name, false);
        Ok(())
    }

    /// Compares all that is cached with the store's listing.
    ///
    /// # Errors
    /// Those of the store: try again later.
    pub(super) async fn reconcile(&self) -> Result<()> {
        let mut stale: HashSet<Arc<str>> = self.cache.units().iter().map(|unit| unit.name.clone()).collect();
        let missing = self.cache.missing();
        if stale.is_empty() && missing.is_empty() {
            return Ok(());
        }
        let mut after: Option<String> = None;
        loop {
            let page = self.functions.list(after.as_deref(), PAGE).await?;
            for listed in &page.functions {
                let name = listed.name.as_str();
                let cached = self.cache.unit(name);
                if cached
                    .is_some_and(|unit| unit.is_listed_as(listed.revision, &listed.hash, &listed.methods))
                {
                    stale.remove(name);
                } else if let Some(name) = missing.get(name) {
                    stale.insert(name.clone());
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        for name in stale {
            self.refresh(&name).await?;
        }
        Ok(())
    }
}

/// Reads units and remembers those that came from the store, to be installed together.
pub(super) struct Reader<'a> {
    resolver: &'a Resolver,
    read: Vec<Arc<Unit>>,
}

impl Units for Reader<'_> {
    async fn unit(&mut self, name: &str) -> Result<Option<Arc<Unit>>> {
        if let Some(unit) = self.resolver.cache.unit(name) {
            return Ok(Some(unit));
        }
        let Some(function) = self.resolver.functions.get(name).await? else { return Ok(None) };
        let unit = Unit::parse(function).await?;
        self.read.push(unit.clone());
        Ok(Some(unit))
    }
}
