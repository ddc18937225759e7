//! What the tests of this crate share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions};
use tandem_contract::settings::Secret;
use tandem_contract::{
    DocumentStore, FunctionDraft, FunctionName, Language, OpenContext, SystemClock, SystemEntropy,
};
use tandem_store_postgres::{PostgresConfig, PostgresDocumentStore, PostgresFunctionStore};
use tandem_store_suite::Place;

/// The variable that names the server.
const URL: &str = "TANDEM_TEST_POSTGRES_URL";

/// A schema of a test's own, dropped with it.
pub(crate) struct Schema {
    pub(crate) url: String,
    pub(crate) name: String,
}

/// A new schema, or nothing where there is no server.
pub(crate) async fn schema() -> Option<Schema> {
    match std::env::var(URL) {
        Ok(url) => Some(Schema::on(url)),
        Err(_) => {
            let required = std::env::var("TANDEM_REQUIRE_ALL").is_ok_and(|value| value == "1");
            assert!(!required, "{URL} names no Postgres server, and TANDEM_REQUIRE_ALL=1 asks for one");
            eprintln!("SKIPPED: {URL} names no Postgres server");
            None
        }
    }
}

impl Schema {
    pub(crate) fn on(url: String) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { url, name: format!("test_{}_{number}", std::process::id()) }
    }

    pub(crate) fn config(&self) -> PostgresConfig {
        PostgresConfig {
            url: Secret::new(&*self.url),
            schema: self.name.clone(),
            connections: 8,
            ..PostgresConfig::default()
        }
    }

    pub(crate) async fn functions(&self) -> PostgresFunctionStore {
        PostgresFunctionStore::open(self.config(), &context()).await.unwrap()
    }

    pub(crate) async fn store(&self) -> PostgresDocumentStore {
        PostgresDocumentStore::open(self.config(), &context()).await.unwrap()
    }

    /// A store with connections and memory of its own, as another process has.
    pub(crate) async fn other_process(&self) -> PostgresDocumentStore {
        PostgresDocumentStore::open(self.config_of_other(), &context()).await.unwrap()
    }

    pub(crate) async fn other_functions(&self) -> PostgresFunctionStore {
        PostgresFunctionStore::open(self.config_of_other(), &context()).await.unwrap()
    }

    /// The same server by another URL: stores of one process share by URL. The server calls the
    /// connections by `name`.
    pub(crate) fn config_of(&self, name: &str) -> PostgresConfig {
        let mark = if self.url.contains('?') { '&' } else { '?' };
        let url = Secret::new(format!("{}{mark}application_name={name}", self.url));
        PostgresConfig { url, ..self.config() }
    }

    fn config_of_other(&self) -> PostgresConfig {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        self.config_of(&format!("other{}", NEXT.fetch_add(1, Ordering::Relaxed)))
    }

    /// A connection such as another tool would have, which knows nothing of the schema.
    pub(crate) async fn other_tool(&self) -> PgConnection {
        self.url.parse::<PgConnectOptions>().unwrap().connect().await.unwrap()
    }

    /// Runs a statement in which `$$` stands for the schema.
    pub(crate) async fn run(&self, tool: &mut PgConnection, text: &str) {
        let text = AssertSqlSafe(text.replace("$$", &self.name));
        sqlx::raw_sql(text).execute(tool).await.unwrap();
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        let (url, name) = (self.url.clone(), self.name.clone());
        let drop = async move {
            let Ok(options) = url.parse::<PgConnectOptions>() else { return };
            // A test may have ended the server.
            let Ok(mut tool) = options.connect().await else { return };
            let text = format!(
                "SET lock_timeout = '5s'; DROP SCHEMA IF EXISTS {name} CASCADE; DROP SCHEMA IF EXISTS {name}_sql CASCADE"
            );
            if let Err(error) = sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut tool).await {
                eprintln!("schema {name} is left behind: {error}");
            }
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let thread = std::thread::spawn(move || runtime.map(|runtime| runtime.block_on(drop)).is_ok());
        let _ = thread.join();
    }
}

#[async_trait]
impl Place for Schema {
    async fn documents(&self) -> Arc<dyn DocumentStore> {
        Arc::new(self.store().await)
    }
}

pub(crate) fn context() -> OpenContext {
    OpenContext { clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy), base: ".".into() }
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

/// Ends a test where there is no server.
macro_rules! schema_or_return {
    () => {
        match $crate::common::schema().await {
            Some(schema) => schema,
            None => return,
        }
    };
}

pub(crate) use schema_or_return;
