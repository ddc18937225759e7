//! What the tests of this crate share.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions};
use tandem_contract::{
    DocumentStore, FunctionDraft, FunctionName, Language, OpenContext, SystemClock, SystemEntropy,
};
use tandem_store_sqlite::{SqliteConfig, SqliteDocumentStore, SqliteFunctionStore};
use tandem_store_suite::Place;
use tempfile::TempDir;

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

/// A folder of a test's own.
pub(crate) struct Folder(TempDir);

/// See [`tandem_store_suite::document_tests`].
pub(crate) async fn folder() -> Option<Folder> {
    Some(Folder(tempfile::tempdir().unwrap()))
}

#[async_trait]
impl Place for Folder {
    async fn documents(&self) -> Arc<dyn DocumentStore> {
        Arc::new(documents(self.0.path()).await)
    }
}
