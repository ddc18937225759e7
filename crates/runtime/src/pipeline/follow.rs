use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tandem_contract::{Change, ChangeStream};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::resolve::Resolver;

/// How often all that is cached is compared with the store, in case the feed missed something.
const RECONCILE_EVERY: Duration = Duration::from_secs(30);

/// How soon what failed is tried again.
const RETRY_EVERY: Duration = Duration::from_secs(1);

/// Keeps the resolver's cache fresh for as long as it is polled.
pub(super) async fn follow(resolver: Arc<Resolver>, mut changes: ChangeStream) {
    let mut todo = Todo::default();
    let mut reconcile = interval_at(Instant::now() + RECONCILE_EVERY, RECONCILE_EVERY);
    let mut retry = interval_at(Instant::now() + RETRY_EVERY, RETRY_EVERY);
    reconcile.set_missed_tick_behavior(MissedTickBehavior::Delay);
    retry.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut feed_ended = false;
    loop {
        tokio::select! {
            change = changes.next(), if !feed_ended => match change {
                Some(Change::Published(name) | Change::Deleted(name)) => {
                    todo.names.insert(name);
                }
                Some(Change::Resync) => todo.all = true,
                None => {
                    feed_ended = true;
                    continue;
                }
            },
            _ = reconcile.tick() => todo.all = true,
            _ = retry.tick(), if !todo.is_empty() => {}
        }
        todo.work(&resolver).await;
    }
}

/// What is to be compared with the store. Stays until the store answered.
#[derive(Default)]
struct Todo {
    names: HashSet<String>,
    all: bool,
}

impl Todo {
    fn is_empty(&self) -> bool {
        self.names.is_empty() && !self.all
    }

    async fn work(&mut self, resolver: &Resolver) {
        while let Some(name) = self.names.iter().next().cloned() {
            if let Err(error) = resolver.refresh(&name).await {
                tracing::warn!(%error, function = name, "cannot read a changed function; cached ones keep serving");
                return;
            }
            self.names.remove(&name);
        }
        if self.all {
            match resolver.reconcile().await {
                Ok(()) => self.all = false,
                Err(error) => {
                    tracing::warn!(%error, "cannot compare cached functions with the store; they keep serving");
                }
            }
        }
    }
}
