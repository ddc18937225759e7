//! Memory that is free, back to the system, a moment after it was freed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::large_blocks;

/// How long isolates may end, and large blocks be freed, before their memory goes back together:
/// looking through the heap takes milliseconds, and what is freed is often wanted again.
const AFTER: Duration = Duration::from_secs(1);

/// Whether an isolate ended: the C library keeps what was freed between blocks that are in use.
static HEAP: AtomicBool = AtomicBool::new(false);

/// Gives back what an isolate had that has ended.
pub(crate) fn heap() {
    HEAP.store(true, Ordering::Release);
    start();
}

/// Gives back what is free a moment from now. Logs nothing: memory is freed anywhere.
pub(crate) fn start() {
    static COMING: AtomicBool = AtomicBool::new(false);
    if COMING.swap(true, Ordering::AcqRel) {
        return;
    }
    let started = std::thread::Builder::new().name("tandem-trim".into()).spawn(|| {
        loop {
            std::thread::sleep(AFTER);
            COMING.store(false, Ordering::Release);
            let is_left = large_blocks::give_back(AFTER);
            if HEAP.swap(false, Ordering::AcqRel) {
                trim_heap();
            }
            if !is_left || COMING.swap(true, Ordering::AcqRel) {
                return;
            }
        }
    });
    if started.is_err() {
        // The next that is freed tries again.
        COMING.store(false, Ordering::Release);
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn trim_heap() {
    #[expect(unsafe_code, reason = "no crate here wraps the call")]
    // SAFETY: it takes the locks of the allocator that it needs.
    unsafe {
        libc::malloc_trim(0)
    };
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
const fn trim_heap() {}
