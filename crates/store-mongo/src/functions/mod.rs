//! The function store: one document a function, and beside the collection one that counts
//! revisions.

mod digest;
mod publish;
mod row;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bson::{Bson, Document, doc};
use futures_util::TryStreamExt;
use mongodb::options::{
    Acknowledgment, Collation, CollectionOptions, FindOptions, IndexOptions, ReadConcern, ReadPreference,
    SelectionCriteria, WriteConcern,
};
use mongodb::{Collection, Database, IndexModel};
use tandem_contract::{
    ChangeStream, Clock, Entropy, Error, ErrorKind, Expected, Function, FunctionDraft, FunctionPage,
    FunctionStore, OpenContext, Result,
};

use self::row::Row;
pub(crate) use self::row::integer;
use crate::MongoConfig;
use crate::connection::Connection;
use crate::error::Role;

/// What the name of the collection that counts revisions adds to that of the functions.
pub(crate) const COUNTERS: &str = ".tandem";
/// Where functions live when the settings name no database.
const DATABASE: &str = "tandem";
/// How long an operation may take.
const LIMIT: Duration = Duration::from_secs(30);

/// A [`FunctionStore`] in a MongoDB collection.
pub struct MongoFunctionStore {
    inner: Arc<Inner>,
}

struct Inner {
    connection: Connection,
    database: Database,
    functions: Collection<Document>,
    /// `{_id: name, revision}`: the highest that a name ever had.
    counters: Collection<Document>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    closing: tokio::sync::watch::Sender<bool>,
}

impl MongoFunctionStore {
    /// Connects, and makes the collection with its index where they are missing.
    ///
    /// # Errors
    /// `InvalidArgument` for a setting that cannot work, `StoreUnavailable` for a server that
    /// does not answer within five seconds.
    pub async fn open(config: MongoConfig, context: &OpenContext) -> Result<Self> {
        let connection = Connection::open(&config, Role::Functions).await?;
        let database = connection.client().database(config.database.as_deref().unwrap_or(DATABASE));
        let functions = database.collection_with_options(&config.collection, exact());
        let counters = database.collection_with_options(&format!("{}{COUNTERS}", config.collection), exact());
        let inner = Inner {
            connection,
            database,
            functions,
            counters,
            clock: Arc::clone(&context.clock),
            entropy: Arc::clone(&context.entropy),
            closing: tokio::sync::watch::Sender::new(false),
        };
        inner.prepare().await;
        Ok(Self { inner: Arc::new(inner) })
    }
}

/// Acknowledged writes survive the loss of a member, and are what later reads see.
fn exact() -> CollectionOptions {
    let concern = WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build();
    CollectionOptions::builder()
        .read_concern(ReadConcern::majority())
        .write_concern(concern)
        .selection_criteria(SelectionCriteria::ReadPreference(ReadPreference::Primary))
        .build()
}

impl Inner {
    /// What cannot be made is reported and left: reading needs none of it, and publishing is safe
    /// among Tandem's own servers without the index.
    async fn prepare(&self) {
        if let Err(error) = self.ensure_index().await {
            tracing::error!(%error, collection = self.functions.name(), "the unique index on `name` is missing");
        }
        // Tells document stores of this database which collections are not theirs.
        if let Err(error) = self
            .connection
            .run(Some(LIMIT), async { self.database.create_collection(self.counters.name()).await })
            .await
            && error.kind() != ErrorKind::Conflict
        {
            tracing::debug!(%error, "the collection of revisions was not made");
        }
    }

    async fn ensure_index(&self) -> Result<()> {
        let listed = self
            .connection
            .run(Some(LIMIT), async { self.functions.list_indexes().await?.try_collect::<Vec<_>>().await });
        let indexes = match listed.await {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            indexes => indexes.unwrap_or_default(),
        };
        if let Some(index) = indexes.iter().find(|index| is_on_name(index)) {
            let options = index.options.as_ref();
            if options.and_then(|options| options.unique) == Some(true) {
                return Ok(());
            }
            let name = options.and_then(|options| options.name.as_deref()).unwrap_or("name_1");
            return Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "Index {name:?} on `name` is not unique: drop it, and the next start makes one that is"
                ),
            ));
        }
        let options = IndexOptions::builder().unique(true).build();
        let model = IndexModel::builder().keys(doc! { "name": 1 }).options(options).build();
        let made = self.connection.run(Some(LIMIT), async { self.functions.create_index(model).await }).await;
        match made {
            Err(error) if error.kind() == ErrorKind::DuplicateKey => {
                let names = self.duplicates().await?.join(", ");
                Err(Error::new(
                    ErrorKind::Conflict,
                    format!(
                        "These functions are stored more than once: {names}. Keep one document of each; until then they are read but not published"
                    ),
                ))
            }
            made => made.map(drop),
        }
    }

    /// The first few names that more than one document has.
    async fn duplicates(&self) -> Result<Vec<String>> {
        let pipeline = [
            doc! { "$group": { "_id": "$name", "count": { "$sum": 1 } } },
            doc! { "$match": { "count": { "$gt": 1 } } },
            doc! { "$sort": { "_id": 1 } },
            doc! { "$limit": 5 },
        ];
        let found: Vec<Document> = self
            .connection
            .run(Some(LIMIT), async { self.functions.aggregate(pipeline).await?.try_collect().await })
            .await?;
        Ok(found.iter().map(|group| group.get("_id").map(Bson::to_string).unwrap_or_default()).collect())
    }

    async fn find(&self, filter: Document, options: FindOptions) -> Result<Vec<Row>> {
        let found = self.connection.run(Some(LIMIT), async {
            self.functions.find(filter).with_options(options).await?.try_collect::<Vec<_>>().await
        });
        Ok(found.await?.into_iter().map(Row::new).collect())
    }

    /// Adds the hash to rows that another tool stored without; their texts are read for that.
    async fn with_hashes(&self, rows: &mut [Row]) -> Result<()> {
        let without: Vec<Bson> =
            rows.iter().filter(|row| row.stored_hash().is_none()).filter_map(Row::id).collect();
        if without.is_empty() {
            return Ok(());
        }
        let mut options = FindOptions::default();
        options.projection = Some(doc! { "compiled": 1 });
        for found in self.find(doc! { "_id": { "$in": without } }, options).await? {
            if let Some(row) = rows.iter_mut().find(|row| row.id() == found.id()) {
                row.set_hash(found.hash());
            }
        }
        Ok(())
    }
}

fn is_on_name(index: &IndexModel) -> bool {
    let partial = index.options.as_ref().is_some_and(|options| {
        options.partial_filter_expression.is_some()
            || options.sparse == Some(true)
            || options.collation.is_some()
    });
    index.keys.keys().eq(["name"]) && !partial
}

/// Names compare as bytes, whatever the collection's own collation says.
fn by_name(limit: Option<i64>) -> FindOptions {
    let mut options = FindOptions::default();
    options.sort = Some(doc! { "name": 1 });
    options.collation = Some(Collation::builder().locale("simple").build());
    options.limit = limit;
    options
}

#[async_trait]
impl FunctionStore for MongoFunctionStore {
    async fn get(&self, name: &str) -> Result<Option<Function>> {
        let mut options = by_name(Some(1));
        // Of several with one name always the same is served.
        options.sort = Some(doc! { "_id": 1 });
        let found = self.inner.find(doc! { "name": name }, options).await?;
        Ok(found.first().map(Row::function))
    }

    async fn list(&self, after: Option<&str>, limit: usize) -> Result<FunctionPage> {
        if !(1..=1000).contains(&limit) {
            return Err(Error::new(ErrorKind::InvalidArgument, "limit must be 1 to 1000"));
        }
        let mut options = by_name(i64::try_from(limit + 1).ok());
        options.projection = Some(doc! { "compiled": 0, "source": 0, "code": 0, "source_map": 0 });
        let filter = doc! { "name": { "$type": "string", "$gt": after.unwrap_or("") } };
        let mut rows = self.inner.find(filter, options).await?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        self.inner.with_hashes(&mut rows).await?;
        let next = rows.last().filter(|_| more).map(Row::name);
        let mut functions: Vec<_> = rows.iter().map(Row::summary).collect();
        functions.dedup_by(|later, earlier| later.name == earlier.name);
        Ok(FunctionPage { functions, next })
    }

    async fn put(&self, draft: FunctionDraft, expected: Expected) -> Result<Function> {
        self.inner.publish(&draft, expected).await
    }

    async fn delete(&self, name: &str) -> Result<bool> {
        self.inner.delete(name).await
    }

    fn watch(&self) -> ChangeStream {
        watch::follow(Arc::clone(&self.inner))
    }

    async fn ping(&self) -> Result<()> {
        let ping = async { self.inner.database.run_command(doc! { "ping": 1 }).await };
        self.inner.connection.run(Some(Duration::from_secs(2)), ping).await.map(drop)
    }

    async fn close(&self) {
        self.inner.closing.send_replace(true);
        self.inner.connection.close().await;
    }
}
