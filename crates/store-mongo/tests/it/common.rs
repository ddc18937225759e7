//! What the tests of this crate share.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bson::{Bson, Document};
use futures_util::TryStreamExt;
use mongodb::{Client, Collection};
use tandem_contract::settings::Secret;
use tandem_contract::{
    DocumentStore, Find, FunctionDraft, FunctionName, Language, OpenContext, Result, SystemClock,
    SystemEntropy, Target, Update, UpdateSpec,
};
use tandem_store_mongo::{MongoConfig, MongoDocumentStore, MongoFunctionStore};

/// Longer than any limit that is asked for, for machines under load.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// A database of a test's own on the server of the environment; dropped at the end.
pub(crate) struct Scratch {
    pub(crate) config: MongoConfig,
    pub(crate) client: Client,
}

impl Scratch {
    /// `None`, said loudly, where there is no server and none is required.
    pub(crate) async fn new() -> Option<Self> {
        match std::env::var("TANDEM_TEST_MONGO_URL") {
            Ok(url) => Some(Self::at(&url).await),
            Err(_) if std::env::var_os("TANDEM_REQUIRE_ALL").is_some_and(|value| value == "1") => {
                panic!("TANDEM_TEST_MONGO_URL is not set and TANDEM_REQUIRE_ALL=1")
            }
            Err(_) => {
                eprintln!("SKIPPED: no MongoDB to test on, TANDEM_TEST_MONGO_URL is not set");
                None
            }
        }
    }

    pub(crate) async fn at(url: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let database = format!("store_mongo_{}_{number}", std::process::id());
        let config =
            MongoConfig { url: Secret::new(url), database: Some(database), ..MongoConfig::default() };
        let client = Client::with_uri_str(url).await.unwrap();
        Self { config, client }
    }

    pub(crate) async fn functions(&self) -> MongoFunctionStore {
        MongoFunctionStore::open(self.config.clone(), &context()).await.unwrap()
    }

    pub(crate) async fn documents(&self) -> MongoDocumentStore {
        MongoDocumentStore::open(self.config.clone()).await.unwrap()
    }

    /// A collection as another tool would have it.
    pub(crate) fn raw(&self, name: &str) -> Collection<Document> {
        self.client.database(self.config.database.as_deref().unwrap()).collection(name)
    }

    pub(crate) async fn end(self) {
        self.client.database(self.config.database.as_deref().unwrap()).drop().await.unwrap();
    }
}

pub(crate) fn context() -> OpenContext {
    OpenContext {
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        base: Path::new("/nowhere").to_owned(),
    }
}

pub(crate) fn draft(name: &str, text: &str) -> FunctionDraft {
    FunctionDraft {
        name: FunctionName::new(name).unwrap(),
        source: format!("// {text}"),
        language: Language::TypeScript,
        compiled: text.to_owned(),
        source_map: Some("{}".to_owned()),
        hash: format!("hash of {text}"),
        methods: vec!["GET".to_owned(), "POST".to_owned()],
        description: "says it".to_owned(),
    }
}

pub(crate) fn target(collection: &str) -> Target {
    Target { collection: collection.to_owned(), transaction: None, timeout: Some(SOON) }
}

pub(crate) fn update(filter: Document, operators: Document) -> Update {
    Update {
        filter,
        update: UpdateSpec::Operators(operators),
        many: false,
        upsert: false,
        array_filters: Vec::new(),
    }
}

pub(crate) async fn all(
    store: &dyn DocumentStore,
    target: &Target,
    filter: Document,
) -> Result<Vec<Document>> {
    store.find(target, Find { filter, ..Find::default() }).await?.try_collect().await
}

/// The `_id`s of what matches, in order.
pub(crate) async fn ids(store: &dyn DocumentStore, target: &Target, filter: Document) -> Vec<Bson> {
    let found = all(store, target, filter).await.unwrap();
    found.into_iter().map(|document| document.get("_id").cloned().unwrap()).collect()
}
