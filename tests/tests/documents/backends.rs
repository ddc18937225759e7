//! The stores that are compared, each empty and of this run's own.

use std::path::Path;
use std::sync::Arc;

use mongodb::Client;
use tandem_contract::settings::Secret;
use tandem_contract::{DocumentStore, OpenContext, SystemClock, SystemEntropy};
use tandem_store_mongo::{MongoConfig, MongoDocumentStore};
use tandem_store_postgres::{PostgresConfig, PostgresDocumentStore};
use tandem_store_sqlite::{SqliteConfig, SqliteDocumentStore};
use tandem_tests::backend::unique_name;
use tempfile::TempDir;

pub(crate) struct Backends {
    /// What is right.
    pub(crate) mongo: Arc<dyn DocumentStore>,
    /// What is compared with it.
    pub(crate) others: Vec<Arc<dyn DocumentStore>>,
    database: String,
    client: Client,
    _folder: TempDir,
}

impl Backends {
    /// `None`, said loudly, where there is no MongoDB and none is required. Without Postgres the
    /// others are compared.
    pub(crate) async fn open() -> Option<Self> {
        let url = variable("TANDEM_TEST_MONGO_URL")?;
        let (database, folder) = (unique_name(), tempfile::tempdir().unwrap());
        let config = MongoConfig {
            // Nothing here has to survive, and there is much of it.
            url: Secret::new(with_option(&url, "w=1&journal=false")),
            database: Some(database.clone()),
            ..MongoConfig::default()
        };
        let mongo = Arc::new(MongoDocumentStore::open(config).await.unwrap());
        let sqlite =
            SqliteDocumentStore::open(SqliteConfig::default(), &context(folder.path())).await.unwrap();
        let mut others: Vec<Arc<dyn DocumentStore>> = vec![Arc::new(sqlite)];
        if let Some(url) = variable("TANDEM_TEST_POSTGRES_URL") {
            let config = PostgresConfig {
                url: Secret::new(url),
                schema: database.clone(),
                ..PostgresConfig::default()
            };
            others
                .push(Arc::new(PostgresDocumentStore::open(config, &context(folder.path())).await.unwrap()));
        }
        let client = Client::with_uri_str(&url).await.unwrap();
        Some(Self { mongo, others, database, client, _folder: folder })
    }

    pub(crate) async fn close(self) {
        for store in &self.others {
            store.close().await;
        }
        self.mongo.close().await;
        self.client.database(&self.database).drop().await.unwrap();
    }
}

fn context(base: &Path) -> OpenContext {
    OpenContext { clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy), base: base.to_owned() }
}

fn variable(name: &str) -> Option<String> {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty());
    if value.is_none() {
        assert!(
            std::env::var_os("TANDEM_REQUIRE_ALL").is_none(),
            "{name} is not set; see `cargo xtask services up`"
        );
        eprintln!(
            "!!! NOT TESTED: the document language everywhere, {name} is not set; see `cargo xtask services up`"
        );
    }
    value
}

fn with_option(url: &str, option: &str) -> String {
    match url.contains('?') {
        true => format!("{url}&{option}"),
        false => format!("{}/?{option}", url.trim_end_matches('/')),
    }
}
