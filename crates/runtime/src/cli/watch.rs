use std::path::Path;
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

/// How long a folder must be still before it is read: editors save in several steps.
const STILL_FOR: Duration = Duration::from_millis(40);

/// How long changes may go on before they are read anyway.
const AT_MOST: Duration = Duration::from_millis(400);

/// Tells when something in a folder changed.
pub(super) struct FolderWatch {
    events: mpsc::UnboundedReceiver<()>,
    /// Watches as long as it lives.
    _watcher: RecommendedWatcher,
}

impl FolderWatch {
    /// Starts watching `folder` and all below it.
    ///
    /// # Errors
    /// When the system cannot watch it, for example because its limit of watches is reached.
    pub(super) fn start(folder: &Path) -> notify::Result<Self> {
        let (sender, events) = mpsc::unbounded_channel();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading a file is an event too, and reading is what an event leads to. After an
            // error events may be missing: look.
            if !matches!(event, Ok(notify::Event { kind: EventKind::Access(_), .. })) {
                let _ = sender.send(());
            }
        })?;
        watcher.watch(folder, RecursiveMode::Recursive)?;
        Ok(Self { events, _watcher: watcher })
    }

    /// Waits for a change and for the stillness after it.
    pub(super) async fn changed(&mut self) {
        if self.events.recv().await.is_none() {
            return std::future::pending().await;
        }
        let still =
            async { while let Ok(Some(())) = tokio::time::timeout(STILL_FOR, self.events.recv()).await {} };
        let _ = tokio::time::timeout(AT_MOST, still).await;
    }
}
