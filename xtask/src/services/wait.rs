//! Waiting for a server to answer.

use std::path::Path;
use std::time::{Duration, Instant};

/// How long a server may take: a restart on a busy machine takes a while.
const WITHIN: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(100);

/// Asks until the answer is yes.
///
/// # Errors
/// The asker's, or that it took too long, with the end of the server's log.
pub(crate) fn until(log: &Path, mut is_ready: impl FnMut() -> Result<bool, String>) -> Result<(), String> {
    let deadline = Instant::now() + WITHIN;
    loop {
        if is_ready()? {
            return Ok(());
        }
        if Instant::now() > deadline {
            let printed = std::fs::read_to_string(log).unwrap_or_default();
            let tail: Vec<&str> = printed.lines().rev().take(10).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            return Err(format!(
                "no answer within {WITHIN:?}; the end of {}:\n{}",
                log.display(),
                tail.join("\n")
            ));
        }
        std::thread::sleep(PAUSE);
    }
}
