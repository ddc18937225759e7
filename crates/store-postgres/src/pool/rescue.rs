//! Connections that were dropped in the middle of something: the server is told to stop it, and
//! what was begun is undone.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{ConnectOptions, Connection};
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::{Held, Pool};

/// How long a statement that was cancelled may go on.
const PATIENCE: Duration = Duration::from_secs(2);

/// Sets `held` right and gives it back, or closes it. Its place stays taken meanwhile.
pub(super) fn in_background(pool: Arc<Pool>, mut held: Held, permit: Option<OwnedSemaphorePermit>) {
    // Outside of a runtime nothing can be waited for: closing the socket has to do.
    let Ok(runtime) = Handle::try_current() else { return };
    if pool.is_closed() {
        return;
    }
    runtime.spawn(async move {
        // Most were between two statements: nothing runs that would have to be cancelled.
        let mut ready = timeout(Duration::from_millis(20), held.connection.ping()).await.is_ok();
        if !ready {
            cancel(&pool, held.backend).await;
            ready = matches!(timeout(PATIENCE, held.connection.ping()).await, Ok(Ok(())));
        }
        if ready && matches!(timeout(PATIENCE, roll_back(&mut held.connection)).await, Ok(Ok(()))) {
            pool.give_back(held);
        }
        drop(permit);
    });
}

/// Stops what a connection runs, over another connection.
pub(crate) async fn cancel(pool: &Pool, backend: i32) {
    let work = async {
        let mut other = pool.options.connect().await?;
        sqlx::query("SELECT pg_cancel_backend($1)").bind(backend).execute(&mut other).await?;
        other.close().await
    };
    match timeout(PATIENCE, work).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a statement could not be cancelled"),
        Err(_) => tracing::debug!("a statement could not be cancelled in time"),
    }
}

async fn roll_back(connection: &mut PgConnection) -> sqlx::Result<()> {
    // Outside of a transaction it does nothing.
    sqlx::raw_sql("ROLLBACK").execute(connection).await.map(drop)
}
