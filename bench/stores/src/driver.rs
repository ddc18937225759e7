//! The operations made directly with the driver, on tables of this program's own.

use std::sync::Arc;

use bson::{Document, doc};
use futures_util::future::BoxFuture;
use mongodb::{Client, Collection, IndexModel};
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions};
use sqlx::types::Json;

use crate::Backend;
use crate::work::{DOCUMENTS, Operation};

/// Calls an operation on the `n`th document.
pub(crate) trait Driver: Send + Sync {
    fn call(&self, operation: Operation, n: u64) -> BoxFuture<'_, Result<(), String>>;
}

/// Connects and makes the rows anew.
///
/// # Errors
/// The driver's, as text.
pub(crate) async fn open(backend: Backend, database: &str) -> Result<Arc<dyn Driver>, String> {
    match backend {
        Backend::Mongo => Ok(Arc::new(Mongo::open(database).await.map_err(text)?)),
        Backend::Postgres => Ok(Arc::new(Postgres::open(database).await.map_err(text)?)),
        Backend::Sqlite => Ok(Arc::new(Sqlite::open(database).await.map_err(text)?)),
    }
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

fn row(n: u64) -> serde_json::Value {
    serde_json::json!({ "n": n, "name": format!("name {n}"), "text": "x".repeat(200) })
}

/// Connections of a pool, as many as are in flight.
const CONNECTIONS: u32 = 16;

struct Mongo {
    found: Collection<Document>,
    inserted: Collection<Document>,
}

impl Mongo {
    async fn open(url: &str) -> mongodb::error::Result<Self> {
        let database = Client::with_uri_str(url).await?.database("bench_driver");
        database.drop().await?;
        let found = database.collection("found");
        found.create_index(IndexModel::builder().keys(doc! { "n": 1 }).build()).await?;
        let all: Vec<Document> = (0..DOCUMENTS).map(mongo_row).collect();
        found.insert_many(all).await?;
        Ok(Self { found, inserted: database.collection("inserted") })
    }
}

fn mongo_row(n: u64) -> Document {
    doc! { "n": i64::try_from(n).unwrap_or(0), "name": format!("name {n}"), "text": "x".repeat(200) }
}

impl Driver for Mongo {
    fn call(&self, operation: Operation, n: u64) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            match operation {
                Operation::FindOne => {
                    let n = i64::try_from(n * 7 % DOCUMENTS).unwrap_or(0);
                    let found = self.found.find_one(doc! { "n": n }).await.map_err(text)?;
                    found.map(drop).ok_or_else(|| format!("{n} is not there"))
                }
                Operation::InsertOne => self.inserted.insert_one(mongo_row(n)).await.map(drop).map_err(text),
            }
        })
    }
}

const FIND: &str = "select body from bench_driver where n = $1 limit 1";
const INSERT: &str = "insert into bench_driver_inserts (n, body) values ($1, $2)";

struct Postgres {
    pool: PgPool,
}

impl Postgres {
    async fn open(url: &str) -> sqlx::Result<Self> {
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).connect(url).await?;
        sqlx::raw_sql(
            "drop table if exists bench_driver, bench_driver_inserts;
             create table bench_driver (id bigserial primary key, n bigint not null, body jsonb not null);
             create table bench_driver_inserts (id bigserial primary key, n bigint not null, body jsonb not null);
             create index on bench_driver (n)",
        )
        .execute(&pool)
        .await?;
        for n in 0..DOCUMENTS {
            sqlx::query("insert into bench_driver (n, body) values ($1, $2)")
                .bind(i64::try_from(n).unwrap_or(0))
                .bind(Json(row(n)))
                .execute(&pool)
                .await?;
        }
        Ok(Self { pool })
    }
}

impl Driver for Postgres {
    fn call(&self, operation: Operation, n: u64) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            match operation {
                Operation::FindOne => {
                    let n = i64::try_from(n * 7 % DOCUMENTS).unwrap_or(0);
                    let found: sqlx::Result<(Json<serde_json::Value>,)> =
                        sqlx::query_as(FIND).bind(n).fetch_one(&self.pool).await;
                    found.map(drop).map_err(text)
                }
                Operation::InsertOne => {
                    let query = sqlx::query(INSERT).bind(i64::try_from(n).unwrap_or(0)).bind(Json(row(n)));
                    query.execute(&self.pool).await.map(drop).map_err(text)
                }
            }
        })
    }
}

struct Sqlite {
    pool: SqlitePool,
}

impl Sqlite {
    async fn open(path: &str) -> sqlx::Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(sqlx::sqlite::SqliteSynchronous::Normal)
            .busy_timeout(std::time::Duration::from_secs(30));
        let pool = SqlitePoolOptions::new().max_connections(4).connect_with(options).await?;
        sqlx::raw_sql(
            "drop table if exists bench_driver; drop table if exists bench_driver_inserts;
             create table bench_driver (id integer primary key, n integer not null, body text not null);
             create table bench_driver_inserts (id integer primary key, n integer not null, body text not null);
             create index bench_driver_n on bench_driver (n)",
        )
        .execute(&pool)
        .await?;
        let mut transaction = pool.begin().await?;
        for n in 0..DOCUMENTS {
            sqlx::query("insert into bench_driver (n, body) values ($1, $2)")
                .bind(i64::try_from(n).unwrap_or(0))
                .bind(Json(row(n)))
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(Self { pool })
    }
}

impl Driver for Sqlite {
    fn call(&self, operation: Operation, n: u64) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            match operation {
                Operation::FindOne => {
                    let n = i64::try_from(n * 7 % DOCUMENTS).unwrap_or(0);
                    let found: sqlx::Result<(Json<serde_json::Value>,)> =
                        sqlx::query_as(FIND).bind(n).fetch_one(&self.pool).await;
                    found.map(drop).map_err(text)
                }
                Operation::InsertOne => {
                    let query = sqlx::query(INSERT).bind(i64::try_from(n).unwrap_or(0)).bind(Json(row(n)));
                    query.execute(&self.pool).await.map(drop).map_err(text)
                }
            }
        })
    }
}
