//! Collections and indexes as wholes.

use std::sync::Arc;

use sqlx::postgres::PgConnection;
use tandem_contract::{Error, ErrorKind, IndexSpec, Result, Target};
use tandem_documents::store::{Definition, ID_INDEX, Index, Plan, decode_body, id_index};

use super::catalog::{Collection, execute};
use super::scan::Scan;
use super::session::Session;
use super::writer::{self, Flags, Row};
use super::{Inner, stale, store_error};

impl Inner {
    pub(super) async fn create_index(&self, target: &Target, spec: IndexSpec) -> Result<String> {
        let definition = Arc::new(Definition::new(spec)?);
        if definition.is_on_id()? {
            return Ok(ID_INDEX.to_owned());
        }
        let mut tries = 0;
        loop {
            let mut session = self.together(target).await?;
            let created = self.create_index_in(&mut session, target, &definition).await;
            let (clashes, result) = match created {
                Ok(name) => (false, Ok(name)),
                Err((clashes, error)) => (clashes, Err(error)),
            };
            match session.finish(result).await {
                Err(error) if !clashes && self.may_try_again(&error, target, tries, false).await => {
                    tries += 1
                }
                result => {
                    self.catalog.forget(&target.collection);
                    return result;
                }
            }
        }
    }

    /// An error comes with whether it says that the index clashes with another, which no second try
    /// would change.
    async fn create_index_in(
        &self,
        session: &mut Session,
        target: &Target,
        definition: &Arc<Definition>,
    ) -> Result<String, (bool, Error)> {
        let other = |error| (false, error);
        let collection = self.collection_or_new(session, &target.collection).await.map_err(other)?;
        let mut collection = self.take(session, &collection).await.map_err(other)?;
        let name = definition.name.clone();
        if definition.is_among(&collection.indexes).map_err(|error| (true, error))? {
            return Ok(name);
        }
        let index = add_index(session.connection().map_err(other)?, collection.id, definition);
        let index = index.await.map_err(other)?;
        let mut with_index = Collection::clone(&collection);
        with_index.indexes.push(index);
        collection = Arc::new(with_index);
        self.fill_index(session, &collection).await.map_err(other)?;
        self.reload(session, &target.collection).await.map_err(other)?;
        Ok(name)
    }

    /// Keeps all writers away from the collection until the transaction ends, and reads it as it is
    /// then. It gets another version, so that writers who waited look at it anew.
    async fn take(&self, session: &mut Session, collection: &Collection) -> Result<Arc<Collection>> {
        const RENEW: &str = "UPDATE collections SET version = nextval('catalog_version') WHERE id = $1";
        let connection = session.connection()?;
        execute(connection, format!("LOCK TABLE c{} IN SHARE ROW EXCLUSIVE MODE", collection.id)).await?;
        let done = sqlx::query(RENEW).bind(collection.id).execute(connection).await.map_err(store_error)?;
        if done.rows_affected() == 0 {
            return Err(stale());
        }
        self.reload(session, &collection.name).await?.ok_or_else(stale)
    }

    /// Makes the entries of the last index.
    async fn fill_index(&self, session: &mut Session, collection: &Arc<Collection>) -> Result<()> {
        let at = collection.indexes.len() - 1;
        let mut only = Collection::clone(collection);
        only.indexes.drain(..at);
        let mut scan = Scan::new(collection, &Plan::everything(), None);
        let mut flags = Flags::default();
        while let Some(stored) = scan.next(session.connection()?).await? {
            let mut rows = Vec::with_capacity(stored.len());
            for row in &stored {
                let document = decode_body(&row.body)?;
                let id = document.get("_id").cloned().unwrap_or_default();
                rows.push((row.seq, Row::new(&only, id, &document)?));
            }
            let borrowed: Vec<_> = rows.iter().map(|(seq, row)| (*seq, row)).collect();
            if borrowed.is_empty() {
                continue;
            }
            writer::index_existing(session.connection()?, &only, 0, &borrowed).await?;
            let new = Flags::of(&only, &borrowed.iter().map(|(_, row)| *row).collect::<Vec<_>>());
            flags.multikey.extend(new.multikey);
            flags.cut.extend(new.cut);
        }
        if !flags.is_empty() {
            writer::raise(session.connection()?, collection, &flags).await?;
        }
        Ok(())
    }

    pub(super) async fn drop_index(&self, target: &Target, name: &str) -> Result<()> {
        if name == ID_INDEX {
            return Err(Error::new(ErrorKind::InvalidArgument, "The index on _id cannot be dropped"));
        }
        let mut tries = 0;
        loop {
            let mut session = self.together(target).await?;
            let dropped = self.drop_index_in(&mut session, target, name).await;
            match session.finish(dropped).await {
                Err(error) if self.may_try_again(&error, target, tries, false).await => tries += 1,
                result => {
                    self.catalog.forget(&target.collection);
                    return result;
                }
            }
        }
    }

    async fn drop_index_in(&self, session: &mut Session, target: &Target, name: &str) -> Result<()> {
        let missing = || {
            Error::new(
                ErrorKind::NotFound,
                format!("There is no index {name:?} on collection {:?}", target.collection),
            )
        };
        let known = self.collection(session, &target.collection).await?.ok_or_else(missing)?;
        let collection = self.take(session, &known).await?;
        let mut indexes = collection.indexes.iter();
        let index = indexes.find(|index| index.definition.name == name).ok_or_else(missing)?;
        let connection = session.connection()?;
        execute(connection, format!("DROP TABLE i{}", index.id)).await?;
        let query = sqlx::query("DELETE FROM indexes WHERE id = $1").bind(index.id);
        query.execute(connection).await.map_err(store_error)?;
        self.reload(session, &target.collection).await?;
        Ok(())
    }

    pub(super) async fn list_indexes(&self, target: &Target) -> Result<Vec<IndexSpec>> {
        let mut session = self.single(target).await?;
        // Others may have made some.
        let loaded = self.reload(&mut session, &target.collection).await;
        let Some(collection) = session.finish(loaded).await? else {
            return Ok(Vec::new());
        };
        let others = collection.indexes.iter().map(|index| index.definition.spec.clone());
        Ok([id_index()].into_iter().chain(others).collect())
    }

    pub(super) async fn drop_collection(&self, target: &Target) -> Result<bool> {
        let mut tries = 0;
        loop {
            let mut session = self.together(target).await?;
            let dropped = self.drop_collection_in(&mut session, target).await;
            match session.finish(dropped).await {
                Err(error) if self.may_try_again(&error, target, tries, false).await => tries += 1,
                result => {
                    self.catalog.forget(&target.collection);
                    return result;
                }
            }
        }
    }

    async fn drop_collection_in(&self, session: &mut Session, target: &Target) -> Result<bool> {
        // What is remembered may be of one that was dropped and made again.
        let Some(known) = self.reload(session, &target.collection).await? else {
            return Ok(false);
        };
        let collection = self.take(session, &known).await?;
        let connection = session.connection()?;
        for index in &collection.indexes {
            execute(connection, format!("DROP TABLE i{}", index.id)).await?;
        }
        execute(connection, format!("DROP TABLE c{}", collection.id)).await?;
        let query = sqlx::query("DELETE FROM collections WHERE id = $1").bind(collection.id);
        query.execute(connection).await.map_err(store_error)?;
        self.reload(session, &target.collection).await?;
        Ok(true)
    }

    pub(super) async fn list_collections(&self) -> Result<Vec<String>> {
        let target = Target { collection: String::new(), transaction: None, timeout: None };
        self.within(&target, async {
            let mut session = self.single(&target).await?;
            let names = match session.connection() {
                Ok(connection) => sqlx::query_scalar("SELECT name FROM collections ORDER BY name")
                    .fetch_all(connection)
                    .await
                    .map_err(store_error),
                Err(error) => Err(error),
            };
            session.finish(names).await
        })
        .await
    }
}

/// Records a new index and makes its table; its entries are the caller's to make.
async fn add_index(
    connection: &mut PgConnection,
    collection: i64,
    definition: &Arc<Definition>,
) -> Result<Index> {
    const ADD: &str = "INSERT INTO indexes (collection, name, spec) VALUES ($1, $2, $3) RETURNING id";
    let query = sqlx::query_scalar(ADD).bind(collection).bind(&definition.name).bind(definition.stored());
    let id: i64 = query.fetch_one(&mut *connection).await.map_err(store_error)?;
    let key = match definition.spec.unique {
        true => "(key) INCLUDE (seq)",
        false => "(key, seq)",
    };
    let table = format!(
        "CREATE TABLE i{id} (
            key bytea NOT NULL, seq bigint NOT NULL, CONSTRAINT i{id}_key PRIMARY KEY {key}
        )"
    );
    execute(connection, table).await?;
    Ok(Index { id, multikey: false, cut: false, definition: Arc::clone(definition) })
}
