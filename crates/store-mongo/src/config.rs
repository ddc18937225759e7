use mongodb::options::ClientOptions;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tandem_contract::settings::{Duration, Secret};
use tandem_contract::{Error, ErrorKind, Result};

/// Settings of the `mongo` backend. Functions and documents on the same `url` with the same
/// settings of connections share them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MongoConfig {
    /// Where the server or replica set is, `mongodb://…` or `mongodb+srv://…`, with user, password
    /// and options of the driver: `tls=true`, `tlsCAFile=…`, `replicaSet=…`, `authSource=…`. Writes
    /// wait for the majority and its journal unless the URL says otherwise; publishes always do.
    pub url: Secret,
    /// The database. Left out: `tandem` for functions, `tandem_documents` for documents.
    pub database: Option<String>,
    /// The collection of functions. Beside it NAME.tandem counts their revisions. Where documents
    /// share the database, both names are refused to them.
    pub collection: String,
    /// Connections that may be open at once, 1 to 1000.
    pub max_connections: u32,
    /// Connections kept open when idle, at most `max_connections`.
    pub min_connections: u32,
    /// How long a connection, or the search for a server that takes writes, may take: 100ms to 30s.
    /// Calls that need the store fail after it.
    pub connect_timeout: Duration,
    /// How long a connection may be idle before it is closed.
    pub idle_timeout: Duration,
}

impl Default for MongoConfig {
    fn default() -> Self {
        Self {
            url: Secret::default(),
            database: None,
            collection: "functions".to_owned(),
            max_connections: 64,
            min_connections: 0,
            // With a first attempt that fails at once, a call ends well within two seconds.
            connect_timeout: Duration::from_millis(1500),
            idle_timeout: Duration::from_secs(300),
        }
    }
}

impl MongoConfig {
    /// The driver's options, from the URL and the other settings.
    pub(crate) async fn options(&self) -> Result<ClientOptions> {
        self.check()?;
        let mut options = ClientOptions::parse(self.url.expose())
            .await
            .map_err(|error| refuse("mongo.url is not a MongoDB URL").with_detail(error))?;
        options.app_name.get_or_insert_with(|| "tandem".to_owned());
        options.max_pool_size = Some(self.max_connections);
        options.min_pool_size = Some(self.min_connections);
        options.max_idle_time = Some(self.idle_timeout.get());
        options.connect_timeout = Some(self.connect_timeout.get());
        options.server_selection_timeout = Some(self.connect_timeout.get());
        Ok(options)
    }

    fn check(&self) -> Result<()> {
        if self.url.is_empty() {
            return Err(refuse(
                "mongo.url is not set: write \"mongodb://user:password@host:27017\", or set MONGO_URL",
            ));
        }
        if let Some(rule) = self.database.as_deref().and_then(broken_database_rule) {
            return Err(refuse(&format!("mongo.database {rule}")));
        }
        let collection = &self.collection;
        if collection.is_empty() || collection.len() > 100 || collection.contains(['$', '\0']) {
            return Err(refuse("mongo.collection must have 1 to 100 bytes, without `$` and NUL"));
        }
        if collection.starts_with("system.") || collection.ends_with(crate::functions::COUNTERS) {
            return Err(refuse("mongo.collection must not start with `system.` or end with `.tandem`"));
        }
        if !(1..=1000).contains(&self.max_connections) {
            return Err(refuse("mongo.max_connections must be 1 to 1000"));
        }
        if self.min_connections > self.max_connections {
            return Err(refuse("mongo.min_connections must be at most mongo.max_connections"));
        }
        if !(100..=30_000).contains(&self.connect_timeout.get().as_millis()) {
            return Err(refuse("mongo.connect_timeout must be 100ms to 30s"));
        }
        Ok(())
    }
}

/// <https://www.mongodb.com/docs/manual/reference/limits/#naming-restrictions>
fn broken_database_rule(name: &str) -> Option<&'static str> {
    if name.is_empty() || name.len() > 63 {
        return Some("must have 1 to 63 bytes");
    }
    if name.contains(['/', '\\', '.', ' ', '"', '$', '\0']) {
        return Some("must not contain any of / \\ . \" $, spaces and NUL");
    }
    None
}

fn refuse(message: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, message)
}
