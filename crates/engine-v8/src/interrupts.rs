//! How code that runs is made to look whether it has to end. V8 does not poll: it is asked from
//! another thread and calls back on the isolate's own.

use std::ffi::c_void;
use std::sync::atomic::Ordering;

use crate::bindings::Bindings;

/// Has `isolate` look at the interrupt flag of `bindings` when it is nudged.
///
/// # Safety
/// `bindings` stay where they are until the isolate is gone.
pub(crate) unsafe fn watch(isolate: &v8::Isolate, bindings: *const Bindings) {
    let handle = isolate.thread_safe_handle();
    let data = Data(bindings);
    // SAFETY: by the contract above the bindings are there.
    let interrupt = unsafe { &*bindings }.driver.interrupt();
    interrupt.set_nudge(move || {
        // Once the isolate is gone, this does nothing.
        handle.request_interrupt(look, data.pointer());
    });
}

/// Travels to the thread that nudges and back, and is read by the isolate's thread only.
struct Data(*const Bindings);

// SAFETY: see above.
unsafe impl Send for Data {}
// SAFETY: see above.
unsafe impl Sync for Data {}

impl Data {
    const fn pointer(&self) -> *mut c_void {
        self.0.cast_mut().cast()
    }
}

/// Tells whose code runs, and ends it if it is the one that has to.
unsafe extern "C" fn look(isolate: v8::UnsafeRawIsolatePtr, bindings: *mut c_void) {
    // SAFETY: V8 calls this on the isolate's thread while code runs; the bindings outlive the
    // isolate by the contract of `watch`.
    let (mut isolate, bindings) =
        unsafe { (v8::Isolate::from_raw_isolate_ptr(isolate), &*bindings.cast::<Bindings>()) };
    let interrupt = bindings.driver.interrupt();
    {
        v8::scope!(let scope, &mut isolate);
        if let Some(slot) = bindings.current_slot(scope) {
            interrupt.running().store(slot, Ordering::Relaxed);
        }
    }
    if bindings.usage.is_exhausted() {
        isolate.terminate_execution();
    } else if interrupt.is_raised() {
        bindings.ended.set(true);
        isolate.terminate_execution();
    }
}
