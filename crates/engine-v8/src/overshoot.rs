use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// How long an isolate waits for another to be gone. Past it both may overshoot.
const PATIENCE: Duration = Duration::from_secs(1);

static TAKEN: Mutex<bool> = Mutex::new(false);
static GIVEN: Condvar = Condvar::new();

/// Lets one isolate of the process at a time go over its memory limit while its code is made to
/// end, so that the process needs memory for one overshoot and not for one of every isolate.
pub(crate) struct Permit(());

impl Permit {
    pub(crate) fn wait() -> Self {
        let mut taken = TAKEN.lock();
        GIVEN.wait_while_for(&mut taken, |taken| *taken, PATIENCE);
        *taken = true;
        Self(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        *TAKEN.lock() = false;
        GIVEN.notify_one();
    }
}
