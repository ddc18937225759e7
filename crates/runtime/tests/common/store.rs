use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::SystemTime;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream::unfold;
use tandem_contract::{
    Change, ChangeStream, Error, ErrorKind, Expected, Function, FunctionDraft, FunctionPage, FunctionStore,
    FunctionSummary, Language, Result,
};
use tokio::sync::broadcast;

pub(crate) struct MemoryFunctions {
    rows: Mutex<(u64, BTreeMap<String, Function>)>,
    changes: broadcast::Sender<Change>,
    pub(crate) reads: AtomicUsize,
    pub(crate) down: AtomicBool,
}

impl Default for MemoryFunctions {
    fn default() -> Self {
        Self {
            rows: Mutex::default(),
            changes: broadcast::channel(1000).0,
            reads: AtomicUsize::new(0),
            down: AtomicBool::new(false),
        }
    }
}

impl MemoryFunctions {
    /// Writes a row as another tool would, behind this process's back; with or without telling.
    pub(crate) fn write_foreign(&self, name: &str, compiled: Option<&str>, tell: bool) {
        let mut rows = self.rows.lock().unwrap();
        rows.0 += 1;
        let function = Function {
            name: name.to_owned(),
            source: String::new(),
            language: Language::JavaScript,
            compiled: compiled.map(str::to_owned),
            source_map: None,
            hash: format!("foreign-{}", rows.0),
            methods: Vec::new(),
            description: String::new(),
            revision: rows.0,
            created_at: SystemTime::now(),
            updated_at: SystemTime::now(),
        };
        rows.1.insert(name.to_owned(), function);
        if tell {
            let _ = self.changes.send(Change::Published(name.to_owned()));
        }
    }

    pub(crate) fn tell(&self, change: Change) {
        let _ = self.changes.send(change);
    }

    fn reach(&self) -> Result<()> {
        match self.down.load(Ordering::SeqCst) {
            true => Err(Error::unavailable("function store", "taken down by the test")),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl FunctionStore for MemoryFunctions {
    async fn get(&self, name: &str) -> Result<Option<Function>> {
        self.reach()?;
        self.reads.fetch_add(1, Ordering::SeqCst);
        let found = self.rows.lock().unwrap().1.get(name).cloned();
        tokio::task::yield_now().await;
        Ok(found)
    }

    async fn list(&self, after: Option<&str>, limit: usize) -> Result<FunctionPage> {
        self.reach()?;
        let rows = self.rows.lock().unwrap();
        let mut later = rows.1.values().filter(|row| after.is_none_or(|after| row.name.as_str() > after));
        let functions: Vec<FunctionSummary> = later
            .by_ref()
            .take(limit)
            .map(|row| FunctionSummary {
                name: row.name.clone(),
                language: row.language,
                hash: row.hash.clone(),
                methods: row.methods.clone(),
                description: row.description.clone(),
                revision: row.revision,
                created_at: row.created_at,
                updated_at: row.updated_at,
            })
            .collect();
        let next = later.next().and(functions.last().map(|last| last.name.clone()));
        Ok(FunctionPage { functions, next })
    }

    async fn put(&self, draft: FunctionDraft, expected: Expected) -> Result<Function> {
        self.reach()?;
        let mut rows = self.rows.lock().unwrap();
        let before = rows.1.get(draft.name.as_str());
        let holds = match expected {
            Expected::Any => true,
            Expected::Absent => before.is_none(),
            Expected::Revision(revision) => before.is_some_and(|row| row.revision == revision),
        };
        if !holds {
            return Err(Error::new(ErrorKind::Conflict, "The function is not what was expected"));
        }
        let created_at = before.map_or_else(SystemTime::now, |row| row.created_at);
        rows.0 += 1;
        let function = Function {
            name: draft.name.to_string(),
            source: draft.source,
            language: draft.language,
            compiled: Some(draft.compiled),
            source_map: draft.source_map,
            hash: draft.hash,
            methods: draft.methods,
            description: draft.description,
            revision: rows.0,
            created_at,
            updated_at: SystemTime::now(),
        };
        rows.1.insert(function.name.clone(), function.clone());
        let _ = self.changes.send(Change::Published(function.name.clone()));
        Ok(function)
    }

    async fn delete(&self, name: &str) -> Result<bool> {
        self.reach()?;
        let deleted = self.rows.lock().unwrap().1.remove(name).is_some();
        let _ = self.changes.send(Change::Deleted(name.to_owned()));
        Ok(deleted)
    }

    fn watch(&self) -> ChangeStream {
        let receiver = self.changes.subscribe();
        unfold(receiver, |mut receiver| async {
            match receiver.recv().await {
                Ok(change) => Some((change, receiver)),
                Err(broadcast::error::RecvError::Lagged(_)) => Some((Change::Resync, receiver)),
                Err(broadcast::error::RecvError::Closed) => None,
            }
        })
        .boxed()
    }

    async fn ping(&self) -> Result<()> {
        self.reach()
    }

    async fn close(&self) {}
}
