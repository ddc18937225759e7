//! Where an operation runs: on a connection for single statements, in a transaction of its own, or
//! in one that a function opened.

use std::sync::Arc;

use sqlx::postgres::PgConnection;
use tandem_contract::{Error, Result, Target};
use tokio::sync::OwnedMutexGuard;

use super::catalog::{Collection, create, load};
use super::transaction::OpenTransaction;
use super::{Inner, is_broken, store_error};
use crate::error::Role;
use crate::pool::Lease;

/// One operation's place.
pub(super) struct Session {
    place: Place,
    /// What a transaction of its own knows of the collection beyond what all may know.
    own: Option<Arc<Collection>>,
}

enum Place {
    /// Each statement is a transaction.
    Single(Lease),
    /// All statements are one transaction.
    Own(Lease),
    /// Part of a transaction that a function opened; `true` behind a savepoint.
    Inside(OwnedMutexGuard<OpenTransaction>, bool),
}

impl Inner {
    /// For single statements.
    pub(super) async fn single(&self, target: &Target) -> Result<Session> {
        if let Some(id) = target.transaction {
            let open = self.transactions.enter(id).await?;
            return Ok(Session { place: Place::Inside(open, false), own: None });
        }
        let lease = self.handle.lease(target.timeout).await?;
        Ok(Session { place: Place::Single(lease), own: None })
    }

    /// For statements that are done together or not at all.
    pub(super) async fn together(&self, target: &Target) -> Result<Session> {
        if let Some(id) = target.transaction {
            let mut open = self.transactions.enter(id).await?;
            open.begin_operation().await?;
            return Ok(Session { place: Place::Inside(open, true), own: None });
        }
        let mut tries = 0;
        loop {
            let mut lease = self.handle.lease(target.timeout).await?;
            let connection = lease.connection().map_err(store_error)?;
            match sqlx::raw_sql("BEGIN").execute(connection).await.map_err(store_error) {
                Ok(_) => return Ok(Session { place: Place::Own(lease), own: None }),
                // Nothing was done yet.
                Err(error) if is_broken(&error) && tries < 2 => {
                    lease.give_up();
                    tries += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The collection as the session knows it; nothing when there is none.
    pub(super) async fn collection(
        &self,
        session: &mut Session,
        name: &str,
    ) -> Result<Option<Arc<Collection>>> {
        match &mut session.place {
            Place::Inside(open, _) => open.collection(name).await,
            Place::Single(_) | Place::Own(_) => {
                if let Some(own) = &session.own {
                    return Ok(Some(Arc::clone(own)));
                }
                if let Some(known) = self.catalog.get(name) {
                    return Ok(Some(known));
                }
                let loaded = load(session.connection()?, name).await?;
                if let Some(collection) = &loaded {
                    self.catalog.put(collection);
                }
                Ok(loaded)
            }
        }
    }

    /// The collection, made when it is not there yet. For sessions of one transaction.
    pub(super) async fn collection_or_new(
        &self,
        session: &mut Session,
        name: &str,
    ) -> Result<Arc<Collection>> {
        if let Some(collection) = self.collection(session, name).await? {
            return Ok(collection);
        }
        create(session.connection()?, name).await?;
        // The other one that made it may have dropped it again.
        self.reload(session, name).await?.ok_or_else(super::stale)
    }

    /// Reads the collection anew, after the session's transaction changed it or to see what others
    /// did.
    pub(super) async fn reload(&self, session: &mut Session, name: &str) -> Result<Option<Arc<Collection>>> {
        self.catalog.forget(name);
        match &mut session.place {
            Place::Inside(open, _) => {
                open.forget(name);
                open.collection(name).await
            }
            Place::Single(_) | Place::Own(_) => {
                session.own = load(session.connection()?, name).await?;
                Ok(session.own.clone())
            }
        }
    }
}

impl Session {
    pub(super) fn connection(&mut self) -> Result<&mut PgConnection> {
        match &mut self.place {
            Place::Single(lease) | Place::Own(lease) => lease.connection().map_err(store_error),
            Place::Inside(open, _) => open.connection(),
        }
    }

    /// Whether it is part of a transaction that a function opened.
    pub(super) const fn is_inside(&self) -> bool {
        matches!(self.place, Place::Inside(..))
    }

    /// Before the first write to a collection in a function's transaction, which sees the state of
    /// its beginning: makes sure that its indexes are still those, and stay.
    pub(super) async fn hold_catalog(&mut self, collection: &Collection) -> Result<()> {
        match &mut self.place {
            Place::Inside(open, _) => open.hold(collection).await,
            Place::Single(_) | Place::Own(_) => Ok(()),
        }
    }

    /// Keeps what the operation did when it went well, and undoes all of it when it did not.
    pub(super) async fn finish<T>(self, result: Result<T>) -> Result<T> {
        match self.place {
            Place::Single(mut lease) => {
                match &result {
                    Err(error) if is_broken(error) => lease.give_up(),
                    _ => lease.mark_fit(),
                }
                result
            }
            Place::Own(lease) => finish_own(lease, result).await,
            Place::Inside(mut open, false) => {
                if let Err(error) = &result {
                    open.note_failed_read(error);
                }
                result
            }
            Place::Inside(mut open, true) => open.end_operation(result).await,
        }
    }
}

async fn finish_own<T>(mut lease: Lease, result: Result<T>) -> Result<T> {
    let statement = if result.is_ok() { "COMMIT" } else { "ROLLBACK" };
    if result.as_ref().is_err_and(is_broken) {
        lease.give_up();
        return result;
    }
    let ended = match lease.connection() {
        Ok(connection) => sqlx::raw_sql(statement).execute(connection).await.map(drop),
        Err(error) => Err(error),
    };
    let ended: Result<(), Error> = lease.settle(ended).map_err(|error| Role::Documents.error(error));
    match (result, ended) {
        (Ok(_), Err(error)) => Err(error),
        (result, _) => result,
    }
}
