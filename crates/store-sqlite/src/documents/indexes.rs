//! Collections and indexes as wholes.

use bson::{Document, doc};
use sqlx::sqlite::SqliteConnection;
use tandem_contract::{Error, ErrorKind, IndexSpec, Result, Target};
use tandem_documents::Direction;

use super::catalog::{Definition, ID_INDEX, Index, add_index, load, load_or_create};
use super::modify::clear;
use super::plan::Plan;
use super::rows::{Writer, decode_body};
use super::scan::Scan;
use super::{Inner, store_error};

impl Inner {
    pub(super) async fn create_index(&self, target: &Target, spec: IndexSpec) -> Result<String> {
        let definition = Definition::new(spec)?;
        if is_on_id(&definition) {
            check_on_id(&definition.spec)?;
            return Ok(ID_INDEX.to_owned());
        }
        check_expiry(&definition.spec)?;
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
        let mut collection = load_or_create(connection, &self.definitions, &target.collection).await?;
        let name = definition.name.clone();
        for index in &collection.indexes {
            match compare(&index.definition, &definition) {
                Likeness::Same => return Ok(name),
                Likeness::Different => {}
                Likeness::Clash => {
                    let held = &index.definition.name;
                    return Err(Error::new(
                        ErrorKind::Conflict,
                        format!(
                            "Index {name:?} clashes with index {held:?}, which has the same name or keys but other options"
                        ),
                    ));
                }
            }
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
        let collection = load(connection, &self.definitions, &target.collection).await?;
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
            Ok(connection) => load(connection, &self.definitions, &target.collection).await,
            Err(error) => Err(error),
        };
        let Some(collection) = session.finish(loaded).await? else {
            return Ok(Vec::new());
        };
        let on_id = plain_index(doc! { "_id": 1 }, ID_INDEX);
        let others = collection.indexes.iter().map(|index| index.definition.spec.clone());
        Ok([on_id].into_iter().chain(others).collect())
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
        let Some(collection) = load(connection, &self.definitions, &target.collection).await? else {
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

enum Likeness {
    Same,
    Different,
    /// One name for two things, or two names for one.
    Clash,
}

fn compare(held: &Definition, new: &Definition) -> Likeness {
    let same_keys = held.keys.fields() == new.keys.fields();
    let options =
        |spec: &IndexSpec| (spec.unique, spec.sparse, spec.partial_filter.clone(), spec.expire_after_seconds);
    let same_options = options(&held.spec) == options(&new.spec);
    match (held.name == new.name, same_keys && same_options) {
        (true, true) => Likeness::Same,
        (false, false) => Likeness::Different,
        _ => Likeness::Clash,
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

fn is_on_id(definition: &Definition) -> bool {
    matches!(definition.keys.fields(), [(path, Direction::Ascending)] if path == "_id")
}

/// The index on `_id` is unique by nature; no other option makes sense on it.
fn check_on_id(spec: &IndexSpec) -> Result<()> {
    if spec.sparse || spec.partial_filter.is_some() || spec.expire_after_seconds.is_some() {
        return Err(Error::new(
            ErrorKind::InvalidArgument,
            "The index on _id takes none of sparse, partialFilterExpression and expireAfterSeconds",
        ));
    }
    Ok(())
}

fn check_expiry(spec: &IndexSpec) -> Result<()> {
    /// As in MongoDB: the time must fit 32 bits.
    const MAX_SECONDS: u64 = i32::MAX as u64;
    let refuse = |message: &str| Err(Error::new(ErrorKind::InvalidArgument, message));
    match spec.expire_after_seconds {
        Some(_) if spec.keys.len() != 1 => refuse("expireAfterSeconds needs an index on a single path"),
        Some(seconds) if seconds > MAX_SECONDS => refuse("expireAfterSeconds must be at most 2147483647"),
        _ => Ok(()),
    }
}

fn plain_index(keys: Document, name: &str) -> IndexSpec {
    IndexSpec {
        keys,
        name: Some(name.to_owned()),
        unique: false,
        sparse: false,
        partial_filter: None,
        expire_after_seconds: None,
    }
}
