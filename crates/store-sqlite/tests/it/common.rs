//! What the tests of this crate share.

use std::path::Path;
use std::sync::Arc;

use bson::{Bson, Document};
use futures_util::TryStreamExt;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions};
use tandem_contract::{
    DocumentStore, Find, FunctionDraft, FunctionName, IndexSpec, Language, OpenContext, SystemClock,
    SystemEntropy, Target, UpdateSpec,
};
use tandem_store_sqlite::{SqliteConfig, SqliteDocumentStore, SqliteFunctionStore};

/// The database's name in a test's folder.
pub(crate) const FILE: &str = "data/tandem.db";

pub(crate) fn context(base: &Path) -> OpenContext {
    OpenContext { clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy), base: base.to_owned() }
}

pub(crate) async fn functions(base: &Path) -> SqliteFunctionStore {
    SqliteFunctionStore::open(SqliteConfig::default(), &context(base)).await.unwrap()
}

pub(crate) async fn documents(base: &Path) -> SqliteDocumentStore {
    SqliteDocumentStore::open(SqliteConfig::default(), &context(base)).await.unwrap()
}

/// A connection such as another tool would have.
pub(crate) async fn other_tool(base: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(base.join(FILE)).connect().await.unwrap()
}

pub(crate) async fn run(connection: &mut SqliteConnection, text: &str) {
    sqlx::query(AssertSqlSafe(text)).execute(connection).await.unwrap();
}

/// Copies the database as a crash would leave it: the file and its log, nothing folded in.
pub(crate) fn crash_image(from: &Path, to: &Path) {
    let target = to.join(FILE);
    std::fs::create_dir_all(target.parent().unwrap()).unwrap();
    for suffix in ["", "-wal"] {
        let name = format!("{FILE}{suffix}");
        std::fs::copy(from.join(&name), to.join(&name)).unwrap();
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
    Target { collection: collection.to_owned(), transaction: None, timeout: None }
}

pub(crate) fn filter(filter: Document) -> Find {
    Find { filter, ..Find::default() }
}

pub(crate) fn index(keys: Document) -> IndexSpec {
    IndexSpec {
        keys,
        name: None,
        unique: false,
        sparse: false,
        partial_filter: None,
        expire_after_seconds: None,
    }
}

pub(crate) fn unique(keys: Document) -> IndexSpec {
    IndexSpec { unique: true, ..index(keys) }
}

pub(crate) fn update(filter: Document, operators: Document) -> tandem_contract::Update {
    tandem_contract::Update {
        filter,
        update: UpdateSpec::Operators(operators),
        many: false,
        upsert: false,
        array_filters: Vec::new(),
    }
}

pub(crate) async fn all(store: &dyn DocumentStore, target: &Target, find: Find) -> Vec<Document> {
    store.find(target, find).await.unwrap().try_collect().await.unwrap()
}

/// The values of one field, in order.
pub(crate) async fn column(store: &dyn DocumentStore, target: &Target, find: Find, field: &str) -> Vec<Bson> {
    let documents = all(store, target, find).await;
    documents.into_iter().map(|mut document| document.remove(field).unwrap_or(Bson::Null)).collect()
}
