//! Writes of one document: its row and its index entries. Everything that can refuse a write is
//! looked at before the first change, so that a refused write leaves nothing behind.

use std::collections::BTreeSet;

use bson::{Bson, Document};
use sqlx::sqlite::SqliteConnection;
use tandem_contract::{Error, ErrorKind, Result};
use tandem_documents::store::{
    Entry, ID_INDEX, ObjectIds, check_same_id, duplicate, encode_body, entries_of, id_key,
};

use super::catalog::Collection;
use super::store_error;

/// Writes to one collection in one transaction.
pub(super) struct Writer<'a> {
    pub(super) connection: &'a mut SqliteConnection,
    pub(super) collection: Collection,
    ids: &'a ObjectIds,
    /// The highest `seq` of the collection, once it is known.
    last_seq: Option<i64>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(
        connection: &'a mut SqliteConnection,
        collection: Collection,
        ids: &'a ObjectIds,
    ) -> Self {
        Self { connection, collection, ids, last_seq: None }
    }

    /// Inserts; returns the `_id`.
    pub(super) async fn insert(&mut self, document: &mut Document) -> Result<Bson> {
        let id = self.ids.settle(document)?;
        let body = encode_body(document)?;
        let entries = self.entries(Some(document))?;
        self.check_unique(&entries, None).await?;
        let seq = self.next_seq().await?;
        const INSERT: &str = "INSERT INTO documents (seq, collection, id_key, body) VALUES (?, ?, ?, ?)
            ON CONFLICT (collection, id_key) DO NOTHING";
        let done = sqlx::query(INSERT)
            .bind(seq)
            .bind(self.collection.id)
            .bind(id_key(&id))
            .bind(body)
            .execute(&mut *self.connection)
            .await
            .map_err(store_error)?;
        if done.rows_affected() == 0 {
            return Err(duplicate(&self.collection.name, ID_INDEX, &[("_id", &id)]));
        }
        self.last_seq = Some(seq);
        for (at, entries) in entries.iter().enumerate() {
            self.add_entries(at, entries, seq).await?;
        }
        Ok(id)
    }

    /// Puts `new` in the place of `old`.
    pub(super) async fn replace(&mut self, seq: i64, old: &Document, new: &Document) -> Result<()> {
        check_same_id(old, new)?;
        let body = encode_body(new)?;
        let mut before = self.entries(Some(old))?;
        let mut after = self.entries(Some(new))?;
        for (before, after) in before.iter_mut().zip(&mut after) {
            let kept: BTreeSet<Vec<u8>> =
                after.iter().filter(|entry| before.contains(entry)).map(|entry| entry.key.clone()).collect();
            before.retain(|entry| !kept.contains(&entry.key));
            after.retain(|entry| !kept.contains(&entry.key));
        }
        self.check_unique(&after, Some(seq)).await?;
        sqlx::query("UPDATE documents SET body = ? WHERE seq = ?")
            .bind(body)
            .bind(seq)
            .execute(&mut *self.connection)
            .await
            .map_err(store_error)?;
        for (at, (before, after)) in before.iter().zip(&after).enumerate() {
            self.remove_entries(at, before, seq).await?;
            self.add_entries(at, after, seq).await?;
        }
        Ok(())
    }

    pub(super) async fn delete(&mut self, seq: i64, document: &Document) -> Result<()> {
        let entries = self.entries(Some(document))?;
        sqlx::query("DELETE FROM documents WHERE seq = ?")
            .bind(seq)
            .execute(&mut *self.connection)
            .await
            .map_err(store_error)?;
        for (at, entries) in entries.iter().enumerate() {
            self.remove_entries(at, entries, seq).await?;
        }
        self.last_seq = None;
        Ok(())
    }

    /// Adds the entries of a document that is stored already to the index at `at`.
    pub(super) async fn index_existing(&mut self, at: usize, seq: i64, document: &Document) -> Result<()> {
        let mut entries = self.entries(None)?;
        entries[at] = entries_of(&self.collection.indexes[at], document)?;
        self.check_unique(&entries, Some(seq)).await?;
        self.add_entries(at, &entries[at], seq).await
    }

    /// The entries of `document` in each index.
    fn entries(&self, document: Option<&Document>) -> Result<Vec<Vec<Entry>>> {
        let of = |index| document.map_or(Ok(Vec::new()), |document| entries_of(index, document));
        self.collection.indexes.iter().map(of).collect()
    }

    async fn next_seq(&mut self) -> Result<i64> {
        let last = match self.last_seq {
            Some(last) => last,
            None => {
                sqlx::query_scalar("SELECT coalesce(max(seq), ?1) FROM documents WHERE seq > ?1 AND seq < ?2")
                    .bind(self.collection.start())
                    .bind(self.collection.end())
                    .fetch_one(&mut *self.connection)
                    .await
                    .map_err(store_error)?
            }
        };
        if last + 1 >= self.collection.end() {
            return Err(Error::new(ErrorKind::StoreUnavailable, "The collection is full"));
        }
        Ok(last + 1)
    }

    /// Nobody else writes while this transaction is open: what is free now stays free.
    async fn check_unique(&mut self, entries: &[Vec<Entry>], owner: Option<i64>) -> Result<()> {
        const HOLDER: &str = "SELECT seq FROM unique_entries WHERE index_id = ? AND key = ?";
        for (index, entries) in self.collection.indexes.iter().zip(entries) {
            for entry in entries.iter().filter(|_| index.definition.spec.unique) {
                let query = sqlx::query_scalar(HOLDER).bind(index.id).bind(&entry.key);
                let holder: Option<i64> =
                    query.fetch_optional(&mut *self.connection).await.map_err(store_error)?;
                if holder.is_some() && holder != owner {
                    let paths = index.definition.keys.fields().iter().map(|(path, _)| path.as_str());
                    let key: Vec<_> = paths.zip(&entry.values).collect();
                    return Err(duplicate(&self.collection.name, &index.definition.name, &key));
                }
            }
        }
        Ok(())
    }

    async fn add_entries(&mut self, at: usize, entries: &[Entry], seq: i64) -> Result<()> {
        const PLAIN: &str = "INSERT INTO index_entries (index_id, key, seq) VALUES (?, ?, ?)";
        const UNIQUE: &str = "INSERT INTO unique_entries (index_id, key, seq) VALUES (?, ?, ?)";
        let index = &mut self.collection.indexes[at];
        let statement = if index.definition.spec.unique { UNIQUE } else { PLAIN };
        for entry in entries {
            let query = sqlx::query(statement).bind(index.id).bind(&entry.key).bind(seq);
            query.execute(&mut *self.connection).await.map_err(store_error)?;
        }
        if entries.iter().any(|entry| entry.of_array) && !index.multikey {
            let query = sqlx::query("UPDATE indexes SET multikey = 1 WHERE id = ?").bind(index.id);
            query.execute(&mut *self.connection).await.map_err(store_error)?;
            index.multikey = true;
        }
        Ok(())
    }

    async fn remove_entries(&mut self, at: usize, entries: &[Entry], seq: i64) -> Result<()> {
        const PLAIN: &str = "DELETE FROM index_entries WHERE index_id = ? AND key = ? AND seq = ?";
        const UNIQUE: &str = "DELETE FROM unique_entries WHERE index_id = ? AND key = ? AND seq = ?";
        let index = &self.collection.indexes[at];
        let statement = if index.definition.spec.unique { UNIQUE } else { PLAIN };
        for entry in entries {
            let query = sqlx::query(statement).bind(index.id).bind(&entry.key).bind(seq);
            query.execute(&mut *self.connection).await.map_err(store_error)?;
        }
        Ok(())
    }
}
