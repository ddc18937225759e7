//! Collections and indexes as wholes.

use sqlx::sqlite::SqliteConnection;
use tandem_contract::{Error, ErrorKind, IndexSpec, Result, Target};
use tandem_documents::store::{Definition, ID_INDEX, Index, Plan, decode_body, id_index};

use super::catalog::{add_index, load, load_or_create};
use super::modify::clear;
use super::rows::Writer;
use super::scan::Scan;
use super::{Inner, store_error};

impl Inner {
    pub(super) async fn create_index(&self, target: &Target, spec: IndexSpec) -> Result<String> {
        let definition = Definition::new(spec)?;
        if definition.is_on_id()? {
            return Ok(ID_INDEX.to_owned());
        }
        let mut session = self.write(target).await?;
        let created = match session.connection() {
            Ok(connection) => self.create_index_on(connection, target, definition).await,
            Err(error) => Err(error),
        };
        session.finish(created).await
    }

    async fn create_index_on(
        &self,
        connection: &mut SqliteConnection,
        target: &Target,
        definition: Definition,
    ) -> Result<String> {
        let mut collection = load_or_create(connection, &self.cache, &target.collection).await?;
        let name = definition.name.clone();
        if definition.is_among(&collection.indexes)? {
            return Ok(name);
        }
        let index = add_index(connection, collection.id, definition).await?;
        collection.indexes.push(index);
        let last = collection.indexes.len() - 1;
        let mut scan = Scan::open(connection, &collection, &Plan::everything()).await?;
        let mut writer = Writer::new(connection, collection, &self.ids);
        while let Some(rows) = scan.next(writer.connection).await? {
            for row in rows {
                writer.index_existing(last, row.seq, &decode_body(&row.body)?).await?;
            }
        }
        Ok(name)
    }

    pub(super) async fn drop_index(&self, target: &Target, name: &str) -> Result<()> {
        if name == ID_INDEX {
            return Err(Error::new(ErrorKind::InvalidArgument, "The index on _id cannot be dropped"));
        }
        let mut session = self.write(target).await?;
        let dropped = match session.connection() {
            Ok(connection) => self.drop_index_on(connection, target, name).await,
            Err(error) => Err(error),
        };
        session.finish(dropped).await
    }

    async fn drop_index_on(
        &self,
        connection: &mut SqliteConnection,
        target: &Target,
        name: &str,
    ) -> Result<()> {
        let collection = load(connection, &self.cache, &target.collection).await?;
        let mut indexes = collection.iter().flat_map(|collection| &collection.indexes);
        let Some(index) = indexes.find(|index| index.definition.name == name) else {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("There is no index {name:?} on collection {:?}", target.collection),
            ));
        };
        remove_index(connection, index).await
    }

    pub(super) async fn list_indexes(&self, target: &Target) -> Result<Vec<IndexSpec>> {
        let mut session = self.read(target).await?;
        let loaded = match session.connection() {
            Ok(connection) => load(connection, &self.cache, &target.collection).await,
            Err(error) => Err(error),
        };
        let Some(collection) = session.finish(loaded).await? else {
            return Ok(Vec::new());
        };
        let others = collection.indexes.iter().map(|index| index.definition.spec.clone());
        Ok([id_index()].into_iter().chain(others).collect())
    }

    pub(super) async fn drop_collection(&self, target: &Target) -> Result<bool> {
        let mut session = self.write(target).await?;
        let dropped = match session.connection() {
            Ok(connection) => self.drop_collection_on(connection, target).await,
            Err(error) => Err(error),
        };
        session.finish(dropped).await
    }

    async fn drop_collection_on(&self, connection: &mut SqliteConnection, target: &Target) -> Result<bool> {
        let Some(collection) = load(connection, &self.cache, &target.collection).await? else {
            return Ok(false);
        };
        clear(connection, &collection).await?;
        sqlx::query("DELETE FROM indexes WHERE collection = ?")
            .bind(collection.id)
            .execute(&mut *connection)
            .await
            .map_err(store_error)?;
        sqlx::query("DELETE FROM collections WHERE id = ?")
            .bind(collection.id)
            .execute(connection)
            .await
            .map_err(store_error)?;
        Ok(true)
    }

    pub(super) async fn list_collections(&self) -> Result<Vec<String>> {
        let target = Target { collection: String::new(), transaction: None, timeout: None };
        let mut session = self.read(&target).await?;
        let names = match session.connection() {
            Ok(connection) => sqlx::query_scalar("SELECT name FROM collections ORDER BY name")
                .fetch_all(connection)
                .await
                .map_err(store_error),
            Err(error) => Err(error),
        };
        session.finish(names).await
    }
}

/// Deletes the entries of an index.
pub(super) async fn clear_entries(connection: &mut SqliteConnection, index: &Index) -> Result<()> {
    let statement = match index.definition.spec.unique {
        true => "DELETE FROM unique_entries WHERE index_id = ?",
        false => "DELETE FROM index_entries WHERE index_id = ?",
    };
    sqlx::query(statement).bind(index.id).execute(connection).await.map_err(store_error)?;
    Ok(())
}

async fn remove_index(connection: &mut SqliteConnection, index: &Index) -> Result<()> {
    clear_entries(connection, index).await?;
    let done = sqlx::query("DELETE FROM indexes WHERE id = ?").bind(index.id).execute(connection).await;
    done.map_err(store_error)?;
    Ok(())
}
