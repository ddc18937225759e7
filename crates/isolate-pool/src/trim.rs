//! Memory of isolates that ended, back to the system: the C library keeps what was freed between
//! blocks that are in use.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long isolates may end before their memory goes back together: looking through the heap takes
/// milliseconds.
const AFTER: Duration = Duration::from_secs(1);

/// Gives back what is free a moment from now.
pub(crate) fn soon() {
    static COMING: AtomicBool = AtomicBool::new(false);
    if COMING.swap(true, Ordering::AcqRel) {
        return;
    }
    let started = std::thread::Builder::new().name("tandem-trim".into()).spawn(|| {
        std::thread::sleep(AFTER);
        COMING.store(false, Ordering::Release);
        give_back();
    });
    if let Err(error) = started {
        COMING.store(false, Ordering::Release);
        tracing::debug!(%error, "free memory stays with the process");
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn give_back() {
    #[expect(unsafe_code, reason = "no crate here wraps the call")]
    // SAFETY: it takes the locks of the allocator that it needs.
    unsafe {
        libc::malloc_trim(0)
    };
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
const fn give_back() {}
